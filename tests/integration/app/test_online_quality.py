"""Answers that are looked at behind them: what is kept of them, and what alarms."""

import asyncio
from unittest.mock import Mock
from uuid import UUID, uuid4

import httpx
import pytest
from structlog.testing import capture_logs

from db.addresses import DatabaseLogins
from db.pool import Database
from db.repositories import quality, tenants
from db.repositories.quality import QualityCounts
from feedback.quality.drift import REFERENCE, DriftState, Monitored, Observation
from feedback.quality.monitor import GivenAnswer, OnlineQuality
from feedback.quality.projection import DIMENSIONS
from feedback.quality.storage import dump, load
from rag.models.local import LOCAL_EMBEDDINGS, LocalModels
from rag.retrieve import QuestionVector
from tests.integration.app.conftest import POLICY, ingest_text
from tests.integration.conftest import running_service, settings_for

SOURCE = "You can carry over up to 5 vacation days to the next calendar year."
GROUNDED, INVENTED = "You can carry over up to 5 vacation days.", "Employees fly to Mars on 12 dragons."


class Heard:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.scores: list[float] = []
        self.alarms: list[Monitored] = []

    def scored(self, groundedness: float) -> None:
        self.scores.append(groundedness)

    def alarmed(self, monitored: Monitored) -> None:
        self.alarms.append(monitored)


@pytest.fixture
async def tenant(database: Database) -> UUID:
    async with database.system() as connection:
        return (await tenants.ensure(connection, slug=f"t-{uuid4().hex}", name="Test")).id


def given(
    tenant: UUID,
    answer: str | None,
    *,
    question: str = "How many days?",
    vector: QuestionVector | None = None,
) -> GivenAnswer:
    return GivenAnswer(
        tenant_id=tenant, question=question, vector=vector, answer=answer, sources=(SOURCE,), score=0.6
    )


async def counts(database: Database, tenant: UUID) -> QualityCounts:
    async with database.tenant(tenant) as connection:
        return await quality.counts(connection, tenant)


async def counted(database: Database, tenant: UUID, questions: int) -> QualityCounts:
    async with asyncio.timeout(100):
        while True:
            if (found := await counts(database, tenant)).questions >= questions:
                return found
            await asyncio.sleep(0.05)


async def test_invented_answers_are_counted_and_abstentions_are_not_scored(
    database: Database, tenant: UUID, local_models: LocalModels
) -> None:
    heard = Heard()
    watch = OnlineQuality(database, lambda: local_models.encoder, sample=1.0, listener=heard)
    async with watch.running():
        for answer in (GROUNDED, INVENTED, None):
            watch.offer(given(tenant, answer))
        found = await counted(database, tenant, 3)
    assert found == QualityCounts(questions=3, scored=2, low_groundedness=1, alarms=0)
    assert heard.scores[0] > 0.5 > heard.scores[1]


async def test_without_a_sample_nothing_is_scored_and_questions_are_watched(
    database: Database, tenant: UUID, local_models: LocalModels
) -> None:
    watch = OnlineQuality(database, lambda: local_models.encoder, sample=0.0)
    async with watch.running():
        watch.offer(given(tenant, GROUNDED))
        found = await counted(database, tenant, 1)
    assert found == QualityCounts(questions=1)


@pytest.mark.parametrize(("model", "embedded"), [(LOCAL_EMBEDDINGS, 0), ("bedrock:another", 1)])
async def test_a_question_that_the_local_model_has_embedded_is_not_embedded_again(
    database: Database, tenant: UUID, local_models: LocalModels, model: str, embedded: int
) -> None:
    question = "How many days?"
    vector = QuestionVector(model, local_models.encoder.embed_query(question))
    encoder = Mock(wraps=local_models.encoder)
    watch = OnlineQuality(database, lambda: encoder, sample=0.0)
    async with watch.running():
        watch.offer(given(tenant, GROUNDED, question=question, vector=vector))
        await counted(database, tenant, 1)
    assert encoder.embed_query.call_count == embedded


async def test_a_full_queue_drops_and_counts(
    database: Database, tenant: UUID, local_models: LocalModels
) -> None:
    watch = OnlineQuality(database, lambda: local_models.encoder, sample=1.0, waiting=2)
    for _ in range(5):
        watch.offer(given(tenant, GROUNDED))  # nobody works
    assert watch.dropped == 3


async def test_what_was_observed_is_stored_at_the_end(
    database: Database, tenant: UUID, local_models: LocalModels
) -> None:
    for number in (1, 2):  # the second goes on from where the first has ended
        watch = OnlineQuality(database, lambda: local_models.encoder, sample=0.0)
        async with watch.running():
            watch.offer(given(tenant, GROUNDED))
            await counted(database, tenant, number)
    async with database.tenant(tenant) as connection:
        state = load(await quality.hold(connection, tenant))
    assert state.reference.count == 2


async def test_a_shift_is_logged_and_told_without_a_text(
    database: Database, tenant: UUID, local_models: LocalModels
) -> None:
    """The usual questions of this tenant are of a place where no real question is."""
    state, far = DriftState(), Observation([0.0] * DIMENSIONS, 0.9)  # type: ignore[arg-type]
    state.observe([far] * REFERENCE)
    async with database.tenant(tenant) as connection:
        await quality.hold(connection, tenant)
        await quality.save(connection, tenant, dump(state), QualityCounts())
    heard = Heard()
    watch = OnlineQuality(database, lambda: local_models.encoder, sample=0.0, listener=heard)
    with capture_logs() as logs:
        async with watch.running():
            for number in range(100):
                watch.offer(given(tenant, GROUNDED, question=f"What is rule {number} of the handbook?"))
            found = await counted(database, tenant, 100)
    assert found.alarms == len(heard.alarms) >= 1
    lines = [line for line in logs if line["event"] == "quality_alarm"]
    assert {line["monitored"] for line in lines} == {alarm.value for alarm in heard.alarms}
    assert Monitored.QUESTION_MEAN in heard.alarms
    assert not any("rule" in str(line) for line in lines)


async def test_an_answer_over_http_is_looked_at(
    logins: DatabaseLogins, database: Database, tenant_id: UUID, local_models: LocalModels
) -> None:
    settings = settings_for(logins, online_quality_sample=1.0)
    async with running_service(settings, local_models) as client:
        await ingest_text(client, POLICY, title="Leave policy", source_document_id="leave.md")
        before = (await counts(database, tenant_id)).questions
        await ask(client, "How many vacation days can I carry over?")
        found = await counted(database, tenant_id, before + 1)
    assert (found.scored, found.low_groundedness) == (1, 0)


async def ask(client: httpx.AsyncClient, query: str) -> None:
    response = await client.post("/chat", json={"query": query})
    assert response.status_code == 200, response.text
