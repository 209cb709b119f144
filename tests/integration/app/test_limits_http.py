"""What callers are told of limits, by the real service over HTTP."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.access.roles import Role
from db.addresses import DatabaseLogins
from db.pool import Database
from db.repositories import limits
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER, KeyMaker, bearer
from tests.integration.app.conftest import SECURITY
from tests.integration.conftest import running_service, settings_for
from tests.integration.db.test_usage import as_owner

QUESTION = {"query": "How many characters must passwords have?"}
NOTHING_TAKEN = ("rate_slots", "quota_reservations", "request_counts", "usage_sums")


@pytest.fixture(scope="module")
async def client(
    logins: DatabaseLogins, local_models: LocalModels, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    folder: Path = tmp_path_factory.mktemp("data")
    settings = settings_for(logins, rate_limits="on", data_dir=folder)
    async with running_service(settings, local_models) as opened:
        yield opened


@pytest.fixture(autouse=True)
async def unused(client: httpx.AsyncClient, logins: DatabaseLogins, tenant_id: UUID) -> None:
    for table in NOTHING_TAKEN:
        await as_owner(logins, tenant_id, f"DELETE FROM {table}")


async def allow(database: Database, tenant_id: UUID, **own: Any) -> None:
    async with database.tenant(tenant_id) as connection:
        await limits.set_own(connection, tenant_id, own)
    await asyncio.sleep(1.1)  # a refusal is remembered for a second


async def test_every_response_tells_how_much_is_left(
    client: httpx.AsyncClient, database: Database, tenant_id: UUID
) -> None:
    await allow(database, tenant_id, requests_per_minute=20, chat_per_minute=5, requests_per_day=10)
    for number, (method, path, body) in enumerate(
        [("GET", "/documents", None), ("POST", "/search", QUESTION), ("GET", "/usage?from=x", None)], start=1
    ):
        response = await client.request(method, path, json=body)
        left = f'"requests-day";r={10 - number};t='
        assert response.headers["RateLimit-Policy"] == '"tenant";q=20;w=60, "requests-day";q=10;w=86400'
        assert f'"tenant";r={20 - number};t=' in response.headers["RateLimit"]
        assert left in response.headers["RateLimit"]
        assert "X-Quota-Warning" not in response.headers
    assert "RateLimit" not in (await client.get("/health/live")).headers


async def test_streams_tell_it_too(client: httpx.AsyncClient, database: Database, tenant_id: UUID) -> None:
    await allow(database, tenant_id, chat_per_minute=5)
    async with client.stream("POST", "/chat", json=QUESTION | {"stream": True}) as response:
        assert '"chat";r=4;t=60' in response.headers["RateLimit"]
        assert "event: done" in (await response.aread()).decode()


async def test_too_fast_is_429_with_the_moment_to_come_again(
    client: httpx.AsyncClient, database: Database, tenant_id: UUID
) -> None:
    await allow(database, tenant_id, requests_per_minute=2)
    responses = [await client.get("/documents") for _ in range(3)]
    assert [response.status_code for response in responses] == [200, 200, 429]
    for refused in (responses[-1], await client.get("/documents")):
        problem = refused.json()
        assert refused.headers["content-type"] == "application/problem+json"
        assert (problem["code"], problem["scope"]) == ("rate_limited", "tenant")
        assert (problem["limit"], problem["used"]) == (2, 2)
        until_reset = (datetime.fromisoformat(problem["reset"]) - datetime.now(UTC)).total_seconds()
        assert 55 < until_reset <= 61
        assert 55 < int(refused.headers["Retry-After"]) <= 61
        assert re.fullmatch(r'"tenant";r=0;t=\d+', refused.headers["RateLimit"])


async def test_a_used_up_quota_is_429_and_a_nearly_used_up_one_a_warning(
    client: httpx.AsyncClient, database: Database, tenant_id: UUID
) -> None:
    await allow(database, tenant_id, requests_per_minute=None, requests_per_month=11)
    for _ in range(9):
        assert "X-Quota-Warning" not in (await client.get("/documents")).headers
    warned = await client.get("/documents")
    assert re.fullmatch(r'"requests-month";r=1;q=11;t=\d+', warned.headers["X-Quota-Warning"])
    assert (await client.get("/documents")).status_code == 200
    refused = await client.get("/documents")
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert (refused.json()["used"], refused.json()["limit"]) == (11, 11)
    assert 0 < int(refused.headers["Retry-After"]) <= 31 * 86_400


async def test_a_chat_gives_back_what_it_reserved(
    client: httpx.AsyncClient, database: Database, tenant_id: UUID
) -> None:
    await allow(database, tenant_id, tokens_per_month=100_000)
    assert (await client.post("/chat", json=QUESTION)).status_code == 200
    assert (await client.post("/chat", json={"query": ""})).status_code == 422
    async with client.stream("POST", "/chat", json=QUESTION | {"stream": True}) as response:
        await response.aread()
    used = {quota["name"]: quota["used"] for quota in (await client.get("/usage")).json()["quotas"]}
    async with database.tenant(tenant_id) as connection:
        entered = await connection.fetchval("SELECT coalesce(sum(tokens), 0)::bigint FROM usage_sums")
        assert await connection.fetchval("SELECT count(*) FROM quota_reservations") == 0
    assert used["tokens-month"] == entered
    assert used["requests-day"] == 4


async def test_usage_shows_quotas(client: httpx.AsyncClient, database: Database, tenant_id: UUID) -> None:
    await allow(database, tenant_id, requests_per_day=100, documents=5)
    body = (await client.get("/usage")).json()
    quotas = {quota["name"]: quota for quota in body["quotas"]}
    assert body["plan"] == "enterprise"
    assert set(quotas) == {
        *(f"{what}-{span}" for what in ("requests", "tokens", "cost") for span in ("day", "month")),
        "documents",
        "storage",
    }
    day = quotas["requests-day"]
    assert (day["limit"], day["used"], day["left"]) == (100, 1, 99)
    assert datetime.fromisoformat(day["reset"]).time().isoformat(timespec="minutes") == "00:00"
    assert (quotas["documents"]["limit"], quotas["documents"]["reset"]) == (5, None)
    assert (quotas["cost-month"]["limit"], quotas["cost-month"]["left"]) == (None, None)


async def ingest(client: httpx.AsyncClient, name: str, text: str = SECURITY) -> httpx.Response:
    body = {"text": text, "title": name, "source_document_id": name}
    return await client.post("/ingest", params={"wait": 60}, json=body)


async def test_documents_and_bytes_are_limited(
    client: httpx.AsyncClient, database: Database, tenant_id: UUID
) -> None:
    await allow(database, tenant_id, documents=2)
    assert [(await ingest(client, name)).status_code for name in "ab"] == [200, 200]
    refused = await ingest(client, "c")
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["scope"]) == (429, "quota_exceeded", "documents")
    assert (problem["limit"], problem["used"], problem["reset"]) == (2, 3, None)
    assert int(refused.headers["Retry-After"]) > 0
    assert (await ingest(client, "a", SECURITY + "And a lock.")).status_code == 200, "not another one"
    await allow(database, tenant_id, storage_bytes=3 * len(SECURITY) + 100)
    assert (await ingest(client, "c", "x" * 200)).json()["scope"] == "storage"
    assert (await ingest(client, "c", "A short one.")).status_code == 200


async def test_documents_sent_at_once_do_not_get_past_the_limit(
    client: httpx.AsyncClient, database: Database, tenant_id: UUID
) -> None:
    async with database.tenant(tenant_id) as connection:
        there: int = await connection.fetchval("SELECT count(*) FROM source_documents")
    await allow(database, tenant_id, documents=there + 3)
    responses = await asyncio.gather(*(ingest(client, f"at-once-{number}") for number in range(8)))
    assert sorted(response.status_code for response in responses) == [200] * 3 + [429] * 5


async def test_without_authentication_nothing_is_limited_unless_asked_for(
    logins: DatabaseLogins, local_models: LocalModels, database: Database, tenant_id: UUID
) -> None:
    await allow(database, tenant_id, requests_per_minute=1, documents=0)
    async with running_service(settings_for(logins), local_models) as open_client:
        for _ in range(3):
            response = await open_client.get("/usage")
            assert response.status_code == 200
            assert "RateLimit" not in response.headers
        assert response.json()["quotas"] == []
        accepted = await open_client.post("/ingest", json={"text": SECURITY, "title": "unlimited"})
        assert accepted.status_code == 202


async def test_an_operator_changes_a_tenants_limits_while_it_works(
    logins: DatabaseLogins, local_models: LocalModels, database: Database
) -> None:
    settings = settings_for(logins, auth_mode="api_key", api_key_pepper=PEPPER)
    async with running_service(settings, local_models) as guarded:
        operator = await KeyMaker(database).headers(Role.OPERATOR)
        new = {"slug": "limited", "name": "Limited", "plan": "free"}
        made = await guarded.post("/admin/tenants", headers=operator, json=new)
        path = f"/admin/tenants/{made.json()['id']}"
        key = {"name": "first", "role": "admin", "tenant_id": made.json()["id"]}
        one, other = [
            bearer((await guarded.post("/admin/keys", headers=operator, json=key)).json()["key"])
            for _ in range(2)
        ]
        seen = await guarded.get("/documents", headers=one)
        assert seen.headers["RateLimit-Policy"] == (
            '"tenant";q=60;w=60, "key";q=60;w=60, "requests-day";q=1000;w=86400'
        )
        own = {"key_requests_per_minute": 2, "requests_per_day": None}
        changed = await guarded.patch(path, headers=operator, json={"limits": own})
        assert changed.json()["limits"] == own
        statuses = [(await guarded.get("/documents", headers=one)).status_code for _ in range(2)]
        assert statuses == [200, 429]
        assert (await guarded.get("/documents", headers=other)).status_code == 200
        for wrong in ({"chat_per_minute": -1}, {"chats": 1}, {"documents": 1.5}):
            refused = await guarded.patch(path, headers=operator, json={"limits": wrong})
            assert refused.status_code == 422
        assert "RateLimit" not in (await guarded.get("/admin/tenants", headers=operator)).headers
