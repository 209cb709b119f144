"""Files that callers are to send to the bucket, each a job that no worker takes: it waits for the file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from db.pool import Connection
from db.repositories import jobs
from db.repositories.jobs import JobState, NewJob

UPLOAD = "upload"
KEPT = timedelta(hours=24)  # without being completed
LAST = -1000  # priority: behind all that a worker may take

FIND = "SELECT id, payload, state, result FROM jobs WHERE tenant_id = $1 AND id = $2 AND kind = 'upload'"
COMPLETE = """
UPDATE jobs SET state = 'succeeded', result = $3, finished_at = now(), updated_at = now()
WHERE tenant_id = $1 AND id = $2 AND kind = 'upload' AND state = 'queued'
"""
EXPIRE = """
UPDATE jobs SET state = 'cancelled', finished_at = now(), updated_at = now(), error_code = 'cancelled',
    error = 'the upload was not completed in time'
WHERE tenant_id = $1 AND kind = 'upload' AND state = 'queued' AND created_at < now() - $2::interval
"""


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """An upload as it stands: `job_id` is the ingestion that completing it began."""

    id: UUID
    payload: dict[str, Any]
    is_waiting: bool
    job_id: UUID | None


async def add(connection: Connection, tenant_id: UUID, payload: Mapping[str, Any]) -> UUID:
    """Note what is to become of a file once it has been sent."""
    return await jobs.add(connection, tenant_id, NewJob(UPLOAD, payload, priority=LAST))


async def waiting(connection: Connection, tenant_id: UUID) -> int:
    """How many are not completed yet."""
    return (await jobs.counts(connection, tenant_id, kinds=[UPLOAD])).get(JobState.QUEUED, 0)


async def find(connection: Connection, tenant_id: UUID, upload_id: UUID) -> StoredUpload | None:
    row = await connection.fetchrow(FIND, tenant_id, upload_id)
    if row is None:
        return None
    is_waiting = row["state"] == JobState.QUEUED.value
    job_id = UUID(row["result"]["job_id"]) if row["result"] else None
    return StoredUpload(row["id"], row["payload"], is_waiting, job_id)


async def complete(connection: Connection, tenant_id: UUID, upload_id: UUID, job_id: UUID) -> None:
    """Say that the file was sent, and which job takes it in."""
    await connection.execute(COMPLETE, tenant_id, upload_id, {"job_id": str(job_id)})


async def expire(connection: Connection, tenant_id: UUID) -> None:
    """Give up those that were not completed in time; they can't be any more."""
    await connection.execute(EXPIRE, tenant_id, KEPT)
