"""The ledger against traces and sums: what adds up, and what is found when it does not."""

import subprocess
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from app.services import Services, open_services
from db.addresses import DatabaseLogins
from db.repositories import usage
from db.repositories.usage import RequestKind
from rag.errors import ModelError, NotFoundError
from rag.ingest import IncomingFile
from rag.models.catalog import Operation
from rag.models.local import LocalModels
from rag.models.types import ChatModel
from rag.models.usage import ModelUse
from scripts.reconcile_usage import Outcome, reconcile
from tests.integration.app.test_usage import GPT, SENTENCE, CachingChatModel, MeteredEmbeddings, answerer, ask
from tests.integration.conftest import settings_for
from tests.integration.db.test_usage import as_owner
from tests.integration.scripts.programs import run_script
from tests.unit.graph.doubles import ScriptedChatModel


@pytest.fixture(scope="module")
async def services(logins: DatabaseLogins) -> AsyncIterator[Services]:
    settings = settings_for(logins, role="api")
    async with open_services(settings, local=LocalModels(MeteredEmbeddings.load)) as opened:
        await opened.ingestor.ingest(
            opened.default_identity.writer(), IncomingFile.of_text(SENTENCE, "Lighthouse")
        )
        yield opened


@pytest.fixture
async def asked(services: Services) -> Services:
    """A service that has answered two questions and failed at a third, and at nothing before."""
    for table in ("usage_ledger", "usage_sums", "traces"):
        await as_owner(services.logins, services.default_identity.tenant_id, f"DELETE FROM {table}")
    sound = answerer(services, ChatModel(GPT, CachingChatModel(pieces=[f"{SENTENCE} [1]"])))
    for number in range(2):
        await ask(sound, services, f"question-{number}")
    broken = answerer(services, ChatModel(GPT, CachingChatModel(pieces=["It", ConnectionError("cut off")])))
    with pytest.raises(ModelError):
        await ask(broken, services, "question-2")
    unpriced = ChatModel("test:scripted", ScriptedChatModel(pieces=[f"{SENTENCE} [1]"]))
    await ask(answerer(services, unpriced), services, "question-3")
    return services


async def compare(services: Services, slug: str | None = None) -> Outcome:
    return await reconcile(services.database, first=date(2020, 1, 1), last=date(2100, 1, 1), slug=slug)


async def change(services: Services, statement: str) -> None:
    await as_owner(services.logins, services.default_identity.tenant_id, statement)


async def test_what_was_entered_is_what_traces_say(asked: Services) -> None:
    outcome = await compare(asked)
    assert outcome.differences == []
    assert (outcome.tenants, outcome.days, outcome.without_trace) == (1, 1, 0)
    assert str(outcome) == "1 days of 1 tenants compared, 0 entries without a trace: the ledger adds up."


async def test_what_is_not_of_a_question_has_no_trace_to_be_compared_with(asked: Services) -> None:
    tenant_id = asked.default_identity.tenant_id
    async with asked.database.tenant(tenant_id) as connection:
        used = ModelUse(GPT, Operation.CHAT, input_tokens=1)
        await usage.add(connection, tenant_id, RequestKind.SEARCH, [used])
    assert (await compare(asked)).differences == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM usage_ledger WHERE request_id = 'question-1'",
        "UPDATE usage_ledger SET input_tokens = input_tokens + 1 WHERE request_id = 'question-1'",
        "UPDATE usage_ledger SET cost_usd = cost_usd * 1.001 WHERE request_id = 'question-1'",
        "UPDATE usage_ledger SET model = 'another' WHERE request_id = 'question-1'",
        "UPDATE usage_ledger SET trace_id = NULL WHERE request_id = 'question-1'",
        "UPDATE traces SET usage = '{\"models\": []}' WHERE request_id = 'question-2'",
    ],
)
async def test_a_difference_of_a_day_is_found(asked: Services, statement: str) -> None:
    await change(asked, statement)
    differences = (await compare(asked)).differences
    assert any("entries differ" in line for line in differences)


async def test_differences_that_cancel_each_other_out_are_found(asked: Services) -> None:
    for step, request in ((1, "question-0"), (-1, "question-1")):
        await change(
            asked,
            f"UPDATE usage_ledger SET output_tokens = output_tokens + {step} "
            f"WHERE request_id = '{request}' AND operation = 'chat'",
        )
    (difference,) = (await compare(asked)).differences
    assert " 2 entries differ" in difference


async def test_sums_that_do_not_follow_the_ledger_are_found(asked: Services) -> None:
    await change(asked, "UPDATE usage_sums SET tokens = tokens + 1")
    (difference,) = (await compare(asked)).differences
    assert "the ledger adds up to" in difference


async def test_entries_whose_trace_was_deleted_are_counted(asked: Services) -> None:
    await change(asked, "DELETE FROM traces WHERE request_id = 'question-0'")
    outcome = await compare(asked)
    assert outcome.differences == []
    assert outcome.without_trace == 2, "of a question's two models"


async def test_an_unknown_tenant_is_an_error(asked: Services) -> None:
    with pytest.raises(NotFoundError, match="nobody"):
        await compare(asked, slug="nobody")


async def test_the_command_ends_with_what_it_found(asked: Services, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": asked.logins.owner.url}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_script("reconcile_usage.py", *arguments, folder=tmp_path, environment=environment)

    sound = run()
    assert (sound.returncode, sound.stderr) == (0, ""), sound.stdout
    assert "the ledger adds up." in sound.stdout
    await change(asked, "DELETE FROM usage_ledger WHERE request_id = 'question-1'")
    found = run("--tenant", "default")
    assert found.returncode == 1
    assert "entries differ" in found.stdout
    assert run("--tenant", "nobody").returncode == 1
    assert run("--from", "2026-02-01", "--to", "2026-01-01").returncode == 2
    assert run("--from", "yesterday").returncode == 2
