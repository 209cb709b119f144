"""Requests that were answered, by the caller's own key for them: sent again, they get the same answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from db.pool import Connection

KEPT = timedelta(hours=24)

# A second request with the key waits here until the first one's transaction ends.
CLAIM = """
INSERT INTO idempotency_keys (tenant_id, key, request_sha256, job_ids) VALUES ($1, $2, $3, '{}')
ON CONFLICT (tenant_id, key) DO NOTHING RETURNING key
"""
FIND = "SELECT request_sha256, job_ids FROM idempotency_keys WHERE tenant_id = $1 AND key = $2"
FILL = "UPDATE idempotency_keys SET job_ids = $3 WHERE tenant_id = $1 AND key = $2"
DELETE_OLD = "DELETE FROM idempotency_keys WHERE tenant_id = $1 AND created_at < now() - $2::interval"


@dataclass(frozen=True, slots=True)
class KnownRequest:
    request_sha256: bytes
    job_ids: list[UUID]


async def claim(
    connection: Connection, tenant_id: UUID, key: str, request_sha256: bytes
) -> KnownRequest | None:
    """Take the key for a request; if it is taken, what it stands for."""
    if await connection.fetchval(CLAIM, tenant_id, key, request_sha256) is not None:
        return None
    row = await connection.fetchrow(FIND, tenant_id, key)
    return KnownRequest(**row) if row else None


async def fill(connection: Connection, tenant_id: UUID, key: str, job_ids: Sequence[UUID]) -> None:
    """Say which jobs the key stands for."""
    await connection.execute(FILL, tenant_id, key, list(job_ids))


async def delete_old(connection: Connection, tenant_id: UUID) -> None:
    await connection.execute(DELETE_OLD, tenant_id, KEPT)
