"""Background work and how far it is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from db.pool import Connection

START = """
INSERT INTO jobs (tenant_id, kind, source_document_id, state) VALUES ($1, $2, $3, 'running') RETURNING id
"""
BEAT = """
UPDATE jobs SET heartbeat_at = now(), progress = coalesce($2, progress) WHERE id = $1 AND state = 'running'
"""
SUCCEED = "UPDATE jobs SET state = 'succeeded', result = $2, finished_at = now() WHERE id = $1"
FAIL = "UPDATE jobs SET state = 'failed', error = $2, finished_at = now() WHERE id = $1"
# A process that was killed leaves its jobs running; without a heartbeat for a minute they have failed.
GET = """
SELECT id, source_document_id, progress, result, attempts, created_at, finished_at,
       CASE WHEN lost THEN 'failed' ELSE state END AS state,
       CASE WHEN lost THEN 'the process that worked on it has gone; send the document again'
            ELSE error END AS error
FROM (SELECT *, state = 'running' AND heartbeat_at < now() - interval '1 minute' AS lost FROM jobs) AS job
WHERE id = $1
"""


@dataclass(frozen=True, slots=True)
class Job:
    id: UUID
    source_document_id: str
    state: str
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    attempts: int
    created_at: datetime
    finished_at: datetime | None


async def start(connection: Connection, tenant_id: UUID, *, kind: str, source_document_id: str) -> UUID:
    job_id: UUID = await connection.fetchval(START, tenant_id, kind, source_document_id)
    return job_id


async def beat(connection: Connection, job_id: UUID, progress: dict[str, Any] | None) -> None:
    """Say that the job is alive and, unless None, how far it is."""
    await connection.execute(BEAT, job_id, progress)


async def succeed(connection: Connection, job_id: UUID, result: dict[str, Any]) -> None:
    await connection.execute(SUCCEED, job_id, result)


async def fail(connection: Connection, job_id: UUID, error: str) -> None:
    await connection.execute(FAIL, job_id, error)


async def get(connection: Connection, job_id: UUID) -> Job | None:
    row = await connection.fetchrow(GET, job_id)
    return Job(**row) if row else None
