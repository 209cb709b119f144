"""Workers that are killed with -9 at random moments lose nothing and double nothing."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from app.ingestion.queue import IngestionQueue, Upload, part_of
from db.addresses import DatabaseLogins
from db.pool import Database
from db.repositories.jobs import JobState
from rag.ports import SourceLabels, Writer

LEASE_S = 1
# What can be wrong with a source's rows, counted: a chunk without a vector or words, vectors or words of no
# current chunk, a version that is not the only one.
WRONG = """
SELECT (SELECT count(*) FROM documents d
        WHERE NOT EXISTS (SELECT FROM chunk_embeddings e WHERE e.chunk_number = d.number))
     + (SELECT count(*) FROM documents d
        WHERE NOT EXISTS (SELECT FROM chunk_terms t WHERE t.chunk_number = d.number))
     + (SELECT count(*) FROM chunk_embeddings e
        WHERE NOT EXISTS (SELECT FROM documents d WHERE d.number = e.chunk_number))
     + (SELECT count(*) FROM chunk_terms t
        WHERE NOT EXISTS (SELECT FROM documents d WHERE d.number = t.chunk_number))
     + (SELECT count(*) FROM postings p
        WHERE NOT EXISTS (SELECT FROM chunk_terms t WHERE t.chunk_number = p.chunk_number))
     + (SELECT count(*) FROM source_versions WHERE version > 1)
     + (SELECT count(*) FROM job_files)
     + abs((SELECT sum(chunk_count) FROM lexical_statistics) - (SELECT count(*) FROM documents))
"""
STORED = """
SELECT s.source_document_id, v.chunk_count
FROM source_documents s JOIN source_versions v ON v.source_id = s.id
"""


@asynccontextmanager
async def worker_process(logins: DatabaseLogins) -> AsyncIterator[asyncio.subprocess.Process]:
    """A real worker of its own process group, killed at the end if it still runs."""
    environment = {
        "ROLE": "worker",
        "PORT": "0",
        "JOB_LEASE_S": str(LEASE_S),
        "MIGRATE_ON_START": "false",
        "SAMPLE_DOCUMENTS": "false",
        "LOG_LEVEL": "ERROR",
        "DATABASE_URL": logins.owner.url,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app",
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        while b"ready" not in (line := await process.stdout.readline()):
            assert line or process.returncode is None, "the worker ended before it was ready"
        yield process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def document(number: int) -> str:
    """A few chunks, some of them the same as in other documents."""
    own = " ".join(f"Item {number} has property {n}, which is {n * number}." for n in range(40 + number))
    return f"{own}\n\nAll items are sold as they are. " * 3


async def submit(queue: IngestionQueue, tenant_id: UUID, count: int) -> None:
    uploads = [
        Upload(
            SourceLabels(f"item-{number}.txt"),
            part_of(document(number).encode()),
            filename=f"item-{number}.txt",
        )
        for number in range(count)
    ]
    await queue.submit(Writer(tenant_id), uploads)


async def killed_until_done(
    database: Database, logins: DatabaseLogins, tenant_id: UUID, *, documents: int, kills: int
) -> int:
    """Kill one worker after the other, let the last one finish; how many were killed while there was work."""
    queue = IngestionQueue(database)
    await submit(queue, tenant_id, documents)
    moments = random.Random(7)  # noqa: S311 - the same moments in each run
    effective = 0
    for _ in range(kills):
        async with worker_process(logins) as process:
            await asyncio.sleep(moments.uniform(0, 1.2))
            running = (await queue.counts(tenant_id)).get(JobState.RUNNING, 0)
            os.killpg(process.pid, signal.SIGKILL)
            effective += running > 0
    async with worker_process(logins):
        for _ in range(40 * documents + 600):
            counts = await queue.counts(tenant_id)
            if counts == {JobState.SUCCEEDED: documents}:
                break
            await retry_given_up(queue, tenant_id)
            await asyncio.sleep(0.05)
    assert counts == {JobState.SUCCEEDED: documents}
    return effective


async def retry_given_up(queue: IngestionQueue, tenant_id: UUID) -> None:
    """As an operator does: a job whose workers were killed as often as it may be tried is given up."""
    for job in await queue.page(tenant_id, limit=200, states=[JobState.FAILED]):
        assert job.error is not None
        assert "the worker stopped in the middle of it" in job.error
        await queue.retry(tenant_id, job.id)


async def stored_chunks(database: Database, tenant_id: UUID) -> dict[str, int]:
    async with database.tenant(tenant_id) as connection:
        assert await connection.fetchval(WRONG) == 0
        return {row["source_document_id"]: row["chunk_count"] for row in await connection.fetch(STORED)}


SLOW = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize(("documents", "kills"), [(12, 3), pytest.param(300, 40, marks=SLOW)])
async def test_killing_workers_at_random_loses_nothing_and_doubles_nothing(
    database: Database, logins: DatabaseLogins, tenant_id: UUID, *, documents: int, kills: int
) -> None:
    effective = await killed_until_done(database, logins, tenant_id, documents=documents, kills=kills)
    print(f"{effective} of {kills} kills met a running job")  # noqa: T201 - a figure for people
    assert effective > 0
    stored = await stored_chunks(database, tenant_id)
    assert set(stored) == {f"item-{number}.txt" for number in range(documents)}
    assert min(stored.values()) > 1
