"""The queue: background work of every kind, and how far it is.

queued ──claim──> running ──> succeeded
  ^                  │  ├───> failed        out of attempts, or an error that comes again: the dead letters
  │                  │  ├───> quarantined   waits for a person
  └──error, expiry───┘  └───> cancelled

A job is taken for the length of a lease, which its worker renews. Each taking raises `fence`; a worker whose
fence or state is no longer the job's has lost it, and nothing that it does under `hold` is kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from db.pool import Connection
from rag.errors import GroundworkError
from rag.ports import Writer

CHANNEL = "groundwork_jobs"
FINISHED = "'succeeded', 'failed', 'cancelled', 'quarantined'"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"

    @property
    def is_final(self) -> bool:
        return self not in {JobState.QUEUED, JobState.RUNNING}


class LeaseLostError(GroundworkError):
    """The job was cancelled, deleted, or given to another worker."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """Work to be done.

    Attributes:
        kind: Chooses the handler.
        payload: What the handler needs to know.
        source_document_id: Jobs on the same document run one after the other, in the order of arrival.
        priority: Higher ones first.
        max_attempts: How often it is tried before it counts as failed.
        subject: Who asked for it.
    """

    kind: str
    payload: Mapping[str, Any]
    source_document_id: str | None = None
    subject: str | None = None
    priority: int = 0
    max_attempts: int = 5


@dataclass(frozen=True, slots=True)
class Claim:
    """A job in the hands of a worker.

    Attributes:
        progress: How far the job is: shown by the next beat and by its end. Empty says nothing new.
    """

    id: UUID
    tenant_id: UUID
    kind: str
    payload: dict[str, Any]
    source_document_id: str | None
    attempts: int
    max_attempts: int
    fence: int
    lease: timedelta
    progress: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is shown."""

    id: UUID
    number: int
    kind: str
    source_document_id: str | None
    state: JobState
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    error_code: str | None
    attempts: int
    max_attempts: int
    priority: int
    run_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


# Sent when the transaction commits; several in one transaction arrive as one.
WAKE = f"pg_notify('{CHANNEL}', '')"
ADD = f"""
INSERT INTO jobs (tenant_id, kind, payload, source_document_id, priority, max_attempts, subject)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id, {WAKE}
"""
# The first job that may run of each tenant; of those, the tenant's with the fewest running. Tenants are found
# by skipping through the index, so that a long queue of one costs the others nothing. Two claims at once lock
# different jobs.
CLAIM = """
WITH RECURSIVE waiting AS (
    (SELECT tenant_id FROM jobs WHERE state = 'queued' ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT j.tenant_id FROM jobs j
            WHERE j.state = 'queued' AND j.tenant_id > w.tenant_id ORDER BY j.tenant_id LIMIT 1)
    FROM waiting w WHERE w.tenant_id IS NOT NULL
), busy AS (
    SELECT tenant_id, count(*) AS running FROM jobs WHERE state = 'running' GROUP BY tenant_id
), first AS MATERIALIZED (
    SELECT f.* FROM waiting w
    CROSS JOIN LATERAL (
        SELECT j.id, j.tenant_id, j.priority, j.number FROM jobs j
        WHERE j.tenant_id = w.tenant_id AND j.state = 'queued' AND j.run_at <= now() AND j.kind = ANY ($1)
          AND NOT EXISTS (
              SELECT FROM jobs o
              WHERE o.tenant_id = j.tenant_id AND o.source_document_id = j.source_document_id
                AND o.state IN ('queued', 'running') AND o.number < j.number)
        ORDER BY j.priority DESC, j.number
        LIMIT 1
        FOR UPDATE OF j SKIP LOCKED
    ) f
)
UPDATE jobs SET state = 'running', attempts = attempts + 1, fence = fence + 1, worker = $2,
    lease_until = now() + $3, started_at = now(), updated_at = now(), error = NULL, error_code = NULL
WHERE id = (
    SELECT id FROM first LEFT JOIN busy USING (tenant_id)
    ORDER BY priority DESC, coalesce(running, 0), number LIMIT 1
)
RETURNING id, tenant_id, kind, payload, source_document_id, attempts, max_attempts, fence
"""
# What was taken by a worker that has gone. Its last attempt may be what ended it.
EXPIRE = f"""
UPDATE jobs SET lease_until = NULL, worker = NULL, updated_at = now(),
    state = CASE WHEN attempts < max_attempts THEN 'queued' ELSE 'failed' END,
    finished_at = CASE WHEN attempts < max_attempts THEN NULL ELSE now() END,
    error_code = 'worker_lost',
    error = format('the worker stopped in the middle of it, %s of %s attempts', attempts, max_attempts)
WHERE id IN (SELECT id FROM jobs WHERE state = 'running' AND lease_until < now() FOR UPDATE SKIP LOCKED)
RETURNING {WAKE}
"""
MINE = "id = $1 AND fence = $2 AND state = 'running'"
BEAT = f"""
UPDATE jobs SET lease_until = now() + $3, progress = coalesce($4, progress), updated_at = now()
WHERE {MINE} RETURNING id
"""
HOLD = f"SELECT id FROM jobs WHERE {MINE} FOR UPDATE"
# Its file is kept for another attempt, which one that has succeeded never gets.
END = f"""
WITH ended AS (
    UPDATE jobs SET state = $3, result = $4, error = $5, error_code = $6, lease_until = NULL, worker = NULL,
        progress = coalesce($7, progress), finished_at = now(), updated_at = now()
    WHERE {MINE} RETURNING id, state, {WAKE}
), gone AS (
    DELETE FROM job_files WHERE job_id IN (SELECT id FROM ended WHERE state = 'succeeded')
)
SELECT id FROM ended
"""
PUT_BACK = f"""
UPDATE jobs SET state = 'queued', lease_until = NULL, worker = NULL, updated_at = now(),
    run_at = now() + $3, error = $4, error_code = $5, attempts = attempts - $6
WHERE {MINE} RETURNING id, {WAKE}
"""
CANCEL = """
UPDATE jobs SET state = 'cancelled', lease_until = NULL, worker = NULL, finished_at = now(),
    updated_at = now(), error = $2, error_code = 'cancelled'
WHERE id = $1 AND state IN ('queued', 'running', 'quarantined') RETURNING id
"""
CANCEL_OF_SOURCE = """
UPDATE jobs SET state = 'cancelled', lease_until = NULL, worker = NULL, finished_at = now(),
    updated_at = now(), error = $3, error_code = 'cancelled'
WHERE tenant_id = $1 AND source_document_id = $2 AND state IN ('queued', 'running') RETURNING id
"""
RETRY = f"""
UPDATE jobs SET state = 'queued', attempts = 0, run_at = now(), finished_at = NULL, error = NULL,
    error_code = NULL, result = NULL, progress = '{{}}', updated_at = now(), payload = payload || $2
WHERE id = $1 AND state IN ('failed', 'cancelled', 'quarantined') RETURNING id, {WAKE}
"""
DELETE = f"DELETE FROM jobs WHERE id = $1 AND state IN ({FINISHED}) RETURNING id"
DELETE_OLD = f"""
DELETE FROM jobs WHERE tenant_id = $1 AND finished_at < now() - $2::interval AND state IN ({FINISHED})
"""
SHOWN = """
SELECT id, number, kind, source_document_id, state, progress, result, error, error_code, attempts,
       max_attempts, priority, run_at, created_at, started_at, finished_at
FROM jobs
"""
GET = f"{SHOWN} WHERE id = $1"
GET_ALL = f"{SHOWN} WHERE id = ANY ($1)"
# To whoever asked for it, and to others unless the document is closed to them, or will be.
VISIBLE = """
(subject IS NOT DISTINCT FROM {subject} OR (
    (coalesce(payload #> '{{labels,acl}}', 'null') IN ('null', '[]')
     OR payload #> '{{labels,acl}}' ?| {groups})
    AND NOT EXISTS (
        SELECT FROM source_documents s
        WHERE s.tenant_id = jobs.tenant_id AND s.source_document_id = jobs.source_document_id
          AND s.acl <> '{{}}' AND NOT s.acl && {groups})))
"""
IS_VISIBLE = f"SELECT {VISIBLE.format(subject='$2', groups='$3::text[]')} FROM jobs WHERE id = $1"
PAGE = f"""
{SHOWN}
WHERE tenant_id = $1 AND number < coalesce($2, 9223372036854775807)
  AND ($3::text[] IS NULL OR state = ANY ($3)) AND ($4::text IS NULL OR source_document_id = $4)
  AND kind = ANY ($6) AND ($8::text[] IS NULL OR {VISIBLE.format(subject="$7", groups="$8::text[]")})
ORDER BY number DESC LIMIT $5
"""
COUNTS = "SELECT state, count(*) FROM jobs WHERE tenant_id = $1 AND kind = ANY ($2) GROUP BY state"


async def add(connection: Connection, tenant_id: UUID, new: NewJob) -> UUID:
    """Queue a job; workers hear of it when the transaction commits."""
    job_id: UUID = await connection.fetchval(
        ADD,
        tenant_id,
        new.kind,
        dict(new.payload),
        new.source_document_id,
        new.priority,
        new.max_attempts,
        new.subject,
    )
    return job_id


async def claim(
    connection: Connection, *, kinds: Sequence[str], worker: str, lease: timedelta
) -> Claim | None:
    """Take the next job, if there is one that may run. Needs a `system` connection.

    Args:
        connection: Of the role `system`.
        kinds: What the worker can do.
        worker: Its name, for people.
        lease: How long the job stays the worker's after it was last heard of.
    """
    row = await connection.fetchrow(CLAIM, list(kinds), worker, lease)
    return Claim(**row, lease=lease) if row else None


async def expire(connection: Connection) -> int:
    """Put jobs of lost workers back, or to the failed; how many. Needs a `system` connection."""
    return len(await connection.fetch(EXPIRE))


async def beat(connection: Connection, claim: Claim) -> None:
    """Renew the lease, and show how far the job is.

    Raises:
        LeaseLostError: The job is no longer the worker's.
    """
    _check_lease(await connection.fetchval(BEAT, claim.id, claim.fence, claim.lease, claim.progress or None))


async def hold(connection: Connection, claim: Claim) -> None:
    """Make sure that the job stays the worker's until the transaction ends.

    Raises:
        LeaseLostError: It is no longer.
    """
    _check_lease(await connection.fetchval(HOLD, claim.id, claim.fence))


async def end(
    connection: Connection,
    claim: Claim,
    state: JobState,
    *,
    result: Mapping[str, Any] | None = None,
    error: str | None = None,
    error_code: str | None = None,
) -> None:
    """Write down how the job ended, and delete its file if it has succeeded.

    Workers are told: another job of the same document may wait for it.

    Raises:
        LeaseLostError: The job is no longer the worker's.
    """
    shown = None if result is None else dict(result)
    ended = await connection.fetchval(
        END, claim.id, claim.fence, state.value, shown, error, error_code, claim.progress or None
    )
    _check_lease(ended)


async def put_back(
    connection: Connection,
    claim: Claim,
    *,
    delay: timedelta = timedelta(0),
    error: str | None = None,
    error_code: str | None = None,
    counts: bool = True,
) -> None:
    """Queue the job again, to run after `delay`. With `counts` False this attempt does not count.

    Raises:
        LeaseLostError: The job is no longer the worker's.
    """
    _check_lease(
        await connection.fetchval(
            PUT_BACK, claim.id, claim.fence, delay, error, error_code, 0 if counts else 1
        )
    )


async def cancel(connection: Connection, job_id: UUID, *, reason: str) -> bool:
    """Stop a job that has not finished; whether it could still be stopped."""
    return await connection.fetchval(CANCEL, job_id, reason) is not None


async def cancel_of_source(
    connection: Connection, tenant_id: UUID, source_document_id: str, *, reason: str
) -> int:
    """Stop all that is to be done with a document; how many jobs. Waits for one that is just ending."""
    return len(await connection.fetch(CANCEL_OF_SOURCE, tenant_id, source_document_id, reason))


async def retry(connection: Connection, job_id: UUID, *, payload: Mapping[str, Any] | None = None) -> bool:
    """Queue a job anew that failed, was cancelled or quarantined, with changes to its payload."""
    return await connection.fetchval(RETRY, job_id, dict(payload or {})) is not None


async def delete(connection: Connection, job_id: UUID) -> bool:
    """Forget a job that has ended, with its files; whether there was such a one."""
    return await connection.fetchval(DELETE, job_id) is not None


async def delete_old(connection: Connection, tenant_id: UUID, *, older_than: timedelta) -> None:
    """Forget what ended before that time."""
    await connection.execute(DELETE_OLD, tenant_id, older_than)


async def get(connection: Connection, job_id: UUID) -> Job | None:
    row = await connection.fetchrow(GET, job_id)
    return _job(row) if row else None


async def get_all(connection: Connection, job_ids: Iterable[UUID]) -> dict[UUID, Job]:
    """Those of the jobs that there are, by id."""
    return {row["id"]: _job(row) for row in await connection.fetch(GET_ALL, list(job_ids))}


async def is_visible(connection: Connection, job_id: UUID, viewer: Writer) -> bool:
    """Whether they may see the job."""
    return bool(await connection.fetchval(IS_VISIBLE, job_id, viewer.subject, list(viewer.groups)))


async def page(
    connection: Connection,
    tenant_id: UUID,
    *,
    kinds: Sequence[str],
    limit: int,
    before: int | None = None,
    states: Sequence[JobState] | None = None,
    source_document_id: str | None = None,
    viewer: Writer | None = None,
) -> list[Job]:
    """Jobs, newest first, from behind the number `before`; with a viewer, only those that they may see."""
    wanted = None if states is None else [state.value for state in states]
    subject, groups = (viewer.subject, list(viewer.groups)) if viewer else (None, None)
    rows = await connection.fetch(
        PAGE, tenant_id, before, wanted, source_document_id, limit, list(kinds), subject, groups
    )
    return [_job(row) for row in rows]


async def counts(connection: Connection, tenant_id: UUID, *, kinds: Sequence[str]) -> dict[JobState, int]:
    """How many jobs are in each state."""
    rows = await connection.fetch(COUNTS, tenant_id, list(kinds))
    return {JobState(row["state"]): row["count"] for row in rows}


def _job(row: Any) -> Job:
    return Job(**{**row, "state": JobState(row["state"])})


def _check_lease(found: object) -> None:
    if found is None:
        raise LeaseLostError("the job is no longer this worker's")
