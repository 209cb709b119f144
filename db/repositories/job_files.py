"""The file that a job works on, kept until the job has succeeded, so that it can be tried again."""

from collections.abc import AsyncIterator
from uuid import UUID

from db.pool import Connection

PART_BYTES = 4 * 1024 * 1024  # in memory at a time

ADD = "INSERT INTO job_files (tenant_id, job_id, part, data) VALUES ($1, $2, $3, $4)"
PART = """
SELECT data, part = (SELECT max(part) FROM job_files WHERE job_id = $1) AS is_last
FROM job_files WHERE job_id = $1 AND part = $2
"""


async def add(connection: Connection, tenant_id: UUID, job_id: UUID, parts: AsyncIterator[bytes]) -> None:
    """Store a file in pieces of at most `PART_BYTES`."""
    number = 0
    async for part in parts:
        await connection.execute(ADD, tenant_id, job_id, number, part)
        number += 1


async def read(connection: Connection, job_id: UUID) -> AsyncIterator[bytes]:
    """The pieces of the file, in order; none when the job has no file."""
    number = 0
    while (row := await connection.fetchrow(PART, job_id, number)) is not None:
        yield row["data"]
        if row["is_last"]:
            return
        number += 1
