"""Requests of every kind at an even pace, and what became of them while services were restarted."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from tests.integration.app.sse import read_events
from tests.integration.waiting import until_true
from tests.standins.proxy import Proxy

QUESTION = "How many vacation days can I carry over?"
STREAM_EVERY, INGEST_EVERY, HYBRID_EVERY = 10, 50, 2  # of so many requests, one
PARTS = 20  # sentences of what is taken in


@dataclass(slots=True)
class Seen:
    """What a client has seen.

    Attributes:
        sent: Requests by kind: "search", "stream", "ingest".
        failures: What went wrong, in words.
        stream_ends: The last events of streams, by name.
        times: Seconds that each search took.
        jobs: Ids of what was taken in.
    """

    sent: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    stream_ends: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)


async def noticed(proxy: Proxy, service: str, *, ready: bool) -> None:
    """Wait until the proxy has found out."""
    await until_true(lambda: (service in proxy.ready) is ready, seconds=120)


def free_port() -> int:
    """One of this machine that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def kind_of(number: int) -> str:
    if number % STREAM_EVERY == 0:
        return "stream"
    return "ingest" if number % INGEST_EVERY == 1 else "search"


class Traffic:
    """A client that asks whatever comes back, so many times a second."""

    def __init__(self, client: httpx.AsyncClient, *, per_second: float) -> None:
        self.seen = Seen()
        self._client = client
        self._pause_s = 1 / per_second

    async def run(self) -> None:
        """Until cancelled; then the requests that are under way are awaited."""
        began, number = time.perf_counter(), 0
        under_way: set[asyncio.Task[None]] = set()
        try:
            while True:
                task = asyncio.create_task(self._ask(number))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                number += 1
                await asyncio.sleep(max(0.0, began + number * self._pause_s - time.perf_counter()))
        finally:
            await asyncio.gather(*under_way)

    async def _ask(self, number: int) -> None:
        kind = kind_of(number)
        self.seen.sent[kind] += 1
        try:
            match kind:
                case "stream":
                    await self._stream()
                case "ingest":
                    await self._ingest(number)
                case _:
                    await self._search("hybrid" if number % HYBRID_EVERY == 0 else "lexical")
        except httpx.HTTPError as exc:
            self.seen.failures.append(f"{kind}: {exc!r}")

    async def _search(self, strategy: str) -> None:
        began = time.perf_counter()
        response = await self._client.post("/search", json={"query": QUESTION, "strategy": strategy})
        self.seen.times.append(time.perf_counter() - began)
        if response.status_code != 200 or not response.json()["results"]:
            self.seen.failures.append(f"search: {response.status_code} {response.text[:200]}")

    async def _stream(self) -> None:
        body = {"query": QUESTION, "stream": True}
        last = "nothing"
        async with self._client.stream("POST", "/chat", json=body) as response:
            if response.status_code != 200:
                self.seen.failures.append(f"stream: {response.status_code}")
                return
            async for event in read_events(response):
                last = event.name
        self.seen.stream_ends[last] += 1
        if last not in ("done", "error"):
            self.seen.failures.append(f"stream: ended in {last}")

    async def _ingest(self, number: int) -> None:
        parts = " ".join(f"Part {n} of {number} weighs {n} grams." for n in range(PARTS))
        text = f"Item {number} is sold as it is. {parts}"
        body = {"text": text, "title": f"Item {number}", "source_document_id": f"item-{number}"}
        response = await self._client.post("/ingest", json=body)
        if response.status_code == 202:
            self.seen.jobs.append(response.json()["job_id"])
        else:
            self.seen.failures.append(f"ingest: {response.status_code} {response.text[:200]}")


@asynccontextmanager
async def traffic(url: str, *, per_second: float) -> AsyncIterator[Seen]:
    """Requests while the block runs; all have been answered at its end, and jobs have ended well."""
    limits = httpx.Limits(max_connections=1000)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        sender = Traffic(client, per_second=per_second)
        task = asyncio.create_task(sender.run())
        try:
            yield sender.seen
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for job_id in sender.seen.jobs:
            if (problem := await _end_of(client, job_id)) is not None:
                sender.seen.failures.append(problem)


async def _end_of(client: httpx.AsyncClient, job_id: str) -> str | None:
    """What is wrong with the job when it has ended; None if nothing is."""
    for _ in range(1200):
        job = (await client.get(f"/ingest/{job_id}")).json()
        if job["state"] in ("succeeded", "failed", "cancelled", "quarantined"):
            well = job["state"] == "succeeded" and job["attempts"] == 1
            return None if well else f"job: {job['state']} after {job['attempts']} attempts, {job['error']}"
        await asyncio.sleep(0.05)
    return f"job: still {job['state']}"
