"""Feedback: how long a verdict and an event take to store, and what curated answers cost and catch.

A verdict is measured inside the service (the collector, with its audit entry) and around it (HTTP).
"""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import numpy as np
from langchain_core.embeddings import Embeddings

from app.access.identity import Identity
from app.services import Services, open_services
from app.settings import Settings
from db.pool import Connection
from db.repositories import curated
from db.repositories.curated import CuratedFields, Unembedded
from db.repositories.events import EventKind
from feedback.collect import Rating
from feedback.curated_match import may_ask
from feedback.events import Event
from rag.models.local import LocalModels
from tests.benchmarks.bench_access import _database
from tests.benchmarks.report import BenchmarkRow, at_most, for_information
from tests.integration.conftest import running_service, settings_for

WRITES = 1000
WARM_UP = 100
QUESTIONS = 200
ENTRIES = 1000
QUESTION = "How long are backups kept?"
PAIRS = Path(__file__).with_name("curated_questions.jsonl")
TRACES = """
INSERT INTO traces (tenant_id, request_id, subject, strategy, prompt_version, corpus_version, models,
                    abstained)
SELECT $1, r, 'anonymous:x', 'auto', '1', 1, '{}', false FROM unnest($2::text[]) r
"""


def run() -> list[BenchmarkRow]:
    return asyncio.run(_run())


async def _run() -> list[BenchmarkRow]:
    models = LocalModels()
    async with _database() as logins:
        settings = settings_for(logins, role="api", log_level="ERROR", rate_limits="off")
        async with open_services(settings, local=models) as services:
            written = await _writes(services)
            asked = await _curated_cost(services)
        async with open_services(settings, local=models) as services:
            matched = _matching(services.spaces.current.model.embeddings, settings)
            ids = await _answers(services)
        async with running_service(settings, models) as client:
            written += await _over_http(client, ids)
    return [*written, *asked, *matched]


async def _answers(services: Services) -> list[str]:
    ids = [uuid4().hex for _ in range(WRITES + WARM_UP)]
    tenant_id = services.default_identity.tenant_id
    async with services.database.tenant(tenant_id) as connection:
        await connection.execute(TRACES, tenant_id, ids)
    return ids


async def _writes(services: Services) -> list[BenchmarkRow]:
    tenant_id, ids = services.default_identity.tenant_id, await _answers(services)
    note = services.audit.note(Identity(tenant_id), "feedback.give", object_type="feedback")

    async def rate(request_id: str, comment: str) -> None:
        rating = Rating(request_id, -1, labels=["outdated"], comment=comment)
        await services.feedback.collect(tenant_id, rating, is_own=_everyone, note=note)

    async def click(request_id: str) -> None:
        await services.events.collect(tenant_id, Event(request_id, EventKind.CLICK), is_own=_everyone)

    async def least(_: str) -> None:
        async with services.database.tenant(tenant_id) as connection:
            await connection.execute("UPDATE tenants SET name = name WHERE id = $1", tenant_id)

    least_taken = await _taken(ids, least)
    first = await _taken(ids, lambda request_id: rate(request_id, "It is 40 days now."))
    changed = await _taken(ids, lambda request_id: rate(request_id, "It is 50 days now."))
    clicked = await _taken(ids, click)
    return [
        at_most("a verdict, in the service, p50", statistics.median(first), 3, "ms"),
        for_information("a verdict, in the service, p99", _p99(first), "ms"),
        for_information(
            "of that, the disk: any row that is written, p50", statistics.median(least_taken), "ms"
        ),
        for_information("another verdict instead, p50", statistics.median(changed), "ms"),
        for_information("an event, p50", statistics.median(clicked), "ms"),
    ]


async def _over_http(client: httpx.AsyncClient, ids: Sequence[str]) -> list[BenchmarkRow]:
    async def rate(request_id: str) -> None:
        body = {"request_id": request_id, "rating": -1, "comment": "It is 40 days now."}
        (await client.post("/feedback", json=body)).raise_for_status()

    taken = await _taken(ids, rate)
    return [for_information("a verdict, over HTTP, p50", statistics.median(taken), "ms")]


async def _curated_cost(services: Services) -> list[BenchmarkRow]:
    """A look-up at each question, without and with curated answers, none of which fits."""
    tenant_id = services.default_identity.tenant_id
    lookup, scope = services.answerer._curated, services.default_identity.scope()
    assert lookup

    async def look(_: str) -> None:
        await lookup.find(scope, QUESTION)

    without = await _taken([""] * QUESTIONS, look)
    async with services.database.tenant(tenant_id) as connection:
        await _pin_many(connection, tenant_id, services.spaces.current.space.id)
    lookup.forget(tenant_id)
    having = await _taken([""] * QUESTIONS, look)
    embedding = await _taken(
        [""] * QUESTIONS, lambda _: services.spaces.current.model.embeddings.aembed_query(QUESTION)
    )
    return [
        for_information("a look for a curated answer, there are none, p50", statistics.median(without), "ms"),
        for_information(f"the same, there are {ENTRIES}, p50", statistics.median(having), "ms"),
        for_information("of that, the vector that retrieval needs too", statistics.median(embedding), "ms"),
    ]


async def _pin_many(connection: Connection, tenant_id: UUID, space_id: int) -> None:
    random = np.random.default_rng(0)
    for number in range(ENTRIES):
        new = CuratedFields(question=f"Question {number}?", answer="Answer.")
        curated_id = await curated.add(connection, tenant_id, new, created_by=None)
        vector = [float(value) for value in random.normal(size=384)]
        await curated.set_vector(
            connection, tenant_id, Unembedded(curated_id, new.question), space_id, vector
        )


@dataclass(frozen=True, slots=True)
class Pinned:
    """A question with an answer, others that mean the same, and near misses."""

    question: str
    same: list[str]
    other: list[str]


def _matching(embeddings: Embeddings, settings: Settings) -> list[BenchmarkRow]:
    """The threshold was chosen on every other question of the set; the rest is held out."""
    pinned = [Pinned(**json.loads(line)) for line in PAIRS.read_text(encoding="utf-8").splitlines()]
    vectors = np.array([embeddings.embed_query(each.question) for each in pinned])
    rows = []
    for name, part in (("chosen on", pinned[::2]), ("held out", pinned[1::2])):
        for threshold in (settings.curated_threshold, 0.75, 0.9):

            def serves(asked: str, threshold: float = threshold) -> str | None:
                cosines = vectors @ np.array(embeddings.embed_query(asked))
                for number in np.argsort(-cosines):
                    known: str = pinned[number].question
                    if cosines[number] >= threshold and may_ask(asked, known):
                        return known
                return None

            same = [serves(asked) == each.question for each in part for asked in each.same]
            wrong = [serves(asked) is not None for each in part for asked in each.other]
            where = f"{name}, threshold {threshold}"
            rows += [
                for_information(f"{where}: other wordings that are served", float(np.mean(same))),
                for_information(f"{where}: near misses that are served", float(np.mean(wrong))),
            ]
    return rows


async def _taken(items: Sequence[str], work: Callable[[str], Awaitable[object]]) -> list[float]:
    """Milliseconds of each, one after the other, without the first few."""
    taken = []
    for item in items:
        began = time.perf_counter()
        await work(item)
        taken.append((time.perf_counter() - began) * 1000)
    return taken[min(WARM_UP, len(taken) // 4) :]


def _everyone(subject: str) -> bool:
    return True


def _p99(taken: Sequence[float]) -> float:
    return statistics.quantiles(taken, n=100)[-1]
