"""Take documents in and keep them in order: `scripts/ingest_documents.py add PATH…`, `sync`, `status`.

Works beside a running server: both use the same database and queue. Exit code 1 if any document failed, 2 for
wrong usage.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from app import event_loop
from app.field_types import Acl, Metadata
from app.ingestion.policy import TenantIngestion
from rag.errors import GroundworkError, InvalidInputError
from scripts import ingest_commands as commands
from scripts.ingest_output import Output

COMMANDS = ("add", "sync", "status", "retry", "cancel", "quarantine", "policy", "reindex")


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


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Without a command's name, what is given are paths to add."""
    if arguments and arguments[0] not in {*COMMANDS, "-h", "--help"}:
        arguments = ["add", *arguments]
    parser = argparse.ArgumentParser(description="Documents of the default tenant.")
    every = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_add(every)
    _add_sync(every)
    _add_jobs(every)
    _add_policy(every)
    _add_reindex(every)
    return parser.parse_args(arguments)


def _command(every: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = every.add_parser(name, help=text, description=text)
    command.add_argument("--json", action="store_true", help="the result as one JSON object")
    command.set_defaults(run=run)
    return command


def _add_labels(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--metadata", type=_metadata, help='a JSON object for every document, such as {"team": "ops"}')
    add("--acl", action="append", type=_group, help="a group that may see the documents; repeatable")
    add("--force", action="store_true", help="index anew even what has not changed")


def _add_add(every: Any) -> None:
    command = _command(every, "add", commands.add, "Take files and folders in.")
    command.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder with all below it"
    )
    _add_labels(command)


def _add_sync(every: Any) -> None:
    text = "Take in what was added to a source or changed there since the last time."
    command = _command(every, "sync", commands.sync, text)
    add = command.add_argument
    add(
        "source",
        help="a folder, s3://bucket/folder, https://host/page or sitemap.xml, git+https://host/repo@branch#folder",
    )
    add("--dry-run", action="store_true", help="only say what would be done")
    add("--prune", action="store_true", help="delete documents that are gone from the source")
    add("--yes", action="store_true", help="delete even if that is more than half of them")
    add(
        "--allow",
        action="append",
        default=[],
        metavar="HOST",
        help="a host to read pages of; by default the source's",
    )
    add("--prefix", default="", help="put before each document's name, to tell several sources apart")
    _add_labels(command)


def _add_jobs(every: Any) -> None:
    command = _command(every, "status", commands.status, "Show how many jobs are in each state, or one job.")
    command.add_argument("job_id", nargs="?", type=UUID)
    for name, run, text, which in (
        ("retry", commands.retry, "Try jobs again that failed.", "all that failed"),
        ("cancel", commands.cancel, "Stop jobs that wait or run.", "all that wait or run"),
    ):
        command = _command(every, name, run, text)
        chosen = command.add_mutually_exclusive_group(required=True)
        chosen.add_argument("job_ids", nargs="*", type=UUID, default=[], metavar="JOB_ID")
        chosen.add_argument("--all", action="store_true", help=which)
    text = "List the documents that the quality gate keeps back; let some in, or forget them."
    command = _command(every, "quarantine", commands.quarantine, text)
    command.add_argument("--release", nargs="+", type=UUID, default=[], metavar="JOB_ID")
    command.add_argument("--delete", nargs="+", type=UUID, default=[], metavar="JOB_ID")


def _add_policy(every: Any) -> None:
    text = "Show how documents are taken in where that differs from the settings, or change it."
    command = _command(every, "policy", commands.policy, text)
    command.add_argument("--set", type=_policy, help='a JSON object, such as {"personal_data": "redact"}')


def _policy(text: str) -> TenantIngestion:
    try:
        return TenantIngestion.read(json.loads(text))
    except (ValueError, RecursionError, InvalidInputError) as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def _add_reindex(every: Any) -> None:
    text = (
        "Embed all documents by another model; answers come from the old one until the new one is complete."
    )
    command = _command(every, "reindex", commands.change_model, text)
    add = command.add_argument
    add("--model", help="provider:model; by default EMBEDDING_MODEL")
    add("--drop", action="store_true", help="instead, remove the vectors of models that no longer answer")


def main() -> int:
    arguments = parse_arguments(sys.argv[1:])
    try:
        return int(event_loop.run(arguments.run(arguments, Output(as_json=arguments.json))))
    except InvalidInputError as exc:
        print(exc, file=sys.stderr)
        return 2
    except GroundworkError as exc:
        print(f"Cannot do that: {exc}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
