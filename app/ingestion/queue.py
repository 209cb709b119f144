"""Ingestion as jobs: accepted with all that they need, worked off by any worker, watched from anywhere."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Self
from uuid import UUID

from app.audit import Note, no_note
from app.ingestion.endings import JobEndings
from db.pool import Connection, Database
from db.repositories import conversations, idempotency_keys, job_files, jobs, limits, sources, tenants
from db.repositories.jobs import Claim, Job, JobState, NewJob
from rag.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from rag.ports import SourceLabels, Writer

INGEST = "ingest"
MAX_QUEUED = 100_000  # jobs of one tenant; each holds its file in the database
FIRST_LOOK_S, LONGEST_LOOK_S = 0.02, 0.5  # between two looks at a job that is waited for

Parts = Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Upload:
    """A document that came in, unread.

    Attributes:
        labels: What the sender says about it.
        parts: Its bytes, from the start at each call; None for one that is fetched by `s3_key`.
        is_text: They are a text in UTF-8 that is taken as it is.
        s3_key: Where it lies in the documents bucket.
        follows: The document is to become what the bucket then holds, nothing included.
        priority: Higher ones are worked off first.
    """

    labels: SourceLabels
    parts: Parts | None = None
    filename: str | None = None
    mime_type: str | None = None
    is_text: bool = False
    s3_key: str | None = None
    follows: bool = False
    priority: int = 0


@dataclass(frozen=True, slots=True)
class IngestOrder:
    """What an ingestion job has to do, as it stands in the queue."""

    labels: SourceLabels
    groups: tuple[str, ...]
    filename: str | None
    mime_type: str | None
    is_text: bool
    s3_key: str | None
    force: bool
    released: bool = False
    follows: bool = False

    @classmethod
    def of(cls, claim: Claim) -> Self:
        fields = dict(claim.payload)
        labels = dict(fields.pop("labels"))
        acl = labels.pop("acl")
        groups = tuple(fields.pop("groups"))
        labels["acl"] = None if acl is None else tuple(acl)
        return cls(labels=SourceLabels(**labels), groups=groups, **fields)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The caller's name for a request, and a digest of what it asks."""

    key: str
    request_sha256: bytes


class IngestionQueue:
    """Ingestion jobs of all tenants, seen from the API and from scripts.

    Args:
        database: Where the queue is.
        limited: Whether a tenant may have only so many documents and bytes as its plan says.
    """

    def __init__(self, database: Database, *, limited: bool = False) -> None:
        self._database = database
        self._endings = JobEndings(database)
        self._limited = limited

    async def submit(
        self,
        writer: Writer,
        uploads: Sequence[Upload],
        *,
        force: bool = False,
        idempotency: IdempotencyKey | None = None,
        note: Note = no_note,
    ) -> list[Job]:
        """Queue a job for each upload, all or none. The same request under the same key gives the same jobs.

        Raises:
            UnavailableError: The database can't be reached, or too much waits already.
            ConflictError: The idempotency key was used for another request.
            LimitExceededError: The tenant has no room for the documents.
        """
        async with self._database.tenant(writer.tenant_id) as connection:
            if idempotency is not None:
                earlier = await _jobs_of_key(connection, writer.tenant_id, idempotency)
                if earlier is not None:
                    await note(connection, *(job.id for job in earlier))
                    return earlier
            await _check_room(connection, writer.tenant_id, len(uploads))
            job_ids = [await _add(connection, writer, upload, force=force) for upload in uploads]
            if self._limited:
                await limits.check_room(connection, writer.tenant_id, with_waiting=True)
            if idempotency is not None:
                await idempotency_keys.fill(connection, writer.tenant_id, idempotency.key, job_ids)
            await note(connection, *job_ids)
            found = await jobs.get_all(connection, job_ids)
            return [found[job_id] for job_id in job_ids]

    async def wait(self, tenant_id: UUID, queued: Sequence[Job], *, seconds: float) -> list[Job]:
        """The jobs as they are when all have ended, or when the time is over."""
        deadline = time.monotonic() + seconds
        pause = FIRST_LOOK_S
        shown = list(queued)
        while not all(job.state.is_final for job in shown) and time.monotonic() < deadline:
            await asyncio.sleep(min(pause, max(0.0, deadline - time.monotonic())))
            pause = min(pause * 1.5, LONGEST_LOOK_S)
            async with self._database.tenant(tenant_id) as connection:
                waiting = (job.id for job in shown if not job.state.is_final)
                found = await jobs.get_all(connection, waiting)
            shown = [found.get(job.id, job) for job in shown]
        return shown

    async def until_ended(self, tenant_id: UUID, job: Job) -> Job:
        """The job when it has ended, however long that takes; somebody must work on it.

        Raises:
            NotFoundError: It is not there any more.
            UnavailableError: The database can't be reached.
        """
        return job if job.state.is_final else await self._endings.wait(tenant_id, job.id)

    async def get(self, tenant_id: UUID, job_id: UUID, *, viewer: Writer | None = None) -> Job:
        """Raises: NotFoundError when the tenant has no such job, or the viewer may not see it."""
        async with self._database.tenant(tenant_id) as connection:
            return await _get(connection, job_id, viewer)

    async def page(
        self,
        tenant_id: UUID,
        *,
        limit: int,
        before: int | None = None,
        states: Sequence[JobState] | None = None,
        source_document_id: str | None = None,
        viewer: Writer | None = None,
    ) -> list[Job]:
        """Jobs, newest first, from behind the number `before`; with a viewer, only those they may see."""
        async with self._database.tenant(tenant_id) as connection:
            return await jobs.page(
                connection,
                tenant_id,
                kinds=[INGEST],
                limit=limit,
                before=before,
                states=states,
                source_document_id=source_document_id,
                viewer=viewer,
            )

    async def counts(self, tenant_id: UUID) -> dict[JobState, int]:
        """How many jobs are in each state."""
        async with self._database.tenant(tenant_id) as connection:
            return await jobs.counts(connection, tenant_id, kinds=[INGEST])

    async def cancel(
        self, tenant_id: UUID, job_id: UUID, *, viewer: Writer | None = None, note: Note = no_note
    ) -> Job:
        """Stop a job that has not ended. What it has done already is not kept.

        Raises:
            NotFoundError: The tenant has no such job.
            ConflictError: It has ended.
        """
        async with self._database.tenant(tenant_id) as connection:
            await _get(connection, job_id, viewer)
            if not await jobs.cancel(connection, job_id, reason="cancelled on request"):
                job = await _get(connection, job_id)
                raise ConflictError(f"the job has ended: it is {job.state.value}")
            await note(connection, job_id)
            return await _get(connection, job_id)

    async def retry(
        self,
        tenant_id: UUID,
        job_id: UUID,
        *,
        released: bool = False,
        viewer: Writer | None = None,
        note: Note = no_note,
    ) -> Job:
        """Queue a job anew that failed or was cancelled or quarantined.

        Args:
            tenant_id: Whose job it is.
            job_id: The job.
            released: The quality gate lets the document pass this time.
            viewer: On whose behalf; None for somebody who may see every job.
            note: Enters it in the audit log.

        Raises:
            NotFoundError: The tenant has no such job, or the viewer may not see it.
            ConflictError: It waits, runs or has succeeded.
        """
        changes = {"released": True} if released else {}
        async with self._database.tenant(tenant_id) as connection:
            job = await _get(connection, job_id, viewer)
            if released and job.state is not JobState.QUARANTINED:
                raise ConflictError(f"only a quarantined document can be released: it is {job.state.value}")
            if not await jobs.retry(connection, job_id, payload=changes):
                raise ConflictError(f"the job can't be tried again: it is {job.state.value}")
            await note(connection, job_id)
            return await _get(connection, job_id)

    async def delete(
        self, tenant_id: UUID, job_id: UUID, *, viewer: Writer | None = None, note: Note = no_note
    ) -> None:
        """Stop a job if it has not ended, and forget it with its file.

        Raises:
            NotFoundError: The tenant has no such job.
        """
        async with self._database.tenant(tenant_id) as connection:
            await _get(connection, job_id, viewer)
            await jobs.cancel(connection, job_id, reason="deleted")
            await jobs.delete(connection, job_id)
            await note(connection, job_id)


async def delete_document(
    database: Database,
    tenant_id: UUID,
    groups: tuple[str, ...],
    document_id: UUID,
    *,
    note: Note = no_note,
) -> None:
    """Delete a source with all that was made of it or is being made, and blank its quotes in stored answers.

    Raises:
        NotFoundError: There is none that the caller may see.
    """
    async with database.tenant(tenant_id) as connection:
        source = await sources.get(connection, tenant_id, groups, document_id)
        if source is None:
            raise NotFoundError(f"there is no document {document_id}")
        # Jobs first, as a worker does that stores a version: neither can wait for the other in a circle.
        await jobs.cancel_of_source(
            connection, tenant_id, source.source_document_id, reason="the document was deleted"
        )
        if not await delete_source(connection, tenant_id, groups, document_id):
            raise NotFoundError(f"there is no document {document_id}")
        await note(connection, document_id)


async def delete_source(
    connection: Connection, tenant_id: UUID, groups: Sequence[str], document_id: UUID
) -> bool:
    """Delete a source with all that was made of it, and blank its quotes; whether the caller may see one."""
    if not await sources.delete(connection, groups, document_id):
        return False
    await conversations.blank_quotes(connection, tenant_id, document_id)
    await tenants.advance_corpus_version(connection, tenant_id)
    return True


async def _jobs_of_key(
    connection: Connection, tenant_id: UUID, idempotency: IdempotencyKey
) -> list[Job] | None:
    """The jobs that the key stands for; None when it is new, and now this request's."""
    known = await idempotency_keys.claim(connection, tenant_id, idempotency.key, idempotency.request_sha256)
    if known is None:
        return None
    if known.request_sha256 != idempotency.request_sha256:
        raise InvalidInputError("the Idempotency-Key was used for another request before")
    found = await jobs.get_all(connection, known.job_ids)
    if len(found) < len(known.job_ids):
        raise ConflictError("a job of the request that this Idempotency-Key stands for was deleted since")
    return [found[job_id] for job_id in known.job_ids]


async def _check_room(connection: Connection, tenant_id: UUID, more: int) -> None:
    waiting = (await jobs.counts(connection, tenant_id, kinds=[INGEST])).get(JobState.QUEUED, 0)
    if waiting + more > MAX_QUEUED:
        raise UnavailableError(f"{waiting} documents wait to be taken in: try again later")


async def _add(connection: Connection, writer: Writer, upload: Upload, *, force: bool) -> UUID:
    order = IngestOrder(
        labels=upload.labels,
        groups=writer.groups,
        filename=upload.filename,
        mime_type=upload.mime_type,
        is_text=upload.is_text,
        s3_key=upload.s3_key,
        force=force,
        follows=upload.follows,
    )
    new = NewJob(
        INGEST,
        asdict(order),
        source_document_id=upload.labels.source_document_id,
        subject=writer.subject,
        priority=upload.priority,
    )
    job_id = await jobs.add(connection, writer.tenant_id, new)
    if upload.parts is not None:
        await job_files.add(connection, writer.tenant_id, job_id, upload.parts())
    return job_id


async def _get(connection: Connection, job_id: UUID, viewer: Writer | None = None) -> Job:
    job = await jobs.get(connection, job_id)
    hidden = viewer is not None and not await jobs.is_visible(connection, job_id, viewer)
    if job is None or job.kind != INGEST or hidden:
        raise NotFoundError(f"there is no job {job_id}")
    return job


def part_of(data: bytes) -> Parts:
    """The bytes as the one part of an upload."""

    async def parts() -> AsyncIterator[bytes]:
        yield data

    return parts
