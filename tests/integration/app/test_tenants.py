"""Operators and tenants over HTTP: made, changed, walled off, and deleted while they are used."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest

from app.access.roles import Role
from db.addresses import DatabaseLogins
from db.pool import Database, connect
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER, KeyMaker, bearer
from tests.integration.app.conftest import POLICY, ingest_text
from tests.integration.conftest import running_service, settings_for

QUESTION = {"query": "How many vacation days can I carry over?"}


@pytest.fixture(scope="module")
async def client(logins: DatabaseLogins, local_models: LocalModels) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(logins, auth_mode="api_key", api_key_pepper=PEPPER)
    async with running_service(settings, local_models) as opened:
        yield opened


@pytest.fixture
def maker(client: httpx.AsyncClient, database: Database) -> KeyMaker:
    return KeyMaker(database)


@pytest.fixture
async def operator(maker: KeyMaker) -> dict[str, str]:
    return await maker.headers(Role.OPERATOR)


async def new_tenant(
    client: httpx.AsyncClient, operator: dict[str, str], slug: str
) -> tuple[str, dict[str, str]]:
    """Its id, and the headers of its first admin."""
    made = await client.post("/admin/tenants", headers=operator, json={"slug": slug, "name": slug})
    assert made.status_code == 201, made.text
    tenant_id = made.json()["id"]
    key = {"name": "first", "role": "admin", "tenant_id": tenant_id}
    issued = await client.post("/admin/keys", headers=operator, json=key)
    assert issued.status_code == 201, issued.text
    return tenant_id, bearer(issued.json()["key"])


async def test_a_tenants_first_key_opens_an_empty_tenant(
    client: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    _, admin = await new_tenant(client, operator, "first")
    assert (await client.get("/documents", headers=admin)).json()["documents"] == []
    again = await client.post("/admin/tenants", headers=operator, json={"slug": "first", "name": "Again"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize("slug", ["", "Acme", "-a", "a b", "a" * 64, "a\0", "ａ", "a\n"])
async def test_a_slug_is_plain(client: httpx.AsyncClient, operator: dict[str, str], slug: str) -> None:
    made = await client.post("/admin/tenants", headers=operator, json={"slug": slug, "name": "x"})
    assert made.status_code == 422


async def test_a_tenant_is_renamed_and_put_on_a_plan(
    client: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    tenant_id, _ = await new_tenant(client, operator, "changed")
    path = f"/admin/tenants/{tenant_id}"
    changed = await client.patch(path, headers=operator, json={"name": "New name", "plan": "enterprise"})
    assert (changed.json()["name"], changed.json()["plan"]) == ("New name", "enterprise")
    assert (await client.patch(path, headers=operator, json={"plan": "golden"})).status_code == 422
    assert (await client.patch(path, headers=operator, json={"slug": "other"})).status_code == 422
    unknown = await client.patch(f"/admin/tenants/{uuid4()}", headers=operator, json={"name": "x"})
    assert unknown.status_code == 404


async def test_the_list_of_tenants_pages(client: httpx.AsyncClient, operator: dict[str, str]) -> None:
    made = [(await new_tenant(client, operator, f"listed-{number}"))[0] for number in range(3)]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        answer = (await client.get("/admin/tenants", headers=operator, params=params)).json()
        seen += [tenant["id"] for tenant in answer["tenants"]]
        cursor = answer["next_cursor"]
    assert seen[-3:] == made
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("role", [Role.READER, Role.ADMIN])
async def test_only_operators_reach_tenants(client: httpx.AsyncClient, maker: KeyMaker, role: Role) -> None:
    headers, tenant_id = await maker.headers(role), await maker.tenant("default")
    for method, path in (
        ("GET", "/admin/tenants"),
        ("POST", "/admin/tenants"),
        ("PATCH", f"/admin/tenants/{tenant_id}"),
        ("DELETE", f"/admin/tenants/{tenant_id}"),
    ):
        refused = await client.request(method, path, headers=headers, json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_an_operator_has_its_own_routes_only(
    client: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    for method, path in (("POST", "/chat"), ("POST", "/search"), ("GET", "/documents"), ("GET", "/ingest")):
        refused = await client.request(method, path, headers=operator, json=QUESTION)
        assert refused.status_code == 403


async def test_an_operator_manages_the_keys_of_every_tenant(
    client: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    tenant_id, admin = await new_tenant(client, operator, "helped")
    params = {"tenant_id": tenant_id}
    (key,) = (await client.get("/admin/keys", headers=operator, params=params)).json()["keys"]
    rotated = await client.post(f"/admin/keys/{key['id']}/rotate", headers=operator, json={"overlap_s": 60})
    assert rotated.status_code == 200
    assert (await client.delete(f"/admin/keys/{key['id']}", headers=operator)).status_code == 204
    await asyncio.sleep(0.6)
    for headers in (admin, bearer(rotated.json()["key"])):
        assert (await client.get("/documents", headers=headers)).status_code == 401
    nowhere = {"name": "lost", "tenant_id": str(uuid4())}
    assert (await client.post("/admin/keys", headers=operator, json=nowhere)).status_code == 404
    assert (await client.delete(f"/admin/keys/{uuid4()}", headers=operator)).status_code == 404


async def test_the_tenants_that_are_needed_stay(
    client: httpx.AsyncClient, maker: KeyMaker, operator: dict[str, str]
) -> None:
    own = await maker.headers(Role.OPERATOR, tenant="home")
    for headers, slug in ((operator, "default"), (own, "home")):
        path = f"/admin/tenants/{await maker.tenant(slug)}"
        assert (await client.delete(path, headers=headers)).status_code == 409
    assert (await client.delete(f"/admin/tenants/{uuid4()}", headers=operator)).status_code == 404


async def test_a_deleted_tenant_leaves_no_row(
    client: httpx.AsyncClient, operator: dict[str, str], logins: DatabaseLogins
) -> None:
    tenant_id, admin = await new_tenant(client, operator, "gone")
    client_of_it = httpx.AsyncClient(base_url=client.base_url, headers=admin, timeout=60)
    async with client_of_it:
        await ingest_text(client_of_it, POLICY, title="Leave policy", acl=[], metadata={"year": 2026})
        asked = (await client_of_it.post("/chat", json=QUESTION)).json()
        rating = {"request_id": asked["request_id"], "rating": 1}
        assert (await client_of_it.post("/feedback", json=rating)).status_code == 201
    before = await rows_of(logins, tenant_id)
    assert {"documents", "postings", "chunk_embeddings", "traces", "messages", "jobs"} <= set(before)
    assert (await client.delete(f"/admin/tenants/{tenant_id}", headers=operator)).status_code == 204
    assert await rows_of(logins, tenant_id) == {}
    await asyncio.sleep(0.6)
    assert (await client.get("/documents", headers=admin)).status_code == 401


async def rows_of(logins: DatabaseLogins, tenant_id: str) -> dict[str, int]:
    """How many rows each table has of the tenant, where it has any."""
    connection = await connect(logins.owner)
    try:
        tables = await connection.fetch(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
            "WHERE a.attname = 'tenant_id' AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
        )
        counts: dict[str, int] = {}
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.tenant_id', $1, true)", tenant_id)
            for (table,) in tables:
                query = f"SELECT count(*) FROM {table} WHERE tenant_id = $1"
                counts[table] = await connection.fetchval(query, UUID(tenant_id))
    finally:
        await connection.close()
    return {table: count for table, count in counts.items() if count}


async def test_a_tenant_deleted_while_it_is_used_breaks_nothing(
    client: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    """Requests of every kind go on while it happens: each ends well, or with 401 or 404."""
    statuses: set[int] = set()
    broken: list[str] = []
    for round_number in range(4):
        tenant_id, admin = await new_tenant(client, operator, f"doomed-{round_number}")
        is_over = asyncio.Event()

        async def ask(number: int, headers: dict[str, str], is_over: asyncio.Event) -> None:
            while not is_over.is_set():
                for method, path, body in (
                    ("POST", "/chat", QUESTION),
                    ("POST", "/ingest?wait=1", {"text": POLICY, "title": f"Policy {number}"}),
                    ("POST", "/search", QUESTION),
                    ("POST", "/admin/keys", {"name": "another"}),
                    ("POST", "/chat", QUESTION | {"stream": True}),
                    ("GET", "/ingest", None),
                ):
                    answer = await client.request(method, path, headers=headers, json=body)
                    statuses.add(answer.status_code)
                    if answer.status_code >= 500 or "internal_error" in answer.text:
                        broken.append(f"{method} {path}: {answer.status_code} {answer.text}")

        asking = [asyncio.create_task(ask(number, admin, is_over)) for number in range(4)]
        await asyncio.sleep(0.7 + 0.1 * round_number)
        deleted = await client.delete(f"/admin/tenants/{tenant_id}", headers=operator)
        assert deleted.status_code == 204, deleted.text
        await asyncio.sleep(0.6)
        is_over.set()
        await asyncio.gather(*asking)
    assert broken == []
    assert statuses >= {200, 401}
    assert statuses <= {200, 201, 202, 401, 404, 409}
