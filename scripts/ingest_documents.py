"""Take files and folders in: `scripts/ingest_documents.py PATH…`.

Works beside a running server: both use the same database. Exit code 1 if any file failed, 2 for wrong usage.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from tqdm import tqdm

from app.field_types import Acl, Metadata
from app.problems import printable
from app.services import Services, open_services
from app.settings import Settings
from observability.logs import configure_logs
from rag.errors import GroundworkError
from rag.ingest import Labels, read_file


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


async def ingest_all(services: Services, files: list[File], labels: Labels, *, force: bool) -> Summary:
    """Take in one file after the other; one that fails doesn't keep the rest out."""
    summary = Summary()
    for file in tqdm(files, unit="file", file=sys.stderr, disable=None):
        try:
            upload = await asyncio.to_thread(
                read_file,
                file.path.read_bytes(),
                filename=file.source_document_id,
                mime_type=None,
                labels=labels,
            )
            ingested = await services.ingestor.ingest(services.default_identity.writer(), upload, force=force)
        except (GroundworkError, OSError) as exc:
            summary.failed.append((printable(file.source_document_id), str(exc)))
            continue
        summary.warned += [(file.source_document_id, warning) for warning in ingested.warnings]
        summary.unchanged += ingested.unchanged
        summary.ingested += not ingested.unchanged
        summary.chunks += ingested.chunks_created
    return summary


async def run(arguments: argparse.Namespace) -> int:
    files = list(find_files(arguments.paths))
    names = [file.source_document_id for file in files]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        print(f"{twice[0]} is there twice: take the folders in one by one", file=sys.stderr)
        return 2
    labels = Labels(metadata=arguments.metadata, acl=None if arguments.acl is None else tuple(arguments.acl))
    settings = Settings()
    configure_logs(level="WARNING", log_format=settings.log_format)
    async with open_services(settings) as services:
        summary = await ingest_all(services, files, labels, force=arguments.force)
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
