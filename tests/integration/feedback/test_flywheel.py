"""From questions, clicks and ratings to a registered reranker, on a real service and database."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.access.identity import Identity
from app.experiments.manage import ExperimentChanges
from app.feedback_export import unsealing
from app.schemas.chat import ChatRequest, ChatResponse
from app.services import Services, open_services
from db.addresses import DatabaseLogins
from db.repositories import tenants
from db.repositories.events import EventKind
from db.repositories.experiments import ExperimentKind, ExperimentState, NewExperiment, Variant
from eval.cases import EvaluationSet, parse_cases
from feedback.collect import Rating
from feedback.events import Event
from feedback.flywheel.collect import Collected, Gold, SessionReader
from feedback.triage.redact import redactor
from rag.ingest import IncomingFile
from rag.model_registry.folder import FolderRegistry
from rag.models.local import LocalModels
from rag.models.minilm import MiniLMEmbeddings
from rag.models.options import ModelOptions
from rag.models.registry import Models
from rag.ports import SearchScope, SourceLabels
from rag.privacy import LocalDetector
from scripts.train_reranker import Outcome, describe, parse_arguments, train
from tests.integration.conftest import settings_for

DAY = timedelta(days=1)
# Two words each, that no other topic has.
TOPICS = (
    """
parking permits/travel budget/sick leave/lunch menu/badge replacement/laptop repair/expense reports/
sewing courses/meeting rooms/fire drills/visitor passes/vacation carry-over/salary slips/office keys/
printer toner/shift swaps/safety shoes/language lessons/gym discount/bicycle storage/parental benefits/
notice periods/company phones/remote desks/overtime pay/coffee machines/first aid/mail delivery/
software licences/conference tickets/relocation help/pension plan/health checks/garden tools/alarm codes/
archive boxes/window cleaning/water leaks/waste sorting/summer party/charity runs/photo consent/
podcast studio/crane operation/forklift licence/chemical spills/noise complaints/pet policy/art loans/
carpool matching/translation requests/patent filing/trade fairs/drone flights/data centre/bank holidays
""".replace("\n", "")
    .strip("/")
    .split("/")
)
ASKED = 24  # the others are the golden set
SOURCES = "SELECT id, source_document_id AS name FROM source_documents"
CLICK = """
INSERT INTO events (tenant_id, trace_id, event_id, subject, kind, document_id)
VALUES ($1, $2, gen_random_uuid()::text, $3, 'click', $4)
"""
AGAIN = """
INSERT INTO traces
SELECT (jsonb_populate_record(t,
    jsonb_build_object('id', gen_random_uuid(), 'request_id', n::text || t.id))).*
FROM traces t, generate_series(1, 19) n WHERE t.tenant_id = $1
"""


class World:
    """A tenant of its own, whose users ask, click and rate."""

    def __init__(self, services: Services, tenant_id: UUID, folder: Path) -> None:
        self.services = services
        self.identity = Identity(tenant_id, subject="ann", groups=("pay",))
        self.folder = folder

    async def take_in(self, name: str, text: str, *, acl: tuple[str, ...] | None = None) -> None:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        file = IncomingFile(path, SourceLabels(name, acl=acl), filename=name)
        await self.services.ingestor.ingest(self.identity.writer(), file)

    async def ask(self, question: str) -> ChatResponse:
        request = ChatRequest(query=question)
        run = await self.services.answerer.begin(self.identity, request, request_id=uuid4().hex)
        return await self.services.answerer.answer(run)

    async def click(self, answer: ChatResponse, source: str) -> None:
        found = {each.source_document_id: each.document_id for each in answer.retrieved_documents}
        event = Event(answer.request_id, EventKind.CLICK, document_id=found[source])
        await self.services.events.collect(self.identity.tenant_id, event, is_own=lambda subject: True)

    async def click_about(self) -> None:
        """Clicks on all answers: each place is looked at one over its number of times, guides are wanted."""
        random = Random(0)  # noqa: S311 - not a secret
        names = {str(row["id"]): row["name"] for row in await self.fetch(SOURCES)}
        for row in await self.fetch("SELECT id, query, subject, retrieved FROM traces"):
            (topic,) = (at for at, topic in enumerate(TOPICS) if topic in row["query"])
            for place, shown in enumerate(row["retrieved"], start=1):
                wanted = names[shown["document_id"]] == f"guide-{topic}.md"
                if random.random() < (1.0 if wanted else 0.1) / place:
                    document_id = UUID(shown["document_id"])
                    await self.fetch(CLICK, self.identity.tenant_id, row["id"], row["subject"], document_id)

    async def rate(self, answer: ChatResponse, rating: int) -> None:
        given = Rating(answer.request_id, rating)
        await self.services.feedback.collect(self.identity.tenant_id, given, is_own=lambda subject: True)

    async def collect(self, *groups: str, gold: Gold | None = None) -> Collected:
        reader = SessionReader(
            self.services.database, unsealing(self.services.privacy.keys), redactor(LocalDetector())
        )
        return await reader.collect(SearchScope(self.identity.tenant_id, groups), DAY, gold=gold or {})

    async def roll_out(self, model: str) -> None:
        """Start an experiment whose challenger, which nearly everybody gets, ranks by that model."""
        variants = (Variant("control", 0.001), Variant("challenger", 1000.0, {"rerank_model": model}))
        new = NewExperiment("learned", ExperimentKind.SPLIT, variants, 1.0, salt="")
        made = await self.services.experiments.create(self.identity, new)
        running = ExperimentChanges(state=ExperimentState.RUNNING)
        await self.services.experiments.change(self.identity, made.id, running)

    async def fetch(self, statement: str, *values: Any) -> Any:
        async with self.services.database.tenant(self.identity.tenant_id) as connection:
            return await connection.fetch(statement, *values)


@pytest.fixture(scope="module")
async def services(
    logins: DatabaseLogins, local_models: LocalModels, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Services]:
    settings = settings_for(logins, data_dir=tmp_path_factory.mktemp("data"), role="api")
    async with open_services(settings, local=local_models) as opened:
        yield opened


async def new_world(services: Services, folder: Path) -> World:
    async with services.database.system() as connection:
        tenant = await tenants.ensure(connection, slug=f"t-{uuid4().hex}", name="One")
    return World(services, tenant.id, folder)


@pytest.fixture
async def world(services: Services, tmp_path: Path) -> World:
    made = await new_world(services, tmp_path)
    await made.take_in("backups.md", "# Backups\n\nBackups are kept for 35 days and are encrypted.\n")
    await made.take_in("parking.md", "# Parking\n\nA parking space costs 40 euros a month.\n")
    return made


async def test_clicks_and_approved_citations_become_sessions_of_numbers(world: World) -> None:
    clicked = await world.ask("How long are backups kept? Tell ann@example.com")
    await world.click(clicked, "parking.md")
    praised, blamed = (
        await world.ask("What does a parking space cost?"),
        await world.ask("Are backups encrypted?"),
    )
    await world.rate(praised, 1)
    await world.rate(blamed, -1)
    collected = await world.collect()
    assert (collected.read, collected.closed, collected.gone) == (3, 0, 0)
    sessions = {session.question: session for session in collected.sessions}
    session = sessions["How long are backups kept? Tell [EMAIL]"]
    shown = [document.source_document_id for document in clicked.retrieved_documents]
    assert session.clicked.tolist() == [name == "parking.md" for name in shown]
    assert session.passages == tuple(str(document.id) for document in clicked.retrieved_documents)
    cited = {citation.chunk_id for citation in praised.citations}
    good = sessions["What does a parking space cost?"]
    assert cited
    assert good.approved.tolist() == [document.id in cited for document in praised.retrieved_documents]
    assert not sessions["Are backups encrypted?"].approved.any()


async def test_another_tenants_sessions_are_not_read(
    world: World, services: Services, tmp_path: Path
) -> None:
    other = await new_world(services, tmp_path)
    await world.rate(await world.ask("What does a parking space cost?"), 1)
    assert (await other.collect()).read == 0
    assert (await world.collect()).read == 1


async def test_closed_passages_need_a_group_and_deleted_ones_are_gone(world: World) -> None:
    await world.take_in("pay.md", "# Pay\n\nJunior engineers are paid 52,000 euros.\n", acl=("pay",))
    await world.ask("What are junior engineers paid?")
    assert [len((await world.collect(*groups)).sessions) for groups in ((), ("pay",))] == [0, 1]
    assert (await world.collect()).closed == 1
    await world.fetch("DELETE FROM source_documents WHERE source_document_id = 'pay.md'")
    assert (await world.collect()).gone == 1


async def test_gold_that_was_not_shown_joins_the_list(world: World) -> None:
    answer = await world.ask("What does a parking space cost?")
    (row,) = await world.fetch("SELECT id, retrieved, diagnostics FROM traces")
    last = row["retrieved"].pop()  # as if it had been left out
    diagnostics = {**row["diagnostics"], "left_out": [{**last, "left_out_by": "rank"}]}
    statement = "UPDATE traces SET retrieved = $2, diagnostics = $3 WHERE id = $1"
    await world.fetch(statement, row["id"], row["retrieved"], diagnostics)
    collected = await world.collect(gold={row["id"]: frozenset({UUID(last["chunk_id"])})})
    (session,) = collected.sessions
    assert (session.shown, len(session.passages)) == (len(answer.retrieved_documents) - 1, 2)
    assert session.passages[-1] == last["chunk_id"]
    assert session.approved.tolist() == [False, True]


async def test_too_little_to_learn_from_is_skipped_with_the_reason(
    world: World, encoder: MiniLMEmbeddings, tmp_path: Path
) -> None:
    await world.click(await world.ask("How long are backups kept?"), "backups.md")
    golden = parse_cases(b'{"query": "Who pays?", "ground_truth_docs": ["parking.md"]}', "g", place="g")
    outcome = await trained(world, golden, encoder, tmp_path / "models")
    assert outcome.skipped == "1 clicks say too little of places: it takes 100"
    assert "Skipped: 1 clicks say too little" in describe(outcome)
    assert not (tmp_path / "models").exists()
    same = parse_cases(b'{"query": "how long are BACKUPS kept", "ground_truth_docs": ["x"]}', "g", place="g")
    outcome = await trained(world, same, encoder, tmp_path / "models")
    assert outcome.skipped == "all 1 sessions ask questions of the golden set"


@pytest.mark.slow
async def test_what_users_click_becomes_a_reranker_that_answers(
    services: Services, logins: DatabaseLogins, local_models: LocalModels, tmp_path: Path
) -> None:
    """The search prefers notes that repeat the question; users want the page that answers it."""
    world, places = await new_world(services, tmp_path), tmp_path / "models"
    for at, topic in enumerate(TOPICS):
        await world.take_in(
            f"guide-{at}.md", f"# Room {at}\n\nHere all is settled that has to do with {topic}.\n"
        )
        await world.take_in(f"notes-{at}.md", f"# {topic}\n\nWhere to go about {topic}? Today: {topic}.\n")
    tenant_id = world.identity.tenant_id
    for topic in TOPICS[:ASKED]:
        await world.ask(f"Where do I go about {topic}?")
    await world.fetch(AGAIN, tenant_id)
    await world.click_about()
    golden = golden_set(range(ASKED, len(TOPICS)))

    outcome = await trained(world, golden, local_models.encoder, places)
    assert outcome.judgement is not None
    assert outcome.judgement.refusals == ()
    assert outcome.judgement.gain > 1.02
    assert str(outcome.model) == "team@1"
    files = {path.name: path.read_bytes() for path in (places / "team" / "1").iterdir()}
    card = json.loads(files["card.json"])
    assert outcome.learned is not None
    assert card["data_version"] == outcome.learned.data_version
    assert card["counts"]["left_out_as_golden"] == 0
    assert card["features"][0]["mean_abs_shap"] > 0
    words = {word for topic in TOPICS for word in topic.split()} - {"first", "help", "plan", "data"}
    for data in files.values():
        assert not [word for word in words if word in data.decode()]

    today = Models(ModelOptions(model_registry=str(places))).reranker("local:team@1")
    world.services = replace(services, reranker=today)
    second = await trained(world, golden, local_models.encoder, places)
    assert second.judgement is not None
    assert "mrr@10 is 1.0000 times today's, and 1.02 times is needed" in second.judgement.refusals
    assert (second.model, len(FolderRegistry(places).versions("team"))) == (None, 1)

    settings = settings_for(
        logins, data_dir=tmp_path, role="api", model_registry=str(places), experiment_models="local:team@1"
    )
    async with open_services(settings, local=local_models) as rolling_out:
        world = World(rolling_out, tenant_id, tmp_path)
        await world.roll_out("local:team@1")
        answers = [await world.ask(f"Where do I go about {TOPICS[at]}?") for at in (ASKED, ASKED + 1)]
    firsts = [answer.retrieved_documents[0].source_document_id for answer in answers]
    assert firsts == [f"guide-{ASKED}.md", f"guide-{ASKED + 1}.md"]
    assert [(answer.variant, answer.degraded) for answer in answers] == [("learned/challenger", [])] * 2


def golden_set(topics: range) -> EvaluationSet:
    lines = [
        json.dumps({"query": f"Where do I go about {TOPICS[at]}?", "ground_truth_docs": [f"guide-{at}.md"]})
        for at in topics
    ]
    return parse_cases("\n".join(lines).encode(), "golden", place="golden")


async def trained(world: World, golden: EvaluationSet, encoder: MiniLMEmbeddings, registry: Path) -> Outcome:
    arguments = parse_arguments(["--dataset", "golden", "--name", "team", "--registry", str(registry)])
    scope = SearchScope(world.identity.tenant_id)
    return await train(world.services, scope, arguments, golden, encoder.encode)
