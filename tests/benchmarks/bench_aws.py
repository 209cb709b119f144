"""Bedrock behind the port: what it adds, how many streams a process carries, what faults do to callers."""

import asyncio
import json
import os
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from app.__main__ import settle_heap
from rag.models.options import ModelOptions
from rag.models.registry import Models
from rag.models.resilience.guard import Resilience
from tests.benchmarks.aws_processes import StandIn, service, stand_in
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information

FIRST, SECOND = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-lite-v1:0"
MESSAGES: list[BaseMessage] = [
    SystemMessage("Answer from the sources. " * 10),
    HumanMessage("The notice period is four weeks to the end of a month. " * 120),
]
REPLY = "You can carry over up to 5 vacation days to the next calendar year. [1] " * 4
QUESTION = "How many vacation days can I carry over to the next year?"
CALLS = 200
FAULTS = {"throttle": 0.10, "stall": 0.05, "cut": 0.05, "server_error": 0.05}
REQUESTS, CONCURRENCY = 1000, 50
DEADLINE_S = 30.0


def run() -> list[BenchmarkRow]:
    with stand_in() as standin:
        os.environ.update({k: v for k, v in standin.environment.items() if k.startswith("AWS_")})
        rows = asyncio.run(_at_the_port(standin))
        rows += _through_the_service(standin)
    return rows


async def _at_the_port(standin: StandIn) -> list[BenchmarkRow]:
    models = Models(ModelOptions(resilience=Resilience(limit=300)))
    (chat,) = models.chat_models(f"bedrock:{FIRST}")
    rows = await _added(standin, chat.model)
    settle_heap()  # as the service does when it has started
    for streams in (40, 200):
        rows += await _streams(standin, chat.model, streams)
    await models.close()
    return rows


async def _added(standin: StandIn, model: BaseChatModel) -> list[BenchmarkRow]:
    """Medians of calls in turns: bare httpx, and the model."""
    standin.reset()
    standin.script(reply=REPLY)
    body = model.inner.request(MESSAGES)  # type: ignore[attr-defined]
    del body["modelId"]
    scope = "Credential=AKIATEST/20260101/eu-central-1/bedrock/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}
    path = f"{standin.url}/model/{FIRST.replace(':', '%3A')}"
    async with httpx.AsyncClient(headers=headers, timeout=30) as http:

        async def bare_call() -> None:
            (await http.post(f"{path}/converse", json=body)).raise_for_status()

        async def bare_first() -> None:
            async with http.stream("POST", f"{path}/converse-stream", json=body) as response:
                async for piece in response.aiter_raw():
                    if b"contentBlockDelta" in piece:
                        return

        async def first() -> None:
            async for chunk in model.astream(MESSAGES):
                if chunk.text:
                    return

        call = await _in_turns(bare_call, lambda: model.ainvoke(MESSAGES))
        token = await _in_turns(bare_first, first)
    return [
        for_information("chat call by bare httpx, p50", call[0], "ms"),
        at_most("added to it at the model port", call[1] - call[0], 4, "ms"),
        for_information("first token by bare httpx, p50", token[0], "ms"),
        at_most("added to it at the model port", token[1] - token[0], 5, "ms"),
    ]


async def _in_turns(*calls: Callable[[], Awaitable[object]]) -> list[float]:
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(CALLS):
        for mine, call in zip(taken, calls, strict=True):
            began = time.perf_counter()
            await call()
            mine.append((time.perf_counter() - began) * 1000)
    return [statistics.median(mine[20:]) for mine in taken]


@dataclass(slots=True)
class Stalls:
    """How long the event loop let others wait, in milliseconds."""

    waits: list[float] = field(default_factory=list)

    async def watch(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            self.waits.append((time.perf_counter() - began - 0.005) * 1000)


async def _streams(standin: StandIn, model: BaseChatModel, count: int) -> list[BenchmarkRow]:
    standin.reset()
    standin.script(reply="word " * 200, token_delay_s=0.05)
    stalls = Stalls()
    watching = asyncio.create_task(stalls.watch())
    found = await asyncio.gather(*(_stream(model, after=2 * n / count) for n in range(count)))
    watching.cancel()
    firsts = sorted(first for first, _ in found)
    complete = sum(text == "word " * 200 for _, text in found)
    bound = at_most if count == 40 else _without_bound
    return [
        at_least(f"{count} streams of 20 tokens/s: complete", complete, count),
        bound("first token, p99", _percentile(firsts, 0.99), 150, "ms"),
        bound("longest stall of the event loop", max(stalls.waits), 100, "ms"),
    ]


def _without_bound(name: str, value: float, _bound: float, unit: str) -> BenchmarkRow:
    return for_information(name, value, unit)


async def _stream(model: BaseChatModel, *, after: float) -> tuple[float, str]:
    """Milliseconds to the first token, and the text."""
    await asyncio.sleep(after)
    began, first, text = time.perf_counter(), 0.0, ""
    async for chunk in model.astream(MESSAGES):
        if chunk.text and not text:
            first = (time.perf_counter() - began) * 1000
        text += str(chunk.text)
    return first, text


def _through_the_service(standin: StandIn) -> list[BenchmarkRow]:
    settings = {
        "request_timeout_s": DEADLINE_S,
        "model_first_token_timeout_s": 2,
        "model_idle_timeout_s": 2,
        "relevance_floor": -1,
    }
    rows: list[BenchmarkRow] = []
    chain = f"bedrock:{FIRST},bedrock:{SECOND}"
    with service(standin, chat_model=chain, **settings) as url:
        rows += asyncio.run(_fault_matrix(standin, url, streaming=False))
        rows += asyncio.run(_fault_matrix(standin, url, streaming=True))
    with service(standin, chat_model=f"bedrock:{FIRST}", **settings) as url:
        rows += asyncio.run(_outage(standin, url))
    with service(standin, chat_model=f"bedrock:{FIRST}", db_connections=5, **settings) as url:
        rows += asyncio.run(_held_streams(standin, url))
    return rows


@dataclass(frozen=True, slots=True)
class Asked:
    """How a question ended: with an answer, degraded or not; an error of a certain code; or with neither."""

    request_id: str
    seconds: float
    end: str  # "answered", "degraded", "error", "timeout", "none"
    code: str = ""


async def _ask(client: httpx.AsyncClient, url: str, *, streaming: bool) -> Asked:
    began, request_id = time.perf_counter(), str(uuid4())
    body = {"query": QUESTION, "stream": streaming}
    try:
        response = await client.post(f"{url}/chat", json=body, headers={"X-Request-ID": request_id})
    except httpx.HTTPError as exc:
        return Asked(request_id, time.perf_counter() - began, "none", type(exc).__name__)
    end, code = _end_of_stream(response.text) if streaming else _end(response)
    return Asked(request_id, time.perf_counter() - began, end, code)


def _end(response: httpx.Response) -> tuple[str, str]:
    body = response.json()
    if response.is_success:
        return ("degraded" if body["degraded"] else "answered"), ""
    return "error", body["code"]


def _end_of_stream(text: str) -> tuple[str, str]:
    events = [part.splitlines() for part in text.split("\n\n") if part.startswith("event: ")]
    if not events:
        return "none", "no event"
    name, data = events[-1][0].removeprefix("event: "), json.loads(events[-1][1].removeprefix("data: "))
    if name == "done":
        return ("degraded" if data["degraded"] else "answered"), ""
    return ("error", data["code"]) if name == "error" else ("none", name)


async def _fault_matrix(standin: StandIn, url: str, *, streaming: bool) -> list[BenchmarkRow]:
    standin.reset()
    standin.script(reply=REPLY, seed=7, fault_rates=FAULTS)
    limits = httpx.Limits(max_connections=CONCURRENCY)
    async with httpx.AsyncClient(timeout=2 * DEADLINE_S, limits=limits) as client:
        slots = asyncio.Semaphore(CONCURRENCY)

        async def one() -> Asked:
            async with slots:
                return await _ask(client, url, streaming=streaming)

        asked = await asyncio.gather(*(one() for _ in range(REQUESTS)))
        stored = await _answers_stored(client, url)
    ends = Counter(each.end for each in asked)
    codes = Counter(each.code for each in asked if each.code)
    in_time = sum(each.seconds <= DEADLINE_S for each in asked)
    kind = "streamed" if streaming else "whole"
    print(f"  {kind}: {dict(ends)} {dict(codes)} slowest {max(each.seconds for each in asked):.1f} s")
    good = ends["answered"] + ends["degraded"] + (ends["error"] if streaming else 0)
    calls = standin.counts().get("ConverseStream", 0)
    return [
        at_most(f"faults, {kind}: requests without an end", ends["none"], 0),
        at_least(f"faults, {kind}: {'done or error' if streaming else 'answered'}", good / REQUESTS, 0.99),
        at_least(f"faults, {kind}: ended within the deadline", in_time / REQUESTS, 0.99),
        for_information(f"faults, {kind}: by the second model", ends["degraded"]),
        at_most(f"faults, {kind}: calls of a model for each request", calls / REQUESTS, 1.5),
        at_most(f"faults, {kind}: traces beyond one for each request", abs(stored), 0),
    ]


async def _answers_stored(client: httpx.AsyncClient, url: str) -> int:
    """Feedback on an answer finds its one trace: what is stored twice would be ambiguous."""
    request_id = str(uuid4())
    await client.post(f"{url}/chat", json={"query": QUESTION}, headers={"X-Request-ID": request_id})
    response = await client.post(f"{url}/feedback", json={"request_id": request_id, "rating": 1})
    return 0 if response.is_success or response.status_code == 404 else 1


async def _outage(standin: StandIn, url: str) -> list[BenchmarkRow]:
    standin.reset()
    standin.script(reply=REPLY)
    async with httpx.AsyncClient(timeout=2 * DEADLINE_S) as client:
        assert (await _ask(client, url, streaming=False)).end == "answered"
        standin.script(faults=[{"kind": "down", "times": None}])
        failures = 0
        while (found := await _ask(client, url, streaming=False)).code != "overloaded" and failures < 100:
            failures += 1
        assert found.end == "error"
        refused = [await _ask(client, url, streaming=False) for _ in range(200)]
        standin.script(faults=[])
        began = time.perf_counter()
        while (await _ask(client, url, streaming=False)).end != "answered":  # noqa: ASYNC110 - as clients do
            await asyncio.sleep(0.05)
        recovery = time.perf_counter() - began
    slow = sorted(each.seconds * 1000 for each in refused)
    return [
        at_most("model down: failures until the breaker opens", failures, 10),
        at_most("model down: the error's time, p99", _percentile(slow, 0.99), 100, "ms"),
        at_most("model up again: answers after (probe interval 10 s)", recovery, 10.5, "s"),
    ]


async def _held_streams(standin: StandIn, url: str) -> list[BenchmarkRow]:
    standin.reset()
    standin.script(reply=REPLY, token_delay_s=1.0)
    async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=None)) as client:
        before = await _searches(client, url)
        async with _open_streams(client, url, 100):
            during = await _searches(client, url)
        after = await _searches(client, url)
    idle = min(before, after)
    return [
        for_information("search with a pool of 5, p99", idle, "ms"),
        at_most("the same beside 100 open streams, in proportion", during / idle, 1.2),
    ]


@asynccontextmanager
async def _open_streams(client: httpx.AsyncClient, url: str, count: int) -> AsyncIterator[None]:
    opened = asyncio.Event()
    waiting = count

    async def hold() -> None:
        nonlocal waiting
        body: dict[str, Any] = {"query": QUESTION, "stream": True}
        async with client.stream("POST", f"{url}/chat", json=body) as response:
            async for line in response.aiter_lines():
                if line == "event: sources":
                    waiting -= 1
                    if not waiting:
                        opened.set()

    held = [asyncio.create_task(hold()) for _ in range(count)]
    try:
        await asyncio.wait_for(opened.wait(), 60)
        await asyncio.sleep(0.5)
        yield
    finally:
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)


async def _searches(client: httpx.AsyncClient, url: str) -> float:
    """The 99th percentile of a thousand searches by words, in milliseconds."""
    taken = []
    for _ in range(1000):
        began = time.perf_counter()
        response = await client.post(f"{url}/search", json={"query": QUESTION, "strategy": "lexical"})
        assert response.is_success
        taken.append((time.perf_counter() - began) * 1000)
    return _percentile(sorted(taken), 0.99)


def _percentile(values: Sequence[float], share: float) -> float:
    return values[int(share * (len(values) - 1))]
