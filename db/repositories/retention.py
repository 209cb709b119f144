"""What is thrown away after a time: old versions, ended jobs, answered requests."""

from datetime import timedelta
from uuid import UUID

from db.pool import Connection
from db.repositories import idempotency_keys, jobs

DISPUTED = timedelta(days=90)  # so long, an answer that somebody complained about can be looked into

# A version that an answer with feedback quotes is kept for a while, for whoever looks into the complaint.
PRUNE_VERSIONS = """
DELETE FROM source_versions v USING source_documents s
WHERE s.id = v.source_id AND v.tenant_id = $1 AND v.version <= s.current_version - $2
  AND NOT EXISTS (
      SELECT FROM documents d
      JOIN message_citations c ON c.tenant_id = $1 AND c.document_id = s.id AND c.chunk_id = d.id
      JOIN messages m ON m.id = c.message_id
      JOIN feedback f ON f.trace_id = m.trace_id
      WHERE d.source_id = v.source_id AND d.version = v.version AND f.created_at > now() - $3::interval)
RETURNING v.source_id
"""


async def prune_versions(connection: Connection, tenant_id: UUID, *, keep: int) -> int:
    """Delete all but the newest `keep` versions of each source; how many were deleted.

    Raises:
        ValueError: `keep` is less than 1: the current version is never deleted.
    """
    if keep < 1:
        raise ValueError(f"at least the current version is kept, not {keep}")
    return len(await connection.fetch(PRUNE_VERSIONS, tenant_id, keep, DISPUTED))


async def forget_jobs(connection: Connection, tenant_id: UUID, *, older_than: timedelta) -> None:
    """Delete jobs that ended before that time, with their files, and answered requests of yesterday."""
    await jobs.delete_old(connection, tenant_id, older_than=older_than)
    await idempotency_keys.delete_old(connection, tenant_id)
