"""Personal data in questions, on its way to Bedrock's models and into the store."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from db.addresses import DatabaseLogins
from db.pool import Database
from db.repositories import tenants
from rag.models.local import LocalModels
from tests.integration.app.conftest import ingest_text
from tests.integration.conftest import running_service, settings_for
from tests.integration.waiting import until
from tests.standins.aws import use_bedrock
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.server import bedrock_standin

ADDRESS = "jane.doe@acme.org"
QUESTION = f"How long is the notice period for {ADDRESS}, IBAN DE89 3704 0044 0532 0130 00?"
REDACTED = "How long is the notice period for [EMAIL], IBAN [IBAN]?"
TEXT = "The notice period is four weeks to the end of a month. The canteen opens at noon."
SECRETS = (ADDRESS, "DE89", "0532")


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch, local_models: LocalModels) -> Iterator[Bedrock]:
    with bedrock_standin(local=local_models) as server:
        use_bedrock(monkeypatch, server.url)
        server.reply = "The notice period is four weeks to the end of a month. [1]"
        yield server


@asynccontextmanager
async def service(
    logins: DatabaseLogins, local_models: LocalModels, mode: str
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(
        logins,
        chat_model="bedrock:amazon.nova-lite-v1:0",
        embedding_model="bedrock:amazon.titan-embed-text-v2:0",
        rerank_model="bedrock:cohere.rerank-v3-5:0",
        guardrail_id="gr-test",
        guardrail_version="1",
        relevance_floor=-1,
        question_personal_data=mode,
    )
    async with running_service(settings, local_models) as opened:
        await ingest_text(opened, TEXT, source_document_id="contract")
        yield opened


async def trace(database: Database, tenant_id: UUID, request_id: str) -> dict[str, Any]:
    async with database.tenant(tenant_id) as connection:
        row = await connection.fetchrow(
            "SELECT t.query, t.redacted, m.content FROM traces t JOIN messages m ON m.trace_id = t.id"
            " WHERE m.role = 'user' AND t.request_id = $1",
            request_id,
        )
    assert row is not None
    return dict(row)


def told(bedrock: Bedrock) -> str:
    """Everything that any model was told."""
    return json.dumps([repr(call) for call in bedrock.calls])


@pytest.mark.parametrize(
    ("mode", "query", "kinds", "models_see_it"),
    [
        ("off", QUESTION, [], True),
        ("log", REDACTED, ["email", "iban"], True),
        ("model", REDACTED, ["email", "iban"], False),
    ],
)
async def test_models_and_the_store_get_what_they_may(  # noqa: PLR0917 - fixtures
    bedrock: Bedrock,
    logins: DatabaseLogins,
    local_models: LocalModels,
    database: Database,
    tenant_id: UUID,
    mode: str,
    query: str,
    kinds: list[str],
    models_see_it: bool,
) -> None:
    async with service(logins, local_models, mode) as client:
        answered = (await client.post("/chat", json={"query": QUESTION})).json()
        assert answered["citations"]
        searched = await client.post("/search", json={"query": QUESTION})
    assert searched.json()["results"]
    assert {"InvokeModel", "Rerank", "ConverseStream", "ApplyGuardrail"} <= {
        c.operation for c in bedrock.calls
    }
    assert [secret in told(bedrock) for secret in SECRETS] == [models_see_it] * len(SECRETS)
    assert await trace(database, tenant_id, answered["request_id"]) == {
        "query": query,
        "redacted": kinds,
        "content": query,
    }


async def test_a_tenant_decides_for_itself(
    bedrock: Bedrock, logins: DatabaseLogins, local_models: LocalModels, database: Database, tenant_id: UUID
) -> None:
    async with service(logins, local_models, "off") as client:
        async with database.tenant(tenant_id) as connection:
            await tenants.set_privacy(connection, tenant_id, {"question_personal_data": "model"})
        answered = (await client.post("/chat", json={"query": QUESTION})).json()
        searched = await client.post("/search", json={"query": QUESTION})
        assert searched.status_code == 200
        assert not any(secret in told(bedrock) for secret in SECRETS)
        async with database.tenant(tenant_id) as connection:
            await tenants.set_privacy(connection, tenant_id, {})

        async def is_told() -> bool:
            await client.post("/search", json={"query": QUESTION})
            return all(secret in told(bedrock) for secret in SECRETS)

        await until(is_told, seconds=5)
    assert (await trace(database, tenant_id, answered["request_id"]))["query"] == REDACTED
