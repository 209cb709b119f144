"""API keys over HTTP: who gets in, who doesn't, and how soon a key that ended is refused."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app.access.roles import Role
from db.addresses import DatabaseLogins
from db.pool import Database
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER, KeyMaker, bearer
from tests.integration.conftest import running_service, settings_for

QUESTION = {"query": "How many vacation days can I carry over?"}


@pytest.fixture(scope="module")
async def client(logins: DatabaseLogins, local_models: LocalModels) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(logins, auth_mode="api_key", api_key_pepper=PEPPER, host="0.0.0.0")
    async with running_service(settings, local_models) as opened:
        yield opened


@pytest.fixture
def maker(client: httpx.AsyncClient, database: Database) -> KeyMaker:
    return KeyMaker(database)


async def test_without_a_key_a_caller_is_told_how_to_show_one(client: httpx.AsyncClient) -> None:
    response = await client.post("/search", json=QUESTION)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="groundwork"'
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "unauthenticated"


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/chat"), ("POST", "/ingest"), ("DELETE", "/chat"), ("GET", "/nowhere")]
)
async def test_a_stranger_learns_nothing_more(client: httpx.AsyncClient, method: str, path: str) -> None:
    """Nothing of the body is read, and nothing told of which routes there are."""
    for body in (b"{", b"x" * 3_000_000):
        headers = {"Content-Type": "application/json"}
        refused = await client.request(method, path, content=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


async def test_a_route_that_is_not_there_is_not_found_by_a_known_caller(
    client: httpx.AsyncClient, maker: KeyMaker
) -> None:
    headers = await maker.headers()
    for method, path, status in (("GET", "/nowhere", 404), ("PUT", "/chat", 405)):
        assert (await client.request(method, path, headers=headers)).status_code == status


async def test_the_secret_of_a_key_counts_to_its_last_character(
    client: httpx.AsyncClient, maker: KeyMaker
) -> None:
    secret = (await maker.issue()).secret
    for wrong in (secret[:-1] + ("0" if secret[-1] != "0" else "1"), f"{secret[:20]}{'0' * 48}"):
        assert (await client.get("/documents", headers=bearer(wrong))).status_code == 401
    assert (await client.get("/documents", headers=bearer(secret))).status_code == 200


async def test_a_key_opens_its_own_tenant(client: httpx.AsyncClient, maker: KeyMaker) -> None:
    for header in ("bearer", "x-api-key"):
        secret = (await maker.issue(tenant="acme")).secret
        headers = bearer(secret) if header == "bearer" else {"X-API-Key": secret}
        assert (await client.get("/documents", headers=headers)).json()["documents"] == []


async def test_only_a_hash_of_a_key_is_stored(maker: KeyMaker, database: Database) -> None:
    issued = await maker.issue(tenant="acme")
    async with database.tenant(issued.key.tenant_id) as connection:
        row = await connection.fetchrow("SELECT * FROM api_keys WHERE id = $1", issued.key.id)
    assert row is not None
    assert issued.secret.removeprefix(f"gw_{issued.key.prefix}_") not in str(dict(row))
    assert issued.secret not in repr(issued.key)


SECRET = "gw_0123456789abcdef_" + "0" * 48
BAD: dict[str, Mapping[str, str] | Mapping[bytes, bytes]] = {
    "empty": {"Authorization": ""},
    "no scheme": {"Authorization": SECRET},
    "other scheme": {"Authorization": f"Basic {SECRET}"},
    "scheme alone": {"Authorization": "Bearer"},
    "unknown": bearer(SECRET),
    "short": bearer(SECRET[:-1]),
    "capitals": bearer(SECRET.replace("abcdef", "ABCDEF")),
    "trailing newline of a copy": bearer(SECRET + "%0a"),
    "token where none is taken": bearer("eyJhbGciOiJub25lIn0.e30."),
    "token as a key": {"X-API-Key": "eyJhbGciOiJub25lIn0.e30."},
    "both headers": bearer(SECRET) | {"X-API-Key": SECRET},
    "full-width digits": {b"Authorization": ("Bearer " + SECRET.replace("0", "\uff10")).encode()},
    "latin-1": {b"Authorization": ("Bearer " + SECRET[:-1] + "\u00b2").encode("latin-1")},
    "sql": bearer("gw_' OR 1=1 --"),
    "20 KB": bearer("gw_" + "0" * 20_000),
}


@pytest.mark.parametrize("headers", BAD.values(), ids=BAD.keys())
async def test_a_bad_credential_is_refused(
    client: httpx.AsyncClient, headers: Mapping[str, str] | Mapping[bytes, bytes]
) -> None:
    response = await client.get("/documents", headers=headers)
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


async def test_two_authorization_headers_are_refused_even_if_one_is_good(
    client: httpx.AsyncClient, maker: KeyMaker
) -> None:
    good = ("Authorization", (await maker.headers())["Authorization"])
    for headers in ([good, ("Authorization", "Bearer x")], [good, good]):
        assert (await client.get("/documents", headers=headers)).status_code == 401


@pytest.mark.parametrize("value", [b"Bearer gw_\x00", b"Bearer " + b"a" * 100_000])
async def test_headers_that_http_forbids_do_no_harm(client: httpx.AsyncClient, value: bytes) -> None:
    request = (
        b"GET /documents HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: " + value + b"\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(request)
    answer = await reader.read(12)
    writer.close()
    assert answer in (b"HTTP/1.1 400", b"HTTP/1.1 401")
    assert (await client.get("/health/live")).status_code == 200


async def test_a_revoked_key_is_refused_within_a_second(
    client: httpx.AsyncClient, maker: KeyMaker, database: Database
) -> None:
    admin, victim = await maker.headers(Role.ADMIN), await maker.issue()
    assert (await client.get("/documents", headers=bearer(victim.secret))).status_code == 200
    assert (await client.delete(f"/admin/keys/{victim.key.id}", headers=admin)).status_code == 204
    revoked_at = time.monotonic()
    while (await client.get("/documents", headers=bearer(victim.secret))).status_code == 200:
        assert time.monotonic() - revoked_at < 5  # a second, on a machine with time for it
    assert (await client.delete(f"/admin/keys/{victim.key.id}", headers=admin)).status_code == 204
    rotation = await client.post(f"/admin/keys/{victim.key.id}/rotate", headers=admin)
    assert (rotation.status_code, rotation.json()["code"]) == (409, "conflict")


async def test_a_key_ends_when_it_expires(client: httpx.AsyncClient, maker: KeyMaker) -> None:
    admin = await maker.headers(Role.ADMIN)
    soon = (datetime.now(UTC) + timedelta(seconds=0.7)).isoformat()
    made = await client.post("/admin/keys", headers=admin, json={"name": "brief", "expires_at": soon})
    headers = bearer(made.json()["key"])
    assert (await client.get("/documents", headers=headers)).status_code == 200
    await asyncio.sleep(1.3)
    assert (await client.get("/documents", headers=headers)).status_code == 401
    past = {"name": "late", "expires_at": "2020-01-01T00:00:00Z"}
    assert (await client.post("/admin/keys", headers=admin, json=past)).status_code == 422


async def test_a_rotated_key_has_two_secrets_until_the_overlap_ends(
    client: httpx.AsyncClient, maker: KeyMaker
) -> None:
    admin, issued = await maker.headers(Role.ADMIN), await maker.issue()
    path = f"/admin/keys/{issued.key.id}/rotate"
    second = (await client.post(path, headers=admin)).json()
    assert (second["id"], second["prefix"]) == (str(issued.key.id), issued.key.prefix)
    for secret in (issued.secret, second["key"]):
        assert (await client.get("/documents", headers=bearer(secret))).status_code == 200
    third = (await client.post(path, headers=admin, json={"overlap_s": 0})).json()
    await asyncio.sleep(0.6)
    statuses = [
        (await client.get("/documents", headers=bearer(secret))).status_code
        for secret in (issued.secret, second["key"], third["key"])
    ]
    assert statuses == [401, 401, 200]


async def test_what_belongs_to_a_key_stays_its_own_after_a_rotation(
    client: httpx.AsyncClient, maker: KeyMaker
) -> None:
    issued = await maker.issue()
    asked = (await client.post("/chat", headers=bearer(issued.secret), json=QUESTION)).json()
    rotated = await client.post(
        f"/admin/keys/{issued.key.id}/rotate", headers=await maker.headers(Role.ADMIN)
    )
    again = QUESTION | {"conversation_id": asked["conversation_id"]}
    answer = await client.post("/chat", headers=bearer(rotated.json()["key"]), json=again)
    assert answer.status_code == 200


async def test_the_list_pages_and_never_shows_a_secret(client: httpx.AsyncClient, maker: KeyMaker) -> None:
    admin = await maker.headers(Role.ADMIN, tenant="lister")
    made = [
        (await client.post("/admin/keys", headers=admin, json={"name": f"key {n}"})).json() for n in range(3)
    ]
    seen: list[dict[str, object]] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        answer = await client.get("/admin/keys", headers=admin, params=params)
        seen += answer.json()["keys"]
        cursor = answer.json()["next_cursor"]
    assert [key["id"] for key in seen[1:]] == [key["id"] for key in made]
    assert all(key["last_used_at"] is None for key in seen[1:])
    assert seen[0]["last_used_at"] is not None
    assert "key" not in seen[0]
    assert made[0]["created_by"] == f"key:{seen[0]['id']}"


async def test_last_use_is_written_once_a_minute(
    client: httpx.AsyncClient, maker: KeyMaker, database: Database
) -> None:
    issued = await maker.issue()
    times = set()
    for _ in range(3):
        await client.get("/documents", headers=bearer(issued.secret))
        async with database.tenant(issued.key.tenant_id) as connection:
            times.add(
                await connection.fetchval(f"SELECT last_used_at FROM api_keys WHERE id = '{issued.key.id}'")
            )
        await asyncio.sleep(0.55)
    assert len(times) == 1
    assert None not in times


@pytest.mark.parametrize(("role", "status"), [("analyst", 403), ("admin", 201)])
async def test_keys_are_made_by_admins(
    client: httpx.AsyncClient, maker: KeyMaker, role: str, status: int
) -> None:
    made = await client.post("/admin/keys", headers=await maker.headers(Role(role)), json={"name": "new"})
    assert made.status_code == status


async def test_no_key_gets_a_role_above_its_makers(client: httpx.AsyncClient, maker: KeyMaker) -> None:
    admin = await maker.headers(Role.ADMIN)
    for role, status in (("operator", 403), ("admin", 201)):
        made = await client.post("/admin/keys", headers=admin, json={"name": "new", "role": role})
        assert made.status_code == status
    operator = await maker.issue(Role.OPERATOR)
    for method, path in (
        ("POST", f"/admin/keys/{operator.key.id}/rotate"),
        ("DELETE", f"/admin/keys/{operator.key.id}"),
    ):
        assert (await client.request(method, path, headers=admin)).status_code == 403


async def test_keys_of_another_tenant_are_not_there(client: httpx.AsyncClient, maker: KeyMaker) -> None:
    admin, foreign = await maker.headers(Role.ADMIN), await maker.issue(tenant="acme")
    requests = [
        ("DELETE", f"/admin/keys/{foreign.key.id}", None),
        ("POST", f"/admin/keys/{foreign.key.id}/rotate", {"overlap_s": 0}),
        ("GET", f"/admin/keys?tenant_id={foreign.key.tenant_id}", None),
        ("POST", "/admin/keys", {"name": "mine", "tenant_id": str(foreign.key.tenant_id)}),
    ]
    for method, path, body in requests:
        assert (await client.request(method, path, headers=admin, json=body)).status_code == 404
    listed = (await client.get("/admin/keys", headers=admin, params={"limit": 200})).json()["keys"]
    assert str(foreign.key.id) not in {key["id"] for key in listed}
    assert (await client.get("/documents", headers=bearer(foreign.secret))).status_code == 200


async def test_the_users_of_a_key_are_kept_apart(client: httpx.AsyncClient, maker: KeyMaker) -> None:
    headers = await maker.headers()
    other = await maker.headers()
    of_ann = QUESTION | {"user_id": "ann"}
    asked = (await client.post("/chat", headers=headers, json=of_ann)).json()
    conversation = {"conversation_id": asked["conversation_id"]}
    for key, question, status in (
        (headers, of_ann, 200),
        (headers, QUESTION | {"user_id": "bob"}, 404),
        (headers, QUESTION, 200),  # the key speaks for all its users
        (other, of_ann, 404),
    ):
        answer = await client.post("/chat", headers=key, json=question | conversation)
        assert answer.status_code == status
    rating = {"request_id": asked["request_id"], "rating": 1}
    for key, user, status in (
        (headers, "bob", 404),
        (headers, "ann", 201),
        (headers, None, 201),
        (other, None, 404),
    ):
        given = await client.post("/feedback", headers=key, json=rating | ({"user_id": user} if user else {}))
        assert given.status_code == status
