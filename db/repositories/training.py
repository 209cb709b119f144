"""What a reranker learns from: answers with what was shown, what was clicked, and who was content.

Texts come as they are stored, which may be sealed.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from db.pool import Connection
from db.repositories.events import EventKind

MAX_TRACES = 20_000  # the newest
USED = tuple(kind.value for kind in EventKind if kind is not EventKind.REFORMULATE)

# A curated answer is a person's, and what abstains shows nothing that anybody asked for.
ANSWERED = """
SELECT id, query, answer, retrieved, citations, diagnostics FROM traces
WHERE tenant_id = $1 AND query IS NOT NULL AND answer IS NOT NULL AND error IS NULL AND curated_id IS NULL
  AND NOT abstained AND jsonb_array_length(retrieved) > 0 AND created_at >= now() - $2::interval
ORDER BY created_at DESC, id LIMIT $3
"""
CLICKED = """
SELECT DISTINCT trace_id, document_id FROM events
WHERE tenant_id = $1 AND trace_id = ANY ($2::uuid[]) AND kind = ANY ($3::text[]) AND document_id IS NOT NULL
"""
# By somebody, and disapproved of by nobody.
APPROVED = """
SELECT trace_id FROM feedback WHERE tenant_id = $1 AND trace_id = ANY ($2::uuid[])
GROUP BY trace_id HAVING min(rating) > 0
"""


async def answered(connection: Connection, tenant_id: UUID, *, within: timedelta) -> list[dict[str, Any]]:
    """Answers of that time with their texts, the newest first."""
    return [dict(row) for row in await connection.fetch(ANSWERED, tenant_id, within, MAX_TRACES)]


async def clicked(
    connection: Connection, tenant_id: UUID, trace_ids: Sequence[UUID]
) -> dict[UUID, frozenset[UUID]]:
    """The documents of each answer that somebody clicked, copied or bought."""
    found: dict[UUID, set[UUID]] = defaultdict(set)
    for row in await connection.fetch(CLICKED, tenant_id, list(trace_ids), list(USED)):
        found[row["trace_id"]].add(row["document_id"])
    return {trace_id: frozenset(documents) for trace_id, documents in found.items()}


async def approved(connection: Connection, tenant_id: UUID, trace_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of the answers that were rated good, and never bad."""
    rows = await connection.fetch(APPROVED, tenant_id, list(trace_ids))
    return frozenset(row["trace_id"] for row in rows)
