"""What logs, metrics and traces add to a search, also while the receiver of spans is slow or gone.

Each way to run the service is a process of its own, asked in turn, request by request, so that a machine that
slows down slows all of them; what one adds is the median of its differences to the request of the same round
to the service that tells nothing. The receiver of spans is a process too.
"""

import asyncio
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import psutil

from db.addresses import DatabaseLogins
from rag.models.local import LocalModels
from tests.benchmarks.data import ROOT
from tests.benchmarks.report import BenchmarkRow, at_most, for_information
from tests.integration.conftest import running_service, settings_for
from tests.integration.servers import migrate_template, open_server
from tests.standins.otlp import otlp_collector

REQUESTS = 800
WARM_UP = 100
ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)")
START_S = 60.0
MB = 1024 * 1024
NOBODY = "http://127.0.0.1:9"
QUESTIONS = (
    "How many vacation days can I carry over?",
    "How long must passwords be?",
    "What may I spend on lunch?",
    "Who is called first at night?",
    "May I work from Spain?",
)
NOTHING = {"METRICS": "false", "ACCESS_LOG_SAMPLE": "0", "LOG_LEVEL": "WARNING"}
ALL = {"METRICS_EMF": "true", "METRICS_INTERVAL_S": "5", "LOG_LEVEL": "INFO"}


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run the service.

    Attributes:
        most_ms: What it may add to the median.
    """

    name: str
    environment: Mapping[str, str]
    most_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A way's process, and where it listens."""

    process: psutil.Process
    url: str

    @property
    def memory_mb(self) -> float:
        return float(self.process.memory_info().rss) / MB

    @property
    def cpu_ms(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system) * 1000


@dataclass(frozen=True, slots=True)
class Spent:
    """How much memory a process has grown by, and its processor time for each request."""

    memory_mb: float
    cpu_ms: float


def run() -> list[BenchmarkRow]:
    return asyncio.run(_run())


async def _run() -> list[BenchmarkRow]:
    async with _database() as logins:
        with ExitStack() as stack:
            good, slow = stack.enter_context(_collector(0.0)), stack.enter_context(_collector(30.0))
            ways = _ways(good, slow)
            running = [stack.enter_context(_started(way, logins)) for way in ways]
            await _ask_in_turn(running, WARM_UP)
            before = [(each.memory_mb, each.cpu_ms) for each in running]
            taken = await _ask_in_turn(running, REQUESTS)
            spent = [
                Spent(each.memory_mb - memory, (each.cpu_ms - cpu) / REQUESTS)
                for each, (memory, cpu) in zip(running, before, strict=True)
            ]
    return _rows(ways, taken, spent)


def _ways(good: str, slow: str) -> list[Way]:
    def traced(share: float, endpoint: str) -> dict[str, str]:
        return ALL | {"OTEL_TRACES_SAMPLER_ARG": str(share), "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}

    return [
        Way("nothing", NOTHING),
        Way("metrics and logs", ALL),
        Way("all, a tenth of the traces", traced(0.1, good), most_ms=0.7),
        Way("all, every trace", traced(1, good), most_ms=1.5),
        Way("all, every trace, receiver gone", traced(1, NOBODY), most_ms=1.5),
        Way("all, every trace, receiver slow", traced(1, slow), most_ms=1.5),
    ]


def _rows(
    ways: Sequence[Way], taken: Sequence[Sequence[float]], spent: Sequence[Spent]
) -> list[BenchmarkRow]:
    base = taken[0]
    rows = [for_information(f"{ways[0].name}, p50", statistics.median(base), "ms")]
    for way, times in zip(ways[1:], taken[1:], strict=True):
        added = statistics.median(mine - theirs for mine, theirs in zip(times, base, strict=True))
        name = f"{way.name}, added p50"
        row = for_information(name, added, "ms")
        rows.append(row if way.most_ms is None else at_most(name, added, way.most_ms, "ms"))
    for way, times, of_process in zip(ways, taken, spent, strict=True):
        added_cpu = of_process.cpu_ms - spent[0].cpu_ms
        rows.append(for_information(f"{way.name}, p99", statistics.quantiles(times, n=100)[98], "ms"))
        rows.append(for_information(f"{way.name}, added processor time a request", added_cpu, "ms"))
        rows.append(at_most(f"{way.name}, memory grown", of_process.memory_mb, 30, "MB"))
    return rows


async def _ask_in_turn(running: Sequence[Running], rounds: int) -> list[list[float]]:
    """Times in milliseconds of each way, round by round; who comes first changes from round to round."""
    taken: list[list[float]] = [[] for _ in running]
    async with httpx.AsyncClient(timeout=30) as client:
        for number in range(rounds):
            for place in range(len(running)):
                which = (number + place) % len(running)
                body = {"query": QUESTIONS[number % len(QUESTIONS)]}
                began = time.perf_counter()
                response = await client.post(f"{running[which].url}/search", json=body)
                taken[which].append((time.perf_counter() - began) * 1000)
                response.raise_for_status()
    return taken


@asynccontextmanager
async def _database() -> AsyncIterator[DatabaseLogins]:
    """A database with the sample handbook."""
    with _open_folder() as folder:
        async with open_server(folder) as server:
            logins = await server.logins(await migrate_template(server))
            async with running_service(settings_for(logins, sample_documents=True), LocalModels()) as client:
                (await client.get("/documents")).raise_for_status()
            yield logins


@contextmanager
def _open_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="groundwork-bench-") as folder:
        Path(folder).chmod(0o755)  # the server runs as another user
        yield Path(folder)


@contextmanager
def _started(way: Way, logins: DatabaseLogins) -> Iterator[Running]:
    environment = {
        "DATABASE_URL": logins.owner.url,
        "ROLE": "api",
        "PORT": "0",
        "SAMPLE_DOCUMENTS": "false",
        "LOG_FORMAT": "json",
        **{
            f"{name}_DATABASE_URL": login.url
            for name, login in (("APP", logins.app), ("SYSTEM", logins.system))
            if login.role is None
        },
        **way.environment,
    }
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app"],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Running(psutil.Process(process.pid), _address(process, output.fileno()))
        finally:
            process.terminate()
            process.wait(timeout=30)


def _address(process: "subprocess.Popen[bytes]", output: int) -> str:
    """What the process prints when it listens."""
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        found = ADDRESS.search(os.pread(output, 100_000, 0).decode())
        if found:
            return found[1]
        time.sleep(0.1)
    raise RuntimeError("the service did not start")


@contextmanager
def _collector(delay_s: float) -> Iterator[str]:
    """The URL of a receiver of spans that answers after so long."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_collect, args=(theirs, delay_s), daemon=True)
    process.start()
    try:
        yield str(ours.recv())
    finally:
        process.kill()
        process.join()


def _collect(pipe: "Connection[object, object]", delay_s: float) -> None:
    with otlp_collector() as collector:
        collector.delay_s = delay_s
        pipe.send(collector.url)
        time.sleep(86_400)
