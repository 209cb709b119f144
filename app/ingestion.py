"""Ingestion as jobs: accepted at once, worked off in this process, reported while they run."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from app.problems import DETAIL_OF, classify
from db.pool import Database
from db.repositories import conversations, jobs, sources, tenants
from rag.errors import GroundworkError, NotFoundError, UnavailableError
from rag.ingest import Ingested, Ingestor, Upload
from rag.ports import Writer

log = structlog.get_logger(__name__)

MAX_JOBS = 200  # each holds its document's text in memory
HEARTBEAT_S = 10.0  # a job without a heartbeat for a minute counts as lost


@dataclass(frozen=True, slots=True)
class RunningJob:
    id: UUID
    source_document_id: str
    task: asyncio.Task[Ingested]


class IngestionJobs:
    """Runs ingestions side by side; their batches take turns at the embedding model.

    Made by `open_ingestion_jobs`, which ends what still runs when the service stops.
    """

    def __init__(self, database: Database, ingestor: Ingestor) -> None:
        self._database = database
        self._ingestor = ingestor
        self._running: set[asyncio.Task[Ingested]] = set()

    async def start(
        self, writer: Writer, uploads: Sequence[Upload], *, force: bool = False
    ) -> list[RunningJob]:
        """Record a job for each upload, all or none, and begin them.

        Raises:
            UnavailableError: The database can't be reached, or too many documents wait already.
        """
        if len(self._running) + len(uploads) > MAX_JOBS:
            raise UnavailableError(f"{len(self._running)} documents are being ingested: try again later")
        async with self._database.tenant(writer.tenant_id) as connection:
            job_ids = [
                await jobs.start(
                    connection, writer.tenant_id, kind="ingest", source_document_id=upload.source_document_id
                )
                for upload in uploads
            ]
        return [
            self._begin(writer, job_id, upload, force=force)
            for job_id, upload in zip(job_ids, uploads, strict=True)
        ]

    def _begin(self, writer: Writer, job_id: UUID, upload: Upload, *, force: bool) -> RunningJob:
        task = asyncio.create_task(self._run(writer, job_id, upload, force=force))
        self._running.add(task)
        task.add_done_callback(self._forget)
        return RunningJob(job_id, upload.source_document_id, task)

    async def get(self, tenant_id: UUID, job_id: UUID) -> jobs.Job:
        """Raises: NotFoundError when the tenant has no such job."""
        async with self._database.tenant(tenant_id) as connection:
            job = await jobs.get(connection, job_id)
        if job is None:
            raise NotFoundError(f"there is no job {job_id}")
        return job

    async def stop(self) -> None:
        """End the jobs that still run; each is recorded as failed and can be sent again."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _forget(self, task: asyncio.Task[Ingested]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # was recorded with the job; nobody may be waiting for it

    async def _run(self, writer: Writer, job_id: UUID, upload: Upload, *, force: bool) -> Ingested:
        tenant_id = writer.tenant_id
        heart = asyncio.create_task(self._beat(tenant_id, job_id))
        try:
            ingested = await self._ingestor.ingest(
                writer,
                upload,
                force=force,
                progress=lambda done, total: self._report(
                    tenant_id, job_id, {"chunks_done": done, "chunks": total}
                ),
            )
            async with self._database.tenant(tenant_id) as connection:
                await jobs.succeed(connection, job_id, _result(ingested))
        except BaseException as exc:
            await asyncio.shield(self._fail(tenant_id, job_id, exc))
            raise
        else:
            log.info("document_ingested", job_id=str(job_id), chunks=ingested.chunks_created)
            return ingested
        finally:
            heart.cancel()

    async def _beat(self, tenant_id: UUID, job_id: UUID) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                await self._report(tenant_id, job_id, None)
            except (GroundworkError, asyncpg.PostgresError):
                log.warning("heartbeat_failed", job_id=str(job_id), exc_info=True)

    async def _report(self, tenant_id: UUID, job_id: UUID, progress: dict[str, Any] | None) -> None:
        async with self._database.tenant(tenant_id) as connection:
            await jobs.beat(connection, job_id, progress)

    async def _fail(self, tenant_id: UUID, job_id: UUID, exc: BaseException) -> None:
        error = describe_failure(exc)
        log.error("ingestion_failed", job_id=str(job_id), exc_info=exc)
        try:
            async with self._database.tenant(tenant_id) as connection:
                await jobs.fail(connection, job_id, error)
        except GroundworkError:
            log.exception("job_failure_not_recorded", job_id=str(job_id))


def describe_failure(exc: BaseException) -> str:
    """Why a job failed, in words that may be shown."""
    if isinstance(exc, GroundworkError):
        return classify(exc)[2]
    if isinstance(exc, asyncio.CancelledError):
        return "the service was stopped; send the document again"
    return DETAIL_OF["internal_error"]


def _result(ingested: Ingested) -> dict[str, Any]:
    return {
        "document_id": str(ingested.document_id),
        "version": ingested.version,
        "chunks_created": ingested.chunks_created,
        "unchanged": ingested.unchanged,
        "warnings": list(ingested.warnings),
    }


@asynccontextmanager
async def open_ingestion_jobs(database: Database, ingestor: Ingestor) -> AsyncIterator[IngestionJobs]:
    running = IngestionJobs(database, ingestor)
    try:
        yield running
    finally:
        await running.stop()


async def delete_document(
    database: Database, tenant_id: UUID, groups: tuple[str, ...], document_id: UUID
) -> None:
    """Delete a source with all that was made of it, and blank its quotes in stored answers.

    Raises:
        NotFoundError: There is none that the caller may see.
    """
    async with database.tenant(tenant_id) as connection:
        if not await sources.delete(connection, groups, document_id):
            raise NotFoundError(f"there is no document {document_id}")
        await conversations.blank_quotes(connection, tenant_id, document_id)
        await tenants.advance_corpus_version(connection, tenant_id)
