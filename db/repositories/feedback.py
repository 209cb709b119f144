from collections.abc import Sequence
from typing import Any
from uuid import UUID

from db.pool import Connection

ADD = """
INSERT INTO feedback (tenant_id, trace_id, subject, rating, labels, comment, correction, metadata)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING id
"""


async def add(
    connection: Connection,
    tenant_id: UUID,
    *,
    trace_id: UUID,
    subject: str,
    rating: int,
    labels: Sequence[str],
    comment: str | None,
    correction: str | None,
    metadata: dict[str, Any],
) -> UUID:
    feedback_id: UUID = await connection.fetchval(
        ADD, tenant_id, trace_id, subject, rating, list(labels), comment, correction, metadata
    )
    return feedback_id
