"""The story of one request: what it tells, and to whom."""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.access.roles import Role
from app.settings import Settings
from db.addresses import DatabaseLogins
from db.pool import Database
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER, KeyMaker
from tests.integration.app.conftest import POLICY, SECURITY
from tests.integration.conftest import running_service, settings_for

QUESTION = "How many vacation days can I carry over?"
ANSWER = "You can carry over up to 5 vacation days to the next calendar year."
OFF_TOPIC = "Who won the football world cup in 1974?"
KEY = base64.b64encode(os.urandom(32)).decode()
Headers = dict[str, str]


@pytest.fixture(scope="module")
def settings(logins: DatabaseLogins, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_for(
        logins,
        data_dir=tmp_path_factory.mktemp("data"),
        auth_mode="api_key",
        api_key_pepper=PEPPER,
        rate_limits="off",
        field_encryption="local",
        field_encryption_key=KEY,
    )


@pytest.fixture(scope="module")
async def client(settings: Settings, local_models: LocalModels) -> AsyncIterator[httpx.AsyncClient]:
    async with running_service(settings, local_models) as opened:
        yield opened


@pytest.fixture
def maker(client: httpx.AsyncClient, database: Database) -> KeyMaker:
    return KeyMaker(database)


@pytest.fixture
def tenant() -> str:
    return f"t-{uuid4().hex}"


@pytest.fixture
async def analyst(client: httpx.AsyncClient, maker: KeyMaker, tenant: str) -> Headers:
    """Of a tenant with two documents, one of which is closed to all but the group `it`."""
    headers = await maker.headers(Role.ANALYST, tenant=tenant, groups=("it",))
    for text, name, acl in ((POLICY, "leave.md", []), (SECURITY, "security.md", ["it"])):
        body = {"text": text, "title": name, "source_document_id": name, "acl": acl}
        answer = await client.post("/ingest", params={"wait": 60}, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
    return headers


async def ask(client: httpx.AsyncClient, headers: Headers, query: str = QUESTION, **fields: Any) -> str:
    response = await client.post("/chat", json={"query": query, **fields}, headers=headers)
    assert response.status_code == 200, response.text
    request_id: str = response.json()["request_id"]
    return request_id


async def story(
    client: httpx.AsyncClient, headers: Headers, request_id: str, **params: Any
) -> dict[str, Any]:
    response = await client.get(f"/traces/{request_id}", params=params, headers=headers)
    assert response.status_code == 200, response.text
    told: dict[str, Any] = response.json()
    return told


async def test_the_story_has_all_of_an_answer(client: httpx.AsyncClient, analyst: Headers) -> None:
    request_id = await ask(client, analyst)
    rating = {"request_id": request_id, "rating": 1, "comment": "Thanks"}
    assert (await client.post("/feedback", json=rating, headers=analyst)).status_code == 201
    event = {"request_id": request_id, "kind": "copy"}
    assert (await client.post("/events", json=event, headers=analyst)).status_code < 300
    told = await story(client, analyst, request_id)
    assert told["primary_cause"] == "none"
    assert told["query"] == QUESTION
    assert ANSWER in told["answer"]
    stages = {each["stage"]: each["ms"] for each in told["timeline"]}
    assert list(stages) == ["accept", "wait", "retrieve", "rerank", "assemble", "generate", "verify", "total"]
    assert stages["total"] >= stages["retrieve"] + stages["generate"] > 0
    assert set(told["search_ms"]) == {"embed", "search"}
    assert told["first_token_ms"] > 0
    cited = [each for each in told["candidates"] if each["is_cited"]]
    assert [each["source_document_id"] for each in cited] == ["leave.md"]
    assert cited[0]["in_prompt"]
    assert cited[0]["fused"]["rank"] == 1
    assert ANSWER in cited[0]["text"]
    assert told["citations"][0]["chunk_id"] == cited[0]["chunk_id"]
    assert told["models"] == {"chat": "local:extractive", "embedding": "local:all-MiniLM-L6-v2"}
    assert told["usage"]["total_tokens"] > 0
    assert [(each["rating"], each["comment"]) for each in told["feedback"]] == [(1, "Thanks")]
    assert told["events"] == {"copy": 1}


async def test_what_is_usual_comes_from_the_tenants_requests_before(
    client: httpx.AsyncClient, analyst: Headers
) -> None:
    first = await ask(client, analyst)
    for _ in range(5):
        last = await ask(client, analyst)
    usual = [
        {each["stage"]: each["usual_ms"] for each in (await story(client, analyst, request))["timeline"]}
        for request in (first, last)
    ]
    assert usual[0]["total"] is None
    assert usual[1]["total"] >= usual[1]["generate"] > 0


async def test_a_question_that_no_document_answers_had_no_evidence(
    client: httpx.AsyncClient, analyst: Headers
) -> None:
    told = await story(client, analyst, await ask(client, analyst, OFF_TOPIC))
    assert told["abstained"]
    assert told["primary_cause"] == "no_evidence"


async def test_a_search_again_finds_what_was_taken_in_since(
    client: httpx.AsyncClient, analyst: Headers
) -> None:
    question = "How many litres does the rain barrel of the canteen hold?"
    request_id = await ask(client, analyst, question)
    body = {"text": "The rain barrel of the canteen holds 310 litres.", "title": "Canteen"}
    added = await client.post("/ingest", params={"wait": 60}, json=body, headers=analyst)
    assert added.status_code == 200
    assert (await story(client, analyst, request_id))["primary_cause"] == "no_evidence"
    told = await story(client, analyst, request_id, replay=True)
    assert told["primary_cause"] == "document_missing"


async def test_a_document_that_was_deleted_is_missed_by_the_next_answer(
    client: httpx.AsyncClient, maker: KeyMaker, tenant: str
) -> None:
    """Without sealing: a sealed question equals no other."""
    headers = await maker.headers(Role.ANALYST, tenant=tenant)
    body = {"text": POLICY, "title": "Leave", "source_document_id": "leave.md"}
    added = await client.post("/ingest", params={"wait": 60}, json=body, headers=headers)
    assert added.status_code == 200
    first = await story(client, headers, await ask(client, headers))
    (document_id,) = {each["document_id"] for each in first["candidates"]}
    assert (await client.delete(f"/documents/{document_id}", headers=headers)).status_code == 204
    told = await story(client, headers, await ask(client, headers))
    assert told["abstained"]
    assert told["primary_cause"] == "no_evidence"  # see the benchmark for texts that are not sealed
    gone = await story(client, headers, first["request_id"])
    assert not any(each["is_stored"] or each["text"] for each in gone["candidates"])


async def test_what_is_closed_to_the_analyst_stays_closed(
    client: httpx.AsyncClient, analyst: Headers, maker: KeyMaker, tenant: str
) -> None:
    request_id = await ask(client, analyst, "How many characters must passwords have?")
    rating = {"request_id": request_id, "rating": -1, "comment": "It is 14 now"}
    assert (await client.post("/feedback", json=rating, headers=analyst)).status_code == 201
    opened = await story(client, analyst, request_id)
    assert "14 characters" in opened["answer"]
    assert opened["hidden_candidates"] == 0
    outsider = await maker.headers(Role.ANALYST, tenant=tenant)
    closed = await story(client, outsider, request_id, replay=True)
    assert closed["withheld"]
    assert closed["answer"] is None
    assert closed["hidden_candidates"] >= 1
    hidden = {
        each["document_id"] for each in opened["candidates"] if each["source_document_id"] == "security.md"
    }
    assert not any(document_id in json.dumps(closed) for document_id in hidden)
    assert "It is 14" not in json.dumps(closed)
    assert "14 characters" not in json.dumps(closed)


async def test_a_colleague_reads_it_and_another_tenant_does_not(
    client: httpx.AsyncClient, analyst: Headers, maker: KeyMaker, tenant: str
) -> None:
    request_id = await ask(client, analyst)
    colleague = await maker.headers(Role.ANALYST, tenant=tenant)
    assert (await story(client, colleague, request_id))["query"] == QUESTION
    for role, other, status in (
        (Role.ANALYST, f"t-{uuid4().hex}", 404),
        (Role.READER, tenant, 403),
        (Role.OPERATOR, tenant, 403),
    ):
        headers = await maker.headers(role, tenant=other)
        assert (await client.get(f"/traces/{request_id}", headers=headers)).status_code == status


async def test_a_request_that_is_not_there_is_not_found(client: httpx.AsyncClient, analyst: Headers) -> None:
    assert (await client.get("/traces/nothing", headers=analyst)).status_code == 404


async def test_a_reader_of_stories_is_in_the_audit_log(
    client: httpx.AsyncClient, analyst: Headers, maker: KeyMaker, tenant: str
) -> None:
    request_id = await ask(client, analyst)
    await story(client, analyst, request_id)
    admin = await maker.headers(Role.ADMIN, tenant=tenant)
    found = await client.get("/admin/audit", params={"action": "trace.read"}, headers=admin)
    assert [each["object_id"] for each in found.json()["entries"]] == [request_id]


async def test_the_script_tells_the_same(
    client: httpx.AsyncClient, analyst: Headers, tenant: str, logins: DatabaseLogins, settings: Settings
) -> None:
    request_id = await ask(client, analyst)
    environment = {
        **os.environ,
        "DATABASE_URL": logins.owner.url,
        "DATA_DIR": str(settings.data_dir),
        "FIELD_ENCRYPTION": "local",
        "FIELD_ENCRYPTION_KEY": KEY,
    }

    async def run(*arguments: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "scripts.debug_request", *arguments),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        return process.returncode, said.decode()

    code, said = await run(request_id, "--tenant", tenant, "--json")
    assert code == 0
    assert json.loads(said)["primary_cause"] == "none"
    code, said = await run(request_id, "--tenant", tenant)
    assert code == 0
    assert f"question   {QUESTION}" in said
    assert "leave.md: vector 1" in said
    assert (await run("nothing", "--tenant", tenant))[0] == 1
