"""The loop as a whole: what users complain about fails the gate until it is put right."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from app.services import Services, open_services
from db.addresses import DatabaseLogins
from eval.datasets import data_folder, load_squad, split_by_article
from eval.gate import Verdict
from feedback.triage.types import Diagnosis
from rag.models.local import LocalModels
from tests.integration.conftest import settings_for
from tests.integration.feedback.faults import diagnosed, meet_faults
from tests.integration.feedback.loop import (
    KnownCorpus,
    differing,
    shipped_sample,
    squad_corpus,
    take_in,
)
from tests.integration.feedback.round_trip import BAD_FLOOR, make_round_trip, verdict_on
from tests.integration.servers import Server

SQUAD = data_folder() / "squad2_dev_half" / "dev-v2.0.json"
needs_data = pytest.mark.skipif(not SQUAD.exists(), reason="needs the public data sets")


@pytest.fixture
async def own_logins(server: Server, template: str) -> AsyncIterator[DatabaseLogins]:
    name, found = await server.clone(template)
    yield found
    await server.drop(name)


@asynccontextmanager
async def opened(
    logins: DatabaseLogins, local: LocalModels, folder: Path, **changes: object
) -> AsyncIterator[Services]:
    settings = settings_for(logins, data_dir=folder / "data", role="api", **changes)
    async with open_services(settings, local=local) as services:
        yield services


def held_out() -> KnownCorpus:
    """The half of the articles that nothing was fitted or chosen on."""
    return squad_corpus(split_by_article(load_squad(SQUAD))[1])


def shuffled(corpus: KnownCorpus, size: int) -> KnownCorpus:
    questions = differing(corpus.questions)
    random.Random(8).shuffle(questions)  # noqa: S311 - not a secret
    return KnownCorpus(corpus.documents, tuple(questions[:size]))


@pytest.mark.parametrize(
    ("size", "downvotes", "floor"),
    [
        pytest.param(40, 10, 0.57, id="shipped", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
        pytest.param(
            200, 40, BAD_FLOOR, id="squad", marks=[pytest.mark.slow, needs_data, pytest.mark.timeout(1800)]
        ),
    ],
)
async def test_what_was_complained_about_fails_the_gate_until_it_is_put_right(
    own_logins: DatabaseLogins,
    local_models: LocalModels,
    tmp_path: Path,
    *,
    size: int,
    downvotes: int,
    floor: float,
) -> None:
    corpus = shuffled(shipped_sample() if size == 40 else held_out(), size)
    async with AsyncExitStack() as stack:
        fixed = await stack.enter_async_context(opened(own_logins, local_models, tmp_path))
        bad = await stack.enter_async_context(
            opened(own_logins, local_models, tmp_path, relevance_floor=floor)
        )
        await take_in(fixed, corpus.documents, tmp_path)
        trip = await make_round_trip(bad, fixed, corpus.questions, tmp_path, downvotes=downvotes)
    assert (trip.asked, trip.downvoted) == (size, downvotes)
    assert len(trip.promoted) >= 0.9 * downvotes  # some may ask nearly the same
    assert verdict_on(trip.before) is not Verdict.FAIL
    assert verdict_on(trip.bad) is Verdict.FAIL
    assert verdict_on(trip.fixed) is (Verdict.PASS if size == 200 else Verdict.WARN)
    assert trip.worse <= trip.promoted


@pytest.mark.parametrize(
    ("each", "right"),
    [
        pytest.param(4, 3, id="shipped", marks=pytest.mark.timeout(600)),
        pytest.param(50, 45, id="squad", marks=[pytest.mark.slow, needs_data, pytest.mark.timeout(3600)]),
    ],
)
async def test_injected_faults_are_found(
    own_logins: DatabaseLogins, local_models: LocalModels, tmp_path: Path, each: int, right: int
) -> None:
    corpus = shuffled(shipped_sample() if each == 4 else held_out(), 10_000)
    found: dict[Diagnosis, int] = {}
    met: dict[Diagnosis, int] = {}
    async with opened(own_logins, local_models, tmp_path) as services:
        await take_in(services, corpus.documents, tmp_path)
        async for some in meet_faults(services, corpus.questions, each=each):
            for one, said in zip(some, await diagnosed(services, some, local_models), strict=True):
                met[one.right] = met.get(one.right, 0) + 1
                found[one.right] = found.get(one.right, 0) + (said.diagnosis is one.right)
    assert met == dict.fromkeys(met, each)
    assert len(met) == 5
    assert all(count >= right for count in found.values()), found
