"""Requests that fail while two processes behind a load balancer are restarted, at 50 requests a second.

Searches, streamed answers by a model that takes a second, and documents; the same two processes take them in.
The load balancer looks at `/health/ready` and tries nothing twice.
"""

import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from db.addresses import DatabaseLogins
from tests.benchmarks.data import ROOT
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information
from tests.benchmarks.slow_chat import MODEL, slow_chat
from tests.integration.app.conftest import POLICY, ingest_text
from tests.integration.app.rolling import Seen, free_port, traffic
from tests.integration.servers import migrate_template, open_server
from tests.integration.waiting import until
from tests.standins.proxy import READY

PER_SECOND = 50
ROUNDS = 2  # each process is restarted so often
BETWEEN_S = 2.0
ANSWER_S = 1.0
PAUSE_S = 4.0  # the proxy must have noticed by then, also on a busy machine
LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of it.

    Attributes:
        stop_s: How long each process took to end.
    """

    seen: Seen
    restarts: int
    stop_s: list[float]
    seconds: float


class Process:
    """`python -m app` on a port of its own, as often as it is started."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._port = free_port()
        self._environment = {**environment, "PORT": str(self._port)}
        self.url = f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app", cwd=ROOT, env=self._environment, stdout=asyncio.subprocess.DEVNULL
        )

    async def stop(self) -> float:
        """Seconds until it has ended, in order."""
        began = time.perf_counter()
        self._process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self._process.wait(), 60)
        if code not in (0, -signal.SIGTERM):
            raise RuntimeError(f"the service ended with {code}")
        return time.perf_counter() - began

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


def run() -> list[BenchmarkRow]:
    return rows_of(asyncio.run(measure()))


async def measure(*, per_second: float = PER_SECOND, rounds: int = ROUNDS) -> Figures:
    """Restart both processes so often under that load."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="groundwork-bench-"))
        Path(folder).chmod(0o755)  # noqa: ASYNC240 - the server runs as another user
        server = await stack.enter_async_context(open_server(Path(folder)))
        logins = await server.logins(await migrate_template(server))
        model = stack.enter_context(slow_chat(ANSWER_S))
        environment = {**model.environment, **_environment(logins)}
        processes = [await stack.enter_async_context(_started(environment)) for _ in range(2)]
        url = await stack.enter_async_context(_proxy([process.url for process in processes]))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60))
        await ingest_text(client, POLICY, title="Leave policy")
        return await _restart_in_turn(processes, client, per_second=per_second, rounds=rounds)


async def _restart_in_turn(
    processes: list[Process], proxy: httpx.AsyncClient, *, per_second: float, rounds: int
) -> Figures:
    stop_s = []
    began = time.perf_counter()
    async with traffic(str(proxy.base_url), per_second=per_second) as seen:
        for process in processes * rounds:
            await asyncio.sleep(BETWEEN_S)
            stop_s.append(await process.stop())
            await process.start()
            await _ready_again(proxy, process.url)
        await asyncio.sleep(BETWEEN_S)
        seconds = time.perf_counter() - began
    return Figures(seen, len(stop_s), stop_s, seconds)


async def _ready_again(proxy: httpx.AsyncClient, url: str) -> None:
    async def is_ready() -> bool:
        return url in (await proxy.get(READY)).json()

    await until(is_ready, seconds=120)


@asynccontextmanager
async def _proxy(services: list[str]) -> AsyncIterator[str]:
    """The URL of one in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.standins.proxy", str(LOOK_S), *services),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield (await process.stdout.readline()).decode().split()[-1]
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def _started(environment: Mapping[str, str]) -> AsyncIterator[Process]:
    process = Process(environment)
    await process.start()
    try:
        yield process
    finally:
        await process.kill()


def _environment(logins: DatabaseLogins) -> dict[str, str]:
    urls = {
        f"{name}_DATABASE_URL": login.url
        for name, login in (("APP", logins.app), ("SYSTEM", logins.system))
        if login.role is None
    }
    return {
        **urls,
        "PATH": os.environ["PATH"],
        "DATABASE_URL": logins.owner.url,
        "CHAT_MODEL": MODEL,
        "SAMPLE_DOCUMENTS": "false",
        "MIGRATE_ON_START": "false",
        "LOG_LEVEL": "ERROR",
        "SHUTDOWN_PAUSE_S": str(PAUSE_S),
        "SHUTDOWN_GRACE_S": "30",
    }


def rows_of(found: Figures) -> list[BenchmarkRow]:
    seen = found.seen
    for failure in seen.failures[:10]:
        print(f"  {failure}")
    times = [second * 1000 for second in seen.times]
    return [
        for_information("restarts", found.restarts),
        for_information("requests", seen.sent.total()),
        at_least("requests a second", seen.sent.total() / found.seconds, 0.9 * PER_SECOND),
        at_most("failed requests and jobs", len(seen.failures), 0),
        for_information("streams that ended in done", seen.stream_ends["done"]),
        for_information("streams that ended in error", seen.stream_ends["error"]),
        for_information("jobs that succeeded at their first attempt", len(seen.jobs)),
        for_information("search p50", statistics.median(times), "ms"),
        for_information("search p99", statistics.quantiles(times, n=100)[98], "ms"),
        for_information("longest end of a process", max(found.stop_s), "s"),
    ]
