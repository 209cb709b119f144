"""What a user waits while a shadow candidate answers a copy of every request.

The service, the model and the client are processes of their own. 20 requests a second come at fixed times,
whether or not earlier ones have ended, and the wait counts from the time at which a request was due. Blocks
with and without shadow take turns, so that what else the machine does meets both. The first two seconds of
each don't count.
"""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np

from tests.benchmarks.aws_processes import service
from tests.benchmarks.data import ROOT
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information, print_table
from tests.benchmarks.slow_chat import MODEL, slow_chat

PER_SECOND = 20.0
MODEL_S = 0.4
WARM_UP_S = 2.0
BLOCK_S = float(os.environ.get("GROUNDWORK_BENCH_BLOCK_S", "20"))
BLOCKS = int(os.environ.get("GROUNDWORK_BENCH_BLOCKS", "10"))  # of each kind
DRAIN_S = 3.0  # after a block: what is still waiting must not reach into the next
QUESTIONS = ROOT / "eval" / "datasets" / "handbook.jsonl"


async def block(client: httpx.AsyncClient, questions: Sequence[str]) -> list[float]:
    """Milliseconds of each request that counts."""
    begin = time.perf_counter() + 0.1

    async def ask(number: int) -> float:
        due = begin + number / PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        answer = await client.post("/chat", json={"query": questions[number % len(questions)]})
        answer.raise_for_status()
        return (time.perf_counter() - due) * 1000

    waits = await asyncio.gather(*(ask(n) for n in range(round((WARM_UP_S + BLOCK_S) * PER_SECOND))))
    return list(waits[round(WARM_UP_S * PER_SECOND) :])


async def measure(url: str) -> dict[str, Any]:
    questions = [json.loads(line)["query"] for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    waits: dict[str, list[float]] = {"without": [], "with": []}
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        path = await _shadow(client)
        await block(client, questions)  # until all is loaded and the connections are open
        for number in range(BLOCKS):
            # A-B-B-A: neither is always the first.
            order = (("without", 0), ("with", 1)) if number % 2 == 0 else (("with", 1), ("without", 0))
            for name, share in order:
                (await client.patch(path, json={"traffic_share": share})).raise_for_status()
                waits[name] += await block(client, questions)
                await asyncio.sleep(DRAIN_S)
        summary = (await client.get(path)).json()["shadow"]
    return {"waits": waits, "shadow": summary}


async def _shadow(client: httpx.AsyncClient) -> str:
    """The path of a shadow experiment that copies nothing yet."""
    candidate = {"name": "candidate", "settings": {"chat_model": MODEL, "context_tokens": 2000}}
    body = {"key": "bench", "kind": "shadow", "variants": [candidate], "traffic_share": 0}
    created = (await client.post("/admin/experiments", json=body)).raise_for_status().json()
    path = f"/admin/experiments/{created['id']}"
    (await client.patch(path, json={"state": "running"})).raise_for_status()
    return path


def run() -> list[BenchmarkRow]:
    with slow_chat(MODEL_S) as model, service(model, chat_model=MODEL, relevance_floor=-1) as url:
        found = asyncio.run(measure(url))
    rows = []
    p99 = {}
    for name, waits in found["waits"].items():
        p99[name] = float(np.percentile(waits, 99))
        rows.append(for_information(f"{name} shadow, requests", len(waits)))
        rows.append(for_information(f"{name} shadow, p50", float(np.percentile(waits, 50)), "ms"))
        rows.append(for_information(f"{name} shadow, p99", p99[name], "ms"))
    shadow, copied = found["shadow"], round((WARM_UP_S + BLOCK_S) * PER_SECOND) * BLOCKS
    rows.append(for_information("the candidate, p95", shadow["p95_ms"], "ms"))
    rows.append(at_least("copies that were answered", shadow["requests"] - shadow["errors"], copied))
    rows.append(at_most("p99 with shadow by p99 without", p99["with"] / p99["without"], 1.05))
    return rows


if __name__ == "__main__":
    print_table(run())
