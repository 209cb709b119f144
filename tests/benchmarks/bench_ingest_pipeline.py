"""A folder of documents through all of ingestion, beside the embedding model alone; what searches feel of it.

The AWS guides are taken in twice in processes of their own, first half of them and then all, so that the
memory of one doesn't count for the other. Memory is what a process and all that it starts hold, pages that
they share counted once (PSS), the database's included.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from app import event_loop
from app.ingestion.sync import Synced, Synchronizer
from app.services import Services, open_services
from app.settings import Settings
from rag.embedding_text import embedding_text
from rag.models.minilm import MiniLMEmbeddings
from rag.ports import SourceLabels
from rag.sources import SourceOptions, open_source
from tests.benchmarks.data import DATA, ROOT
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information

AWS = DATA / "aws_docs_qa_dev" / "documents"
MIB = 1024 * 1024
EMBEDDED_TEXTS = 3000  # a sample of the chunks, for the model alone
SEARCHES = 1000  # ten of them are slower than the 99th percentile
QUESTIONS = (
    "How do I rotate the keys of a user?",
    "What limits are there on the size of an object?",
    "How can a function reach a database in a private network?",
    "Which events start a pipeline?",
)
CHUNKS = """
SELECT s.title, d.heading_path, d.text FROM documents d JOIN source_documents s ON s.id = d.source_id
ORDER BY md5(d.text) LIMIT $1
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: seconds, MiB, chunks a second."""

    files: int
    chunks: int
    not_taken: int
    first_s: float
    again_s: float
    peak_mib: float
    service_peak_mib: float  # without the database
    model_per_s: float


def run() -> list[BenchmarkRow]:
    half, whole = _measured(0.5), _measured(1.0)
    idle, busy = event_loop.run(_searches())
    rate = whole.chunks / whole.first_s
    model_per_s = statistics.mean([half.model_per_s, whole.model_per_s])  # before and after: machines drift
    return [
        for_information("AWS guides, files", whole.files),
        for_information("AWS guides, chunks", whole.chunks),
        at_most("files that were not taken in", whole.not_taken, 0),
        for_information("end to end, chunks a second", rate, "/s"),
        for_information("the embedding model alone on the same", model_per_s, "/s"),
        at_least("end to end over the model alone", rate / model_per_s, 0.90),
        at_most("peak memory", whole.peak_mib, 1.2 * 1024, "MiB"),
        at_most("peak memory over that of half the corpus", whole.peak_mib / half.peak_mib, 1.10),
        for_information("peak memory without the database's", whole.service_peak_mib, "MiB"),
        for_information(
            "peak memory without the database's over that of half the corpus",
            whole.service_peak_mib / half.service_peak_mib,
        ),
        for_information("again, unchanged", whole.again_s, "s"),
        at_least("first time over unchanged", whole.first_s / whole.again_s, 50),
        for_information("search p99, idle", idle, "ms"),
        for_information("search p99 beside ingestion", busy, "ms"),
        at_most("search p99 beside ingestion over idle", busy / idle, 3),
    ]


def _measured(share: float) -> Measured:
    """A run in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_ingest_pipeline", str(share)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


async def _measure(share: float) -> Measured:
    with tempfile.TemporaryDirectory() as temporary:
        folder = _copy(Path(temporary) / "guides", share)
        async with open_services(_settings(Path(temporary) / "data")) as services:
            with _sampled_memory() as samples:
                began = time.perf_counter()
                outcomes = await _sync(services, folder)
                first = time.perf_counter() - began
            began = time.perf_counter()
            await _sync(services, folder)
            again = time.perf_counter() - began
            texts = await _texts(services)
        began = time.perf_counter()
        await asyncio.to_thread(MiniLMEmbeddings.load().embed_documents, texts)
        alone = time.perf_counter() - began
    return Measured(
        files=len(outcomes),
        chunks=sum(outcome.chunks for outcome in outcomes),
        not_taken=sum(outcome.outcome != "ingested" for outcome in outcomes),
        first_s=first,
        again_s=again,
        peak_mib=max(service + server for service, server in samples),
        service_peak_mib=max(service for service, _ in samples),
        model_per_s=len(texts) / alone,
    )


def _copy(folder: Path, share: float) -> Path:
    folder.mkdir()
    files = sorted(path for path in AWS.rglob("*") if path.is_file())
    for path in files[:: round(1 / share)]:
        target = folder / path.relative_to(AWS)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return folder


def _settings(data_dir: Path) -> Settings:
    return Settings(_env_file=None, data_dir=data_dir, sample_documents=False)


async def _sync(services: Services, folder: Path) -> list[Synced]:
    outcomes: list[Synced] = []
    writer = services.default_identity.writer()
    synchronizer = Synchronizer(services.database, services.queue, writer, SourceLabels(""))
    async with open_source(str(folder), SourceOptions(max_bytes=50 * MIB, local=True)) as source:
        await synchronizer.apply(source, await synchronizer.plan(source), done=outcomes.append)
    return outcomes


async def _texts(services: Services) -> list[str]:
    """What was embedded of a sample of the chunks."""
    async with services.database.tenant(services.default_identity.tenant_id) as connection:
        rows = await connection.fetch(CHUNKS, EMBEDDED_TEXTS)
    tokenizer = services.spaces.current.model.tokenizer
    return [
        embedding_text(row["title"], tuple(row["heading_path"]), row["text"], tokenizer=tokenizer)
        for row in rows
    ]


@contextmanager
def _sampled_memory() -> Iterator[list[tuple[float, float]]]:
    """MiB of this process and all below it, and of the database, sampled while the block runs."""
    samples = [(0.0, 0.0)]
    ended = threading.Event()

    def sample() -> None:
        service = psutil.Process()
        while not ended.wait(0.5):
            servers = _servers()
            own = [service, *(child for child in service.children(recursive=True) if child not in servers)]
            samples.append((_memory(own), _memory(servers)))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def _memory(processes: Sequence[psutil.Process]) -> float:
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total / MIB


def _servers() -> list[psutil.Process]:
    """The embedded database's processes, which are nobody's children: there is one such server here."""
    return [process for process in psutil.process_iter(["name"]) if process.info["name"] == "postgres"]


async def _searches() -> tuple[float, float]:
    """The 99th percentile of a search in ms, without and beside ingestion at full speed."""
    with tempfile.TemporaryDirectory() as temporary:
        first = _copy(Path(temporary) / "first", 0.1)
        second = _copy(Path(temporary) / "second", 1.0)
        async with open_services(_settings(Path(temporary) / "data")) as services:
            await _sync(services, first)
            await _search(services, count=50)
            idle = await _search(services, count=SEARCHES)
            ingesting = asyncio.create_task(_sync(services, second))
            await asyncio.sleep(5)
            busy = await _search(services, count=SEARCHES)
            if ingesting.done():
                raise RuntimeError("ingestion ended before the searches did")
            ingesting.cancel()
            await asyncio.gather(ingesting, return_exceptions=True)
    return idle, busy


async def _search(services: Services, *, count: int) -> float:
    taken = []
    scope = services.default_identity.scope()
    for number in range(count):
        began = time.perf_counter()
        await services.spaces.retrieve(f"{QUESTIONS[number % len(QUESTIONS)]} {number}", scope)
        taken.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.02)
    return _p99(taken)


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[-1]


if __name__ == "__main__":
    print(json.dumps(asdict(event_loop.run(_measure(float(sys.argv[1]))))))
