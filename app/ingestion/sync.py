"""Keeping documents in step with the place that they come from: a folder, a bucket, a site, a repository."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from app.ingestion.queue import IngestionQueue, Parts, Upload, delete_document
from db.pool import Database
from db.repositories import sources
from db.repositories.job_files import PART_BYTES
from db.repositories.jobs import Job, JobState
from db.repositories.sources import Mark
from rag.errors import ConflictError, GroundworkError, UnreadableFileError
from rag.ports import SourceLabels, Writer
from rag.sources import Entry, Known, Source, SyncPlan, compare, list_source

IN_FLIGHT = 16  # documents that are fetched or wait in the queue; enough that no worker waits for the next


@dataclass(frozen=True, slots=True)
class Synced:
    """What became of one document.

    Attributes:
        name: Its `source_document_id`.
        outcome: "ingested", "unchanged", "removed", "quarantined", "failed" or "cancelled".
        chunks: How many were stored.
        reason: Why it failed or waits for a person.
        warnings: What of it could not be read.
    """

    name: str
    outcome: str
    chunks: int = 0
    reason: str | None = None
    warnings: tuple[str, ...] = ()


class Synchronizer:
    """Compares a source with what was taken from it before, and takes in what differs.

    Args:
        database: Where the documents are.
        queue: Takes in what is new; somebody must work on it.
        writer: Whose documents they are.
        labels: What all of them get: metadata, access list. Its name is put before each document's.
    """

    def __init__(
        self, database: Database, queue: IngestionQueue, writer: Writer, labels: SourceLabels
    ) -> None:
        self._database = database
        self._queue = queue
        self._writer = writer
        self._labels = labels

    async def plan(self, source: Source) -> SyncPlan:
        """What a sync would do; nothing is fetched."""
        listing = await list_source(source)
        async with self._database.tenant(self._writer.tenant_id) as connection:
            marks = await sources.marks(connection, self._writer.tenant_id, source.name)
        prefix = self._labels.source_document_id
        known = {
            name.removeprefix(prefix): Known(mark.origin_mark, mark.content_sha256)
            for name, mark in marks.items()
            if name.startswith(prefix)
        }
        return compare(listing, known)

    async def apply(
        self,
        source: Source,
        plan: SyncPlan,
        *,
        prune: bool = False,
        force: bool = False,
        done: Callable[[Synced], None] = lambda _: None,
    ) -> None:
        """Take in what was added or changed and, with `prune`, delete what has gone.

        One document that fails doesn't keep the others out.

        Args:
            source: What the plan is of.
            plan: From `plan`.
            prune: Whether to delete what is not there any more. What could not be listed is never deleted.
            force: Take in what is unchanged, too.
            done: Called with each document's outcome.

        Raises:
            UnavailableError: The database can't be reached.
        """
        entries = [*plan.added, *plan.changed, *plan.unchecked, *(plan.unchanged if force else ())]
        await _side_by_side([partial(self._take_in, source, entry, force=force) for entry in entries], done)
        if prune:
            await _side_by_side([partial(self._remove, source, name) for name in plan.removed], done)

    async def _take_in(self, source: Source, entry: Entry, *, force: bool) -> Synced:
        name = self._labels.source_document_id + entry.name
        try:
            job = await self._ingest(source, entry, name, force=force)
        except GroundworkError as exc:
            return Synced(name, "failed", reason=str(exc))
        return Synced(name, "unchanged") if job is None else synced(name, job)

    async def _ingest(self, source: Source, entry: Entry, name: str, *, force: bool) -> Job | None:
        """The job that took the entry in; None if the source says that nothing has changed."""
        async with self._database.tenant(self._writer.tenant_id) as connection:
            mark = await sources.mark(connection, self._writer.tenant_id, name)
        if mark is not None and not _may_take_over(mark, source, entry):
            raise ConflictError(f"a document of this name comes from {mark.origin}: use another prefix")
        with tempfile.TemporaryDirectory(prefix="groundwork-sync-") as folder:
            path = Path(folder) / "file"
            known = None if force or mark is None else mark.origin_mark
            fetched = await source.fetch(entry, path, known=known)
            if fetched is None:
                return None
            labels = replace(
                self._labels,
                source_document_id=name,
                uri=fetched.uri or entry.uri,
                origin=source.name,
                origin_mark=fetched.fingerprint,
            )
            upload = Upload(
                labels,
                parts_of(path),
                filename=name,  # as one of S3 that is named by its key
                mime_type=fetched.mime_type or entry.mime_type,
                priority=-1,  # a single upload that somebody waits for comes first
            )
            jobs = await self._queue.submit(self._writer, [upload], force=force)
        return await self._queue.until_ended(self._writer.tenant_id, jobs[0])

    async def _remove(self, source: Source, name: str) -> Synced:
        name = self._labels.source_document_id + name
        try:
            async with self._database.tenant(self._writer.tenant_id) as connection:
                mark = await sources.mark(connection, self._writer.tenant_id, name)
            if mark is not None and mark.origin == source.name:
                await delete_document(
                    self._database, self._writer.tenant_id, self._writer.groups, mark.document_id
                )
        except GroundworkError as exc:
            return Synced(name, "failed", reason=str(exc))
        return Synced(name, "removed")


def _may_take_over(mark: Mark, source: Source, entry: Entry) -> bool:
    """Whether the document may become the source's: no other brought it, save of the same object."""
    if mark.origin is None or mark.origin == source.name:
        return True
    return mark.origin.startswith("s3://") and entry.uri == mark.origin + mark.source_document_id


def synced(name: str, job: Job) -> Synced:
    """What became of a document, from its job."""
    if job.state is not JobState.SUCCEEDED or job.result is None:
        return Synced(name, job.state.value, reason=job.error)
    if job.result.get("removed"):
        return Synced(name, "removed")
    return Synced(
        name,
        "unchanged" if job.result["unchanged"] else "ingested",
        chunks=job.result["chunks_created"],
        warnings=tuple(job.result["warnings"]),
    )


def parts_of(path: Path) -> Parts:
    """A file's bytes, in pieces; reading them raises UnreadableFileError when that can't be done."""

    async def parts() -> AsyncIterator[bytes]:
        try:
            with path.open("rb") as file:
                while part := await asyncio.to_thread(file.read, PART_BYTES):
                    yield part
        except OSError as exc:
            raise UnreadableFileError(f"the file can't be read: {exc.strerror}") from exc

    return parts


async def _side_by_side(
    calls: Sequence[Callable[[], Awaitable[Synced]]], done: Callable[[Synced], None]
) -> None:
    """Await the calls, a limited number at a time; the first error ends all."""
    room = asyncio.Semaphore(IN_FLIGHT)

    async def run(call: Callable[[], Awaitable[Synced]]) -> None:
        async with room:
            done(await call())

    async with asyncio.TaskGroup() as group:
        for call in calls:
            group.create_task(run(call))
