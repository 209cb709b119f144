"""Requests that went wrong, exported as cases: which, whose, and what if that can't be written."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.access.identity import Identity
from app.feedback_export import EXPORT_FEEDBACK, FeedbackExportHandler
from app.schemas.chat import ChatRequest, ChatResponse
from app.services import Services, open_services
from app.worker import Worker
from db.addresses import DatabaseLogins
from db.repositories import jobs, tenants
from db.repositories.jobs import Job, JobState, NewJob
from feedback.collect import Rating
from feedback.triage.cases import parse_unannotated
from feedback.triage.export import ExportLimits, ExportOutcome
from rag.errors import UnavailableError
from rag.ingest import IncomingFile
from rag.models.local import LocalModels
from rag.ports import SearchScope, SourceLabels
from tests.integration.conftest import settings_for

PAGES = {
    "backups.md": "# Backups\n\nBackups are kept for 35 days and are encrypted.\n",
    "parking.md": "# Parking\n\nA parking space costs 40 euros a month.\n",
    "lunch.md": "# Lunch\n\nLunch is served from noon until two in the canteen.\n",
    "visitors.md": "# Visitors\n\nVisitors get a badge from the reception.\n",
}
SALARIES = "# Salaries\n\nThe salary of a junior engineer is 52,000 euros a year.\n"
LIMITS = ExportLimits(fewest=1, most=50, within=timedelta(days=1))
KEY = base64.b64encode(bytes(32)).decode()


class World:
    """A tenant of its own, whose users ask, rate and wait for the night."""

    def __init__(self, services: Services, identity: Identity, folder: Path) -> None:
        self.services = services
        self.identity = identity
        self.folder = folder

    async def take_in(self, name: str, text: str, *, acl: tuple[str, ...] | None = None) -> None:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        file = IncomingFile(path, SourceLabels(name, acl=acl), filename=name)
        await self.services.ingestor.ingest(self.identity.writer(), file)

    async def ask(self, question: str, **fields: Any) -> ChatResponse:
        request = ChatRequest(query=question, **fields)
        run = await self.services.answerer.begin(self.identity, request, request_id=uuid4().hex)
        return await self.services.answerer.answer(run)

    async def rate(self, answer: ChatResponse, rating: int = -1, **said: Any) -> UUID:
        given = Rating(answer.request_id, rating, **said)
        collected = await self.services.feedback.collect(
            self.identity.tenant_id, given, is_own=lambda subject: True
        )
        return collected.feedback_id

    async def change(self, statement: str, *values: Any) -> None:
        async with self.services.database.tenant(self.identity.tenant_id) as connection:
            await connection.execute(statement, *values)

    async def export(self, *groups: str, limits: ExportLimits = LIMITS) -> ExportOutcome:
        scope = SearchScope(self.identity.tenant_id, groups)
        return await self.services.feedback_export.export(scope, limits)

    async def exported(self, outcome: ExportOutcome) -> dict[str, Any]:
        """The metadata of each case, by the request's id."""
        assert outcome.artifact is not None
        data = await self.services.artifacts.read(outcome.artifact)
        cases = parse_unannotated(data, place="cases")
        assert len(cases) == outcome.cases
        return {case.metadata.request_id: case.metadata for case in cases}


@pytest.fixture(scope="module")
async def services(
    logins: DatabaseLogins, local_models: LocalModels, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Services]:
    settings = settings_for(
        logins,
        data_dir=tmp_path_factory.mktemp("data"),
        role="api",
        feedback_export_min=1,
        field_encryption="local",
        field_encryption_key=KEY,
    )
    async with open_services(settings, local=local_models) as opened:
        yield opened


@pytest.fixture
async def world(services: Services, tmp_path: Path) -> World:
    async with services.database.system() as connection:
        tenant = await tenants.ensure(connection, slug=f"t-{uuid4().hex}", name="One")
    made = World(services, Identity(tenant.id, subject="ann", groups=("pay",)), tmp_path)
    for name, text in PAGES.items():
        await made.take_in(name, text)
    return made


async def test_a_bad_rating_becomes_a_case_once(world: World) -> None:
    good, bad = await world.ask("How long are backups kept?"), await world.ask("What does parking cost?")
    await world.rate(good, 1)
    feedback_id = await world.rate(
        bad, labels=("answer_wrong",), comment="ask ann@example.com", correction="40 euros"
    )
    outcome = await world.export()
    assert (outcome.selected, outcome.cases, outcome.skipped) == (1, 1, None)
    assert outcome.artifact is not None
    folder = f"eval-datasets/{world.identity.tenant_id}/feedback-derived/unannotated_"
    assert outcome.artifact.startswith(folder)
    raw = await world.services.artifacts.read(outcome.artifact)
    assert b"ann@example.com" not in raw
    row = json.loads(raw)
    assert (row["expected_answer"], row["ground_truth_docs"]) == (None, [])
    assert row["query"] == "What does parking cost?"
    case = (await world.exported(outcome))[bad.request_id]
    assert (case.feedback_id, case.rating, case.labels) == (feedback_id, -1, ("answer_wrong",))
    assert (case.comment, case.correction) == ("ask [EMAIL]", "40 euros")
    assert case.diagnosis == "none"
    assert case.answer == bad.answer
    assert [source.chunk_id for source in case.sources][: len(bad.retrieved_documents)] == [
        document.id for document in bad.retrieved_documents
    ]

    again = await world.export()
    assert (again.cases, again.artifact, again.exported_before) == (0, None, 1)
    assert again.skipped is not None


async def test_too_few_are_skipped_with_the_reason_and_stay_for_the_next_time(world: World) -> None:
    for question in ("What does parking cost?", "When is lunch served?"):
        await world.rate(await world.ask(question))
    three = replace(LIMITS, fewest=3)
    outcome = await world.export(limits=three)
    assert (outcome.cases, outcome.selected) == (0, 2)
    assert outcome.skipped == "of 2 requests too few differ: it takes 3 cases"
    await world.rate(await world.ask("Who gives visitors a badge?"))
    assert (await world.export(limits=three)).cases == 3


async def test_no_more_than_the_most_are_written_and_copies_stand_for_each_other(world: World) -> None:
    for question in ("What does parking cost?", "What does parking cost?", "When is lunch served?"):
        await world.rate(await world.ask(question))
    outcome = await world.export()
    counts = sorted(case.stands_for for case in (await world.exported(outcome)).values())
    assert (outcome.selected, counts) == (3, [1, 2])
    await world.rate(await world.ask("Who gives visitors a badge?"))
    await world.rate(await world.ask("How long are backups kept?"))
    assert (await world.export(limits=replace(LIMITS, most=1))).cases == 1


async def test_what_nobody_rated_is_found_by_what_is_wrong_with_it(world: World) -> None:
    loose = await world.ask("How long are backups kept?")
    other = "Parking is free for visitors on Sundays in the north of the town [1]."
    await world.change("UPDATE traces SET answer = $2 WHERE request_id = $1", loose.request_id, other)
    silent = await world.ask("What does a parking space cost?")
    await world.change("UPDATE traces SET abstained = true WHERE request_id = $1", silent.request_id)
    rightly_silent = await world.ask("Who is the king of Spain?")
    assert rightly_silent.abstained
    first = await world.ask("Who gives visitors a badge?")
    second = await world.ask("Who gives a badge to visitors?", conversation_id=first.conversation_id)
    told = await world.ask("When is lunch served?")
    await world.change(
        "INSERT INTO events (tenant_id, trace_id, event_id, subject, kind) "
        "SELECT tenant_id, id, 'e', subject, 'reformulate' FROM traces WHERE request_id = $1",
        told.request_id,
    )
    cases = await world.exported(await world.export())
    assert {name: case.reasons for name, case in cases.items()} == {
        loose.request_id: ("low_groundedness",),
        silent.request_id: ("abstained_but_answerable",),
        first.request_id: ("reformulated",),
        told.request_id: ("reformulated",),
    }
    assert second.request_id not in cases
    assert cases[loose.request_id].diagnosis == "citation_wrong"
    assert cases[silent.request_id].diagnosis == "ignored_by_model"


async def test_a_rating_after_the_export_is_exported_too(world: World) -> None:
    answer = await world.ask("What does a parking space cost?")
    await world.change("UPDATE traces SET abstained = true WHERE request_id = $1", answer.request_id)
    assert (await world.export()).cases == 1
    feedback_id = await world.rate(answer, correction="40 euros")
    cases = await world.exported(await world.export())
    assert cases[answer.request_id].feedback_id == feedback_id


async def test_nothing_of_another_tenant_is_exported(
    world: World, services: Services, tmp_path: Path
) -> None:
    await world.rate(await world.ask("What does parking cost?"))
    async with services.database.system() as connection:
        tenant = await tenants.ensure(connection, slug=f"t-{uuid4().hex}", name="Two")
    other = World(services, Identity(tenant.id, subject="bob"), tmp_path)
    outcome = await other.export()
    assert (outcome.selected, outcome.exported_before, outcome.cases) == (0, 0, 0)
    assert (await world.export()).cases == 1


async def test_what_closed_documents_say_leaves_only_with_their_group(world: World) -> None:
    await world.take_in("salaries.md", SALARIES, acl=("pay",))
    answer = await world.ask("What is the salary of a junior engineer?")
    assert not answer.abstained
    await world.rate(answer)
    closed = await world.export()
    assert (closed.closed, closed.selected, closed.artifact) == (1, 0, None)
    opened = await world.export("pay")
    assert (opened.closed, opened.cases) == (0, 1)


async def test_what_its_filter_hid_is_not_blamed_on_the_search(world: World) -> None:
    question, only = "What does a parking space cost?", {"source_document_id": ["lunch.md"]}
    hidden = await world.ask(question, filters=only)
    assert hidden.abstained
    await world.rate(hidden, correction="40 euros")
    cases = await world.exported(await world.export())
    assert cases[hidden.request_id].diagnosis == "not_in_corpus"
    assert cases[hidden.request_id].filters == only


async def test_a_deleted_document_is_not_quoted_and_a_replaced_one_is_said_to_be(world: World) -> None:
    replaced = await world.ask(
        "What does a parking space cost?", top_k=1, filters={"source_document_id": "lunch.md"}
    )
    await world.change("UPDATE traces SET diagnostics = '{}' WHERE request_id = $1", replaced.request_id)
    await world.rate(replaced, correction="40 euros")
    lost = await world.ask("How long are backups kept?", top_k=1)
    await world.rate(lost, correction="three years")
    await world.take_in("parking.md", "# Parking\n\nThere is no parking any more.\n")
    await world.change("DELETE FROM source_documents WHERE source_document_id = 'backups.md'")
    cases = await world.exported(await world.export())
    assert cases[replaced.request_id].diagnosis == "not_reproducible"
    assert cases[replaced.request_id].because == "parking.md answered it then, and was replaced since"
    assert cases[lost.request_id].diagnosis == "not_reproducible"
    assert cases[lost.request_id].answer is None


async def test_a_target_that_cannot_be_written_loses_nothing(world: World, services: Services) -> None:
    answer = await world.ask("What does parking cost?")
    await world.rate(answer)
    folder = services.settings.data_dir / "artifacts" / "eval-datasets" / str(world.identity.tenant_id)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way")
    with pytest.raises(UnavailableError, match="can't be written"):
        await world.export()
    folder.unlink()
    assert list(await world.exported(await world.export())) == [answer.request_id]


async def test_the_job_is_tried_again_until_it_can_be_written(world: World, services: Services) -> None:
    answer = await world.ask("What does parking cost?")
    await world.rate(answer)
    tenant_id = world.identity.tenant_id
    handlers = {EXPORT_FEEDBACK: FeedbackExportHandler(services.feedback_export)}
    worker = Worker(services.database, handlers, slots=1, wake=asyncio.Event())
    async with services.database.tenant(tenant_id) as connection:
        job_id = await jobs.add(connection, tenant_id, NewJob(EXPORT_FEEDBACK, {}))
    folder = services.settings.data_dir / "artifacts" / "eval-datasets" / str(tenant_id)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way")
    job = await _worked_off(services, worker, tenant_id, job_id)
    assert (job.state, job.error_code) == (JobState.QUEUED, "unavailable")
    folder.unlink()
    await world.change("UPDATE jobs SET run_at = now() WHERE id = $1", job_id)
    job = await _worked_off(services, worker, tenant_id, job_id)
    assert job.state is JobState.SUCCEEDED
    assert job.result is not None
    assert (job.result["cases"], job.attempts) == (1, 2)


async def test_the_night_comes_by_itself_for_every_tenant(
    logins: DatabaseLogins, local_models: LocalModels, tmp_path: Path
) -> None:
    settings = settings_for(logins, data_dir=tmp_path)
    async with open_services(settings, local=local_models) as opened, asyncio.timeout(60):
        tenant_id = opened.default_identity.tenant_id
        state = None
        while state != "succeeded":
            await asyncio.sleep(0.1)
            async with opened.database.tenant(tenant_id) as connection:
                state = await connection.fetchval("SELECT state FROM jobs WHERE kind = $1", EXPORT_FEEDBACK)


async def _worked_off(services: Services, worker: Worker, tenant_id: UUID, job_id: UUID) -> Job:
    """The job after the worker has had it once."""
    claim = await worker._claim()
    assert claim is not None
    assert claim.id == job_id
    await worker._run(claim)
    async with services.database.tenant(tenant_id) as connection:
        job = await jobs.get(connection, job_id)
    assert job is not None
    return job
