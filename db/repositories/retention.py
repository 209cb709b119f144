"""What is thrown away after a time: old versions, ended jobs, and what requests leave behind."""

from datetime import timedelta
from typing import Protocol
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
# As old as its last message. Its traces stay: they have a time of their own.
OLD_CONVERSATIONS = """
SELECT c.id FROM conversations c
WHERE c.tenant_id = $1 AND c.created_at < now() - $2::interval AND NOT EXISTS (
    SELECT FROM messages m WHERE m.conversation_id = c.id AND m.created_at >= now() - $2::interval)
ORDER BY c.created_at LIMIT $3
"""
LEAVE_CONVERSATIONS = """
UPDATE traces SET conversation_id = NULL WHERE tenant_id = $1 AND conversation_id = ANY ($2::uuid[])
"""
FORGET_CONVERSATIONS = "DELETE FROM conversations WHERE tenant_id = $1 AND id = ANY ($2::uuid[])"
FORGET_TRACES = """
DELETE FROM traces WHERE id = ANY (ARRAY(
    SELECT t.id FROM traces t WHERE t.tenant_id = $1 AND t.created_at < now() - $2::interval
        AND NOT EXISTS (SELECT FROM feedback f WHERE f.trace_id = t.id)
    ORDER BY t.created_at LIMIT $3))
RETURNING 1
"""
BLANK_TRACES = """
UPDATE traces SET query = NULL, answer = NULL, metadata = '{}',
    diagnostics = diagnostics #- '{asked,filters}'
WHERE id = ANY (ARRAY(
    SELECT id FROM traces WHERE tenant_id = $1 AND created_at < now() - $2::interval
        AND (query IS NOT NULL OR answer IS NOT NULL OR metadata <> '{}')
    ORDER BY created_at LIMIT $3))
RETURNING 1
"""
BLANK_FEEDBACK = """
UPDATE feedback SET comment = NULL, correction = NULL, metadata = '{}' WHERE id = ANY (ARRAY(
    SELECT id FROM feedback WHERE tenant_id = $1 AND created_at < now() - $2::interval
        AND (changed_at IS NULL OR changed_at < now() - $2::interval)
        AND (comment IS NOT NULL OR correction IS NOT NULL OR metadata <> '{}')
    ORDER BY created_at LIMIT $3))
RETURNING 1
"""
FORGET_FEEDBACK_HISTORY = """
DELETE FROM feedback_history WHERE id = ANY (ARRAY(
    SELECT id FROM feedback_history WHERE tenant_id = $1 AND given_at < now() - $2::interval
    ORDER BY given_at LIMIT $3))
RETURNING 1
"""
FORGET_EVENTS = """
DELETE FROM events WHERE (trace_id, event_id) IN (
    SELECT trace_id, event_id FROM events WHERE tenant_id = $1 AND created_at < now() - $2::interval
    ORDER BY created_at LIMIT $3)
RETURNING 1
"""
FORGET_EXPOSURES = """
DELETE FROM exposures WHERE (experiment_id, subject) IN (
    SELECT experiment_id, subject FROM exposures WHERE tenant_id = $1 AND exposed_at < now() - $2::interval
    ORDER BY exposed_at LIMIT $3)
RETURNING 1
"""
BLANK_SHADOW_RESULTS = """
UPDATE shadow_results SET answer = NULL WHERE id = ANY (ARRAY(
    SELECT id FROM shadow_results WHERE tenant_id = $1 AND created_at < now() - $2::interval
        AND answer IS NOT NULL
    ORDER BY created_at LIMIT $3))
RETURNING 1
"""
FORGET_USAGE = """
DELETE FROM usage_ledger WHERE id = ANY (ARRAY(
    SELECT id FROM usage_ledger
    WHERE tenant_id = $1 AND day < ((now() - $2::interval) AT TIME ZONE 'UTC')::date
    ORDER BY day LIMIT $3))
RETURNING 1
"""
FORGET_AUDIT = """
DELETE FROM audit_log WHERE id = ANY (ARRAY(
    SELECT id FROM audit_log WHERE tenant_id = $1 AND at < now() - $2::interval ORDER BY at LIMIT $3))
RETURNING 1
"""


class Batch(Protocol):
    """Deletes or blanks rows older than a time, at most so many; how many it were."""

    async def __call__(
        self, connection: Connection, tenant_id: UUID, *, older_than: timedelta, limit: int
    ) -> int: ...


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


async def forget_conversations(
    connection: Connection, tenant_id: UUID, *, older_than: timedelta, limit: int
) -> int:
    """With their messages and what these cite."""
    rows = await connection.fetch(OLD_CONVERSATIONS, tenant_id, older_than, limit)
    old = [row["id"] for row in rows]
    await connection.execute(LEAVE_CONVERSATIONS, tenant_id, old)
    await connection.execute(FORGET_CONVERSATIONS, tenant_id, old)
    return len(old)


async def forget_traces(connection: Connection, tenant_id: UUID, *, older_than: timedelta, limit: int) -> int:
    """Those without feedback."""
    return len(await connection.fetch(FORGET_TRACES, tenant_id, older_than, limit))


async def blank_traces(connection: Connection, tenant_id: UUID, *, older_than: timedelta, limit: int) -> int:
    """Take the text out of those that are still there."""
    return len(await connection.fetch(BLANK_TRACES, tenant_id, older_than, limit))


async def blank_feedback(
    connection: Connection, tenant_id: UUID, *, older_than: timedelta, limit: int
) -> int:
    """Take out what was written; rating and labels stay."""
    return len(await connection.fetch(BLANK_FEEDBACK, tenant_id, older_than, limit))


async def forget_feedback_history(
    connection: Connection, tenant_id: UUID, *, older_than: timedelta, limit: int
) -> int:
    """Verdicts that others have replaced."""
    return len(await connection.fetch(FORGET_FEEDBACK_HISTORY, tenant_id, older_than, limit))


async def forget_events(connection: Connection, tenant_id: UUID, *, older_than: timedelta, limit: int) -> int:
    return len(await connection.fetch(FORGET_EVENTS, tenant_id, older_than, limit))


async def forget_exposures(
    connection: Connection, tenant_id: UUID, *, older_than: timedelta, limit: int
) -> int:
    """Without the traces that followed, they say nothing."""
    return len(await connection.fetch(FORGET_EXPOSURES, tenant_id, older_than, limit))


async def blank_shadow_results(
    connection: Connection, tenant_id: UUID, *, older_than: timedelta, limit: int
) -> int:
    """Take the text out of those whose trace is still there; the others have gone with it."""
    return len(await connection.fetch(BLANK_SHADOW_RESULTS, tenant_id, older_than, limit))


async def forget_usage(connection: Connection, tenant_id: UUID, *, older_than: timedelta, limit: int) -> int:
    """Needs a `system` connection, which reaches no row that the tenant still keeps."""
    return len(await connection.fetch(FORGET_USAGE, tenant_id, older_than, limit))


async def forget_audit(connection: Connection, tenant_id: UUID, *, older_than: timedelta, limit: int) -> int:
    """Needs a `system` connection, which reaches no row that the tenant still keeps."""
    return len(await connection.fetch(FORGET_AUDIT, tenant_id, older_than, limit))
