"""Take files and folders in: `scripts/ingest_documents.py PATH…`.

Works beside a running server: both use the same database. Exit code 1 if any file failed, 2 for wrong usage.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from tqdm import tqdm

from app.field_types import Acl, Metadata
from app.ingestion import Parts, Upload
from app.problems import printable
from app.services import Services, open_services
from app.settings import Settings
from db.repositories.job_files import PART_BYTES
from db.repositories.jobs import Job, JobState
from observability.logs import configure_logs
from rag.errors import GroundworkError
from rag.ports import SourceLabels

IN_FLIGHT = 32  # files that wait in the queue; enough that no worker waits for the next


@dataclass(frozen=True, slots=True)
class File:
    """A file to take in and the name that it gets: its path below the folder that was given."""

    path: Path
    source_document_id: str


@dataclass(slots=True)
class Summary:
    ingested: int = 0
    unchanged: int = 0
    chunks: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    warned: list[tuple[str, str]] = field(default_factory=list)

    def count(self, name: str, job: Job) -> None:
        """Add what became of one file."""
        result = job.result or {}
        if job.state is not JobState.SUCCEEDED:
            self.failed.append((printable(name), job.error or job.state.value))
            return
        self.warned += [(printable(name), warning) for warning in result["warnings"]]
        self.unchanged += result["unchanged"]
        self.ingested += not result["unchanged"]
        self.chunks += result["chunks_created"]

    def __str__(self) -> str:
        ok = f"{self.ingested} ok ({self.chunks} chunks)"
        lines = [f"{ok}, {self.unchanged} unchanged, {len(self.failed)} failed"]
        lines += [f"  failed: {name}: {why}" for name, why in self.failed]
        lines += [f"  warning: {name}: {what}" for name, what in self.warned]
        return "\n".join(lines)


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


def parts_of(path: Path) -> Parts:
    """The file's bytes, in pieces."""

    async def parts() -> AsyncIterator[bytes]:
        with path.open("rb") as file:
            while part := await asyncio.to_thread(file.read, PART_BYTES):
                yield part

    return parts


async def ingest_all(services: Services, files: list[File], arguments: argparse.Namespace) -> Summary:
    """Take the files in; one that fails doesn't keep the rest out."""
    summary = Summary()
    room = asyncio.Semaphore(IN_FLIGHT)
    with tqdm(total=len(files), unit="file", file=sys.stderr, disable=None) as bar:

        async def ingest(file: File) -> None:
            async with room:
                try:
                    summary.count(file.source_document_id, await ingest_one(services, file, arguments))
                except (GroundworkError, OSError) as exc:
                    summary.failed.append((printable(file.source_document_id), str(exc)))
                bar.update()

        await asyncio.gather(*(ingest(file) for file in files))
    return summary


async def ingest_one(services: Services, file: File, arguments: argparse.Namespace) -> Job:
    """Queue a file and wait until its job has ended."""
    labels = SourceLabels(
        file.source_document_id,
        metadata=arguments.metadata,
        acl=None if arguments.acl is None else tuple(arguments.acl),
    )
    upload = Upload(labels, parts_of(file.path), filename=file.source_document_id)
    writer = services.default_identity.writer()
    jobs = await services.queue.submit(writer, [upload], force=arguments.force)
    while not jobs[0].state.is_final:
        jobs = await services.queue.wait(writer.tenant_id, jobs, seconds=60)
    return jobs[0]


async def run(arguments: argparse.Namespace) -> int:
    files = list(find_files(arguments.paths))
    names = [file.source_document_id for file in files]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        print(f"{twice[0]} is there twice: take the folders in one by one", file=sys.stderr)
        return 2
    settings = Settings().model_copy(update={"role": "all"})
    configure_logs(level="CRITICAL", log_format=settings.log_format)
    async with open_services(settings) as services:
        summary = await ingest_all(services, files, arguments)
    print(summary)
    return 1 if summary.failed else 0


def _metadata(text: str) -> dict[str, Any]:
    try:
        return TypeAdapter(Metadata).validate_json(text)
    except ValidationError as exc:
        raise argparse.ArgumentTypeError(f"not a JSON object of plain values: {text}") from exc


def _group(text: str) -> str:
    try:
        return TypeAdapter(Acl).validate_python([text])[0]
    except ValidationError as exc:
        raise argparse.ArgumentTypeError(f"not the name of a group: {text!r}") from exc


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Take files and folders into the default tenant.")
    add = parser.add_argument
    add("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder with all below it")
    add("--metadata", type=_metadata, help='a JSON object for every file, such as {"team": "ops"}')
    add("--acl", action="append", type=_group, help="a group that may see the files; repeatable")
    add("--force", action="store_true", help="index anew even what has not changed")
    return parser.parse_args()


def main() -> int:
    try:
        return asyncio.run(run(parse_arguments()))
    except GroundworkError as exc:
        print(f"Cannot ingest: {exc}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
