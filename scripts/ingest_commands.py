"""What the commands of `scripts/ingest_documents.py` do; each returns the exit code."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from app.audit import script_identity
from app.ingestion.queue import Upload
from app.ingestion.sync import IN_FLIGHT, Synced, Synchronizer, parts_of, synced
from app.problems import printable
from app.reindex import drop_unused, reindex
from app.services import Services, open_services
from app.settings import Settings
from db.repositories import tenants
from db.repositories.jobs import Job, JobState
from observability.logs import configure_logs
from rag.errors import GroundworkError, InvalidInputError
from rag.models.registry import Models
from rag.ports import SourceLabels
from rag.sources import SourceOptions, SyncPlan, open_source
from scripts.ingest_output import Output, Summary

SHOWN = 50  # jobs in a list for people
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """A file to take in and the name that it gets: its path below the folder that was given."""

    path: Path
    source_document_id: str


@asynccontextmanager
async def services_for(*, works: bool, **changes: Any) -> AsyncIterator[Services]:
    """The service, without HTTP, some settings changed; with a worker of its own if it is to do work."""
    # A command does what it was asked to; services follow the bucket.
    update = {"role": "all" if works else "api", "events_queue_url": None, **changes}
    settings = Settings().model_copy(update=update)
    configure_logs(level="CRITICAL", log_format=settings.log_format)  # the outcome is shown instead
    async with open_services(settings) as services:
        yield services


async def add(arguments: argparse.Namespace, output: Output) -> int:
    """Take files and folders in."""
    files = list(find_files(arguments.paths))
    check_names(files)
    summary = Summary()
    async with services_for(works=True) as services:
        with output.progress("files", len(files)) as bar:
            room = asyncio.Semaphore(IN_FLIGHT)

            async def take_in(file: File) -> None:
                async with room:
                    summary.add(await _add_one(services, file, arguments))
                bar.step()

            await asyncio.gather(*(take_in(file) for file in files))
    output.show(summary.lines(), summary.as_json())
    return int(summary.failed)


async def _add_one(services: Services, file: File, arguments: argparse.Namespace) -> Synced:
    name = file.source_document_id
    writer = services.default_identity.writer()
    upload = Upload(_labels(arguments, name), parts_of(file.path), filename=name)
    try:
        (job,) = await services.queue.submit(writer, [upload], force=arguments.force)
        return synced(name, await services.queue.until_ended(writer.tenant_id, job))
    except (GroundworkError, OSError) as exc:
        return Synced(name, "failed", reason=str(exc))


def find_files(paths: list[Path]) -> Iterator[File]:
    """Files as given, and all files below folders in the order of their names; hidden ones are left out."""
    for path in paths:
        if path.is_dir():
            for found in sorted(path.rglob("*")):
                inside = found.relative_to(path)
                if found.is_file() and not any(part.startswith(".") for part in inside.parts):
                    yield File(found, inside.as_posix())
        else:
            yield File(path, path.name)


def check_names(files: list[File]) -> None:
    """Raises: InvalidInputError when two files would get the same name."""
    seen: set[str] = set()
    for file in files:
        if file.source_document_id in seen:
            raise InvalidInputError(
                f"{printable(file.source_document_id)} is there twice: take the folders in one by one"
            )
        seen.add(file.source_document_id)


async def sync(arguments: argparse.Namespace, output: Output) -> int:
    """Bring documents in step with a source."""
    summary = Summary()
    async with services_for(works=not arguments.dry_run) as services:
        options = SourceOptions(
            max_bytes=services.settings.max_upload_mb * MIB,
            max_object_bytes=services.settings.max_s3_object_mb * MIB,
            local=True,
            allow=tuple(arguments.allow) or (urlsplit(arguments.source).netloc,),
            cache=services.settings.data_dir / "sources",
        )
        async with open_source(arguments.source, options) as source:
            synchronizer = Synchronizer(
                services.database,
                services.queue,
                services.default_identity.writer(),
                _labels(arguments, arguments.prefix),
            )
            plan = await synchronizer.plan(source)
            if not arguments.dry_run:
                _check_prune(plan, arguments)
                with output.progress("documents", _count(plan, arguments)) as bar:

                    def done(outcome: Synced) -> None:
                        summary.add(outcome)
                        bar.step()

                    await synchronizer.apply(
                        source, plan, prune=arguments.prune, force=arguments.force, done=done
                    )
    shown = {"plan": _plan_json(plan), **summary.as_json()}
    output.show(_sync_lines(plan, summary, dry_run=arguments.dry_run), shown)
    return int(summary.failed or plan.error is not None)


def _count(plan: SyncPlan, arguments: argparse.Namespace) -> int:
    count = len(plan.added) + len(plan.changed) + len(plan.unchecked)
    count += len(plan.unchanged) if arguments.force else 0
    return count + (len(plan.removed) if arguments.prune else 0)


def _check_prune(plan: SyncPlan, arguments: argparse.Namespace) -> None:
    if arguments.prune and plan.suspicious and not arguments.yes:
        raise InvalidInputError(
            f"{len(plan.removed)} documents, more than half of those known, are gone from the source: "
            "say --yes to delete them, or leave --prune out"
        )


def _sync_lines(plan: SyncPlan, summary: Summary, *, dry_run: bool) -> Iterator[str]:
    yield (
        f"{len(plan.added)} added, {len(plan.changed)} changed, {len(plan.unchecked)} to check, "
        f"{len(plan.unchanged)} unchanged, {len(plan.removed)} removed"
    )
    if dry_run:
        for mark, names in (
            ("+", [entry.name for entry in plan.added]),
            ("~", [entry.name for entry in plan.changed]),
            ("?", [entry.name for entry in plan.unchecked]),
            ("-", plan.removed),
        ):
            yield from (f"  {mark} {printable(name)}" for name in names)
    for skipped in plan.skipped:
        yield f"  skipped: {printable(skipped.name)}: {skipped.reason}"
    if plan.error is not None:
        yield f"  the list is not complete, so nothing counts as removed: {plan.error}"
    if not dry_run:
        yield from summary.lines()


def _plan_json(plan: SyncPlan) -> dict[str, object]:
    entries = {
        name: [entry.name for entry in getattr(plan, name)]
        for name in ("added", "changed", "unchecked", "unchanged")
    }
    return {
        **entries,
        "removed": list(plan.removed),
        "skipped": [asdict(skipped) for skipped in plan.skipped],
        "error": None if plan.error is None else str(plan.error),
    }


async def status(arguments: argparse.Namespace, output: Output) -> int:
    """How many jobs are in each state, and what failed; or all about one."""
    async with services_for(works=False) as services:
        tenant_id = services.default_identity.tenant_id
        if arguments.job_id is not None:
            job = await services.queue.get(tenant_id, arguments.job_id)
            output.show(_job_lines(job), asdict(job))
            return 0
        counts = await services.queue.counts(tenant_id)
        bad = [JobState.FAILED, JobState.QUARANTINED]
        jobs = await services.queue.page(tenant_id, limit=SHOWN, states=bad)
    numbers = {state.value: counts.get(state, 0) for state in JobState}
    output.show(_status_lines(numbers, jobs), {"counts": numbers, "jobs": [asdict(job) for job in jobs]})
    return 0


def _status_lines(numbers: dict[str, int], jobs: list[Job]) -> Iterator[str]:
    yield ", ".join(f"{count} {state}" for state, count in numbers.items())
    for job in jobs:
        yield f"  {_line(job)}"


def _job_lines(job: Job) -> Iterator[str]:
    yield _line(job)
    yield f"  attempts: {job.attempts} of {job.max_attempts}"
    yield f"  created: {job.created_at:%Y-%m-%d %H:%M:%S %Z}"
    for name, value in job.progress.items():
        yield f"  {name}: {value}"


def _line(job: Job) -> str:
    name = printable(job.source_document_id or "")
    return f"{job.id} {job.state.value}: {name}" + (f": {job.error}" if job.error else "")


async def retry(arguments: argparse.Namespace, output: Output) -> int:
    """Try jobs again, and wait until they have ended."""
    summary = Summary()
    async with services_for(works=True) as services:
        tenant_id = services.default_identity.tenant_id
        wanted = await _chosen(services, arguments, JobState.FAILED)
        for job_id in wanted:
            await services.queue.retry(tenant_id, job_id)
        await _follow(services, wanted, summary)
    output.show(summary.lines(), summary.as_json())
    return int(summary.failed)


async def _follow(services: Services, job_ids: list[UUID], summary: Summary) -> None:
    tenant_id = services.default_identity.tenant_id
    for job_id in job_ids:
        job = await services.queue.until_ended(tenant_id, await services.queue.get(tenant_id, job_id))
        summary.add(synced(job.source_document_id or "", job))


async def cancel(arguments: argparse.Namespace, output: Output) -> int:
    """Stop jobs that wait or run."""
    async with services_for(works=False) as services:
        tenant_id = services.default_identity.tenant_id
        wanted = await _chosen(services, arguments, JobState.QUEUED, JobState.RUNNING)
        jobs = [await services.queue.cancel(tenant_id, job_id) for job_id in wanted]
    output.show((_line(job) for job in jobs), {"jobs": [asdict(job) for job in jobs]})
    return 0


async def quarantine(arguments: argparse.Namespace, output: Output) -> int:
    """List what the quality gate keeps back; let some of it in, or forget it."""
    summary = Summary()
    async with services_for(works=bool(arguments.release)) as services:
        tenant_id = services.default_identity.tenant_id
        identity = script_identity(services.default_identity)
        note = services.audit.note(identity, "job.release", object_type="job")
        for job_id in arguments.release:
            await services.queue.retry(tenant_id, job_id, released=True, note=note)
        await _follow(services, arguments.release, summary)
        note = services.audit.note(identity, "job.delete", object_type="job")
        for job_id in arguments.delete:
            await services.queue.delete(tenant_id, job_id, note=note)
        jobs = await services.queue.page(tenant_id, limit=SHOWN, states=[JobState.QUARANTINED])
    data = {**summary.as_json(), "quarantined": [asdict(job) for job in jobs]}
    output.show(_quarantine_lines(summary, jobs), data)
    return int(summary.failed)


def _quarantine_lines(summary: Summary, jobs: list[Job]) -> Iterator[str]:
    if summary.outcomes:
        yield from summary.lines()
    yield f"{len(jobs)} in quarantine"
    for job in jobs:
        yield f"  {_line(job)}"


async def _chosen(services: Services, arguments: argparse.Namespace, *states: JobState) -> list[UUID]:
    if not arguments.all:
        return list(arguments.job_ids)
    chosen: list[UUID] = []
    before = None
    tenant_id = services.default_identity.tenant_id
    while page := await services.queue.page(tenant_id, limit=200, before=before, states=states):
        chosen += [job.id for job in page]
        before = page[-1].number
    return chosen


async def policy(arguments: argparse.Namespace, output: Output) -> int:
    """Show the tenant's own settings of ingestion, or replace them."""
    async with services_for(works=False) as services:
        tenant_id = services.default_identity.tenant_id
        async with services.database.tenant(tenant_id) as connection:
            if arguments.set is not None:
                chosen = arguments.set.model_dump(mode="json", exclude_none=True)
                await tenants.set_ingestion(connection, tenant_id, chosen)
                await services.audit.record(
                    script_identity(services.default_identity),
                    "tenant.set_ingestion",
                    object_type="tenant",
                    object_id=tenant_id,
                    details=chosen,
                    connection=connection,
                )
            stored = await tenants.ingestion(connection, tenant_id)
    output.show((f"{name}: {value}" for name, value in stored.items()), stored)
    return 0


async def change_model(arguments: argparse.Namespace, output: Output) -> int:
    """Embed all chunks by another model, switch to it, and drop what is not used any more."""
    async with services_for(works=False) as services:
        logins = services.logins
        if arguments.drop:
            dropped = await drop_unused(logins, services.database)
            lines = (f"dropped the vectors of {space.model}" for space in dropped)
            output.show(lines, {"dropped": [asdict(space) for space in dropped]})
            return 0
        name = arguments.model or services.settings.embedding_model
        model = await asyncio.to_thread(Models().embedding_model, name)
        with output.progress("chunks", None) as bar:
            done = await reindex(logins, services.database, model, progress=bar.reach)
    output.show(
        iter([f"{done.chunks} chunks embedded; {done.new.model} answers now, instead of {done.old.model}"]),
        asdict(done),
    )
    return 0


def _labels(arguments: argparse.Namespace, name: str) -> SourceLabels:
    return SourceLabels(
        name, metadata=arguments.metadata, acl=None if arguments.acl is None else tuple(arguments.acl)
    )
