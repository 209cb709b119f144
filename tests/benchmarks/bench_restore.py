"""The restore drill: 100,000 chunks of a tenant backed up while another one writes, then restored elsewhere.

The service runs in this process on the embedded server. A second tenant takes in a document after another
through the whole pipeline, before, during and after the backup; then the first folder is given up. The clock
of the recovery runs from the start of the restore, which first reads and checks all of it, to the first
answer of a service that was started on the restored folder.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from app.access.identity import Identity
from app.services import Services, open_services
from app.settings import Settings
from db.addresses import Login
from db.backup import Manifest, create_backup, restore_backup, verify_backup
from db.bootstrap import DATABASE
from db.embedded import embedded_postgres
from db.pool import connect
from db.repositories import tenants
from rag.ingest import IncomingFile
from rag.models.local import LocalModels
from rag.ports import SourceLabels
from tests.benchmarks.corpus_vectors import load_questions
from tests.benchmarks.remixed_corpus import remixed
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information
from tests.benchmarks.search_database import CLUSTER, open_search_database

SIZE = 100_000
QUESTIONS = 50
WRITE_EVERY_S = 0.25
EARLY = 10  # documents that are there before the backup begins
AFTERWARDS_S = 10.0  # what is written between the backup and the loss
MB = 1e6

Answer = list[tuple[UUID, float]]


@dataclass(frozen=True, slots=True)
class Written:
    """A document whose acknowledgement came at `at`."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Before:
    """What is known of the folder that is lost."""

    exactly: list[Answer]
    usually: list[Answer]
    written: list[Written]
    manifest: Manifest
    backup_s: float
    quiet_ms: float
    busy_ms: float
    database_bytes: int


def run() -> list[BenchmarkRow]:
    return asyncio.run(_run())


async def _run() -> list[BenchmarkRow]:
    await _make_database()
    local = LocalModels()
    with tempfile.TemporaryDirectory(prefix="groundwork-drill-") as scratch:
        folder = Path(scratch)
        await asyncio.to_thread(folder.chmod, 0o711)
        before = await _lose(folder, local)
        began = time.perf_counter()
        await asyncio.to_thread(verify_backup, folder / "backup")
        verified = time.perf_counter()
        await restore_backup(folder / "backup", folder / "data")
        restored = time.perf_counter()
        async with open_services(_settings(folder / "data"), local=local) as services:
            questions = _questions()
            await _ask(services, questions[:1], exact=False)
            serving = time.perf_counter()
            exactly = await _ask(services, questions, exact=True)
            usually = await _ask(services, questions, exact=False)
            found = await _names(services)
    return [
        *_backup_rows(before),
        for_information("checking the backup alone", verified - began, "s"),
        at_most("recovery: restored", restored - verified, 900, "s"),
        at_most("recovery: restored, started, first answer", serving - verified, 900, "s"),
        at_least("questions with the same answers, all compared", _same(exactly, before.exactly), QUESTIONS),
        at_least("questions with the same answers, by index", _same(usually, before.usually), QUESTIONS - 2),
        *_point_rows(before, found),
    ]


def _backup_rows(before: Before) -> list[BenchmarkRow]:
    return [
        for_information("chunks", before.manifest.rows["documents"]),
        for_information("database", before.database_bytes / MB, "MB"),
        for_information("backup", before.manifest.size / MB, "MB"),
        for_information("making the backup", before.backup_s, "s"),
        for_information("search before it, p50", before.quiet_ms, "ms"),
        for_information("search meanwhile, p50", before.busy_ms, "ms"),
    ]


def _point_rows(before: Before, found: set[str]) -> list[BenchmarkRow]:
    moment = before.manifest.made_at
    early = [write for write in before.written if write.at < moment]
    late = [write for write in before.written if write.at >= moment]
    lost = [write for write in before.written if write.name not in found]
    return [
        for_information("documents acknowledged before the backup's moment", len(early)),
        at_most("... of these lost", sum(write.name not in found for write in early), 0),
        for_information("documents acknowledged after it, until the loss", len(late)),
        for_information("... of these lost", sum(write.name not in found for write in late)),
        for_information(
            "oldest lost write, after the backup's moment",
            min(((write.at - moment).total_seconds() for write in lost), default=0.0),
            "s",
        ),
        for_information("time between that moment and the loss", _span(before), "s"),
    ]


def _span(before: Before) -> float:
    return (before.written[-1].at - before.manifest.made_at).total_seconds()


async def _make_database() -> None:
    """A copy of the benchmarks' database under the name that the service has for its own."""
    chunks, vectors = await asyncio.to_thread(remixed, SIZE)
    async with open_search_database("remixed100k", chunks, vectors) as made:
        name = made.name
    async with embedded_postgres(CLUSTER) as address:
        admin = await connect(Login(address.admin_dsn()))
        await admin.execute(f'DROP DATABASE IF EXISTS "{DATABASE}" WITH (FORCE)')
        await admin.execute(f'CREATE DATABASE "{DATABASE}" TEMPLATE "{name}" OWNER groundwork_owner')
        await admin.close()


async def _lose(folder: Path, local: LocalModels) -> Before:
    """Ask, back up, and write on until the end."""
    async with open_services(_settings(CLUSTER), local=local) as services:
        questions = _questions()
        exactly = await _ask(services, questions, exact=True)
        usually = await _ask(services, questions, exact=False)
        quiet = await _median_ms(services, questions)
        written: list[Written] = []
        writing = asyncio.create_task(_write(services, folder, written))
        while len(written) < EARLY:  # noqa: ASYNC110 - a list tells nobody that it has grown
            await asyncio.sleep(WRITE_EVERY_S)
        asking = asyncio.create_task(_median_ms(services, questions))
        began = time.perf_counter()
        manifest = await create_backup(CLUSTER, folder / "backup")
        took = time.perf_counter() - began
        busy = await asking
        await asyncio.sleep(AFTERWARDS_S)
        writing.cancel()
        await asyncio.wait([writing])
        async with services.database.system() as connection:
            size: int = await connection.fetchval("SELECT pg_database_size(current_database())")
        return Before(exactly, usually, list(written), manifest, took, quiet, busy, size)


async def _write(services: Services, folder: Path, written: list[Written]) -> None:
    identity = await _second_tenant(services)
    at = 0
    while True:
        at += 1
        path = folder / f"note-{at}.md"
        await asyncio.to_thread(path.write_text, f"# Note {at}\n\nThe value of note {at} is {at * at}.\n")
        upload = IncomingFile(path, SourceLabels(path.name), filename=path.name)
        await services.ingestor.ingest(identity.writer(), upload)
        written.append(Written(path.name, datetime.now(UTC)))
        await asyncio.sleep(WRITE_EVERY_S)


async def _second_tenant(services: Services) -> Identity:
    async with services.database.system() as connection:
        tenant = await tenants.ensure(connection, slug="second", name="Second")
    return replace(services.default_identity, tenant_id=tenant.id)


async def _names(services: Services) -> set[str]:
    identity = await _second_tenant(services)
    async with services.database.tenant(identity.tenant_id) as connection:
        rows = await connection.fetch("SELECT source_document_id FROM source_documents")
    return {row["source_document_id"] for row in rows}


async def _ask(services: Services, questions: Sequence[str], *, exact: bool) -> list[Answer]:
    scope = services.default_identity.scope()
    found = [await services.spaces.retrieve(question, scope, top_k=10, exact=exact) for question in questions]
    return [
        [(hit.passage.chunk_id, round(hit.vector_score or 0, 6)) for hit in retrieval.passages]
        for retrieval in found
    ]


async def _median_ms(services: Services, questions: Sequence[str]) -> float:
    taken = []
    for question in questions:
        began = time.perf_counter()
        await _ask(services, [question], exact=False)
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def _same(found: Sequence[Answer], expected: Sequence[Answer]) -> int:
    """How many answers have the same chunks in the same order, with the same similarities."""
    return sum(one == other for one, other in zip(found, expected, strict=True))


def _questions() -> list[str]:
    return [question.text for question in load_questions()[:QUESTIONS]]


def _settings(data_dir: Path) -> Settings:
    return Settings(
        _env_file=None,
        data_dir=data_dir,
        sample_documents=False,
        log_level="ERROR",
        online_quality_sample=0,
    )
