"""Tokens of an issuer over HTTP: which are taken, and what of their claims becomes the caller."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from app.access.identity import Identity
from app.access.roles import Role
from app.access.tenants import Tenants
from db.addresses import DatabaseLogins
from db.pool import Database
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER, KeyMaker, bearer
from tests.integration.conftest import running_service, settings_for
from tests.standins.issuer import (
    AUDIENCE,
    Issuer,
    issuer_server,
    new_key,
    signed_with_public_key,
    unsigned,
)

ALGORITHMS = ("RS256", "RS384", "PS256", "ES256")


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuer_server() as opened:
        opened.keys = [new_key(algorithm, algorithm) for algorithm in ALGORITHMS]
        yield opened


@pytest.fixture(scope="module")
async def client(
    logins: DatabaseLogins, local_models: LocalModels, issuer: Issuer
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(
        logins,
        auth_mode="api_key,oidc",
        api_key_pepper=PEPPER,
        oidc_issuer=issuer.url,
        oidc_audience=AUDIENCE,
        oidc_client_ids="web, mobile",
    )
    async with running_service(settings, local_models) as opened:
        yield opened


async def listing(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/documents", headers=bearer(token))


@pytest.mark.parametrize("number", range(len(ALGORITHMS)), ids=ALGORITHMS)
async def test_signatures_of_public_keys_are_taken(
    client: httpx.AsyncClient, issuer: Issuer, number: int
) -> None:
    assert (await listing(client, issuer.token(key=issuer.keys[number]))).status_code == 200


@pytest.mark.parametrize(
    ("claim", "seconds", "status"),
    [
        ("exp", -20, 200),
        ("exp", -40, 401),
        ("nbf", 20, 200),
        ("nbf", 60, 401),
        ("iat", 20, 200),
        ("iat", 60, 401),
    ],
)
async def test_clocks_may_differ_by_half_a_minute(
    client: httpx.AsyncClient, issuer: Issuer, claim: str, seconds: int, status: int
) -> None:
    token = issuer.token(changes={claim: int(time.time()) + seconds})
    assert (await listing(client, token)).status_code == status


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["another", AUDIENCE]},
        {"aud": "mobile", "token_use": "id"},
        {"aud": None, "client_id": "web", "token_use": "access"},
    ],
    ids=str,
)
async def test_a_token_that_is_good_enough(
    client: httpx.AsyncClient, issuer: Issuer, claims: dict[str, object]
) -> None:
    assert (await listing(client, issuer.token(changes=claims))).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": float("inf")},
        {"exp": True},
        {"nbf": 10**400},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"iss": ["https://evil.example"]},
        {"aud": "another"},
        {"aud": None},
        {"aud": []},
        {"aud": [["web"]]},
        {"aud": {AUDIENCE: 1}},
        {"token_use": "refresh"},
        {"token_use": "access"},
        {"token_use": "access", "client_id": "another"},
        {"token_use": "access", "client_id": ["web"]},
        {"token_use": ["id"]},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\0b"},
        {"sub": "\ud800"},
        {"sub": "x" * 256},
        {"sub": "key:5f3b1c1e-0000-4000-8000-000000000000"},
        {"sub": "anonymous:5f3b1c1e-0000-4000-8000-000000000000"},
        {"groups": {"tenant:default": True}},
        {"groups": ["tenant:default", 7]},
        {"groups": ["tenant:default", "a\0b"]},
    ],
    ids=str,
)
async def test_a_token_that_is_not_good(
    client: httpx.AsyncClient, issuer: Issuer, claims: dict[str, object]
) -> None:
    refused = await listing(client, issuer.token(changes=claims))
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


async def test_a_forged_token_is_refused(client: httpx.AsyncClient, issuer: Issuer) -> None:
    public, good = issuer.keys[0], issuer.token()
    head, body, signature = good.split(".")
    foreign = new_key("RS256")
    other_claims = issuer.token(changes={"groups": ["tenant:default", "role:admin"]}).split(".")[1]
    claims = json.dumps(issuer.claims()).encode()
    embedded = foreign.as_dict(private=False)
    forged = [
        issuer.token(key=foreign),
        issuer.token(key=new_key("unknown")),
        issuer.token(key=foreign, header={"kid": "RS256", "jwk": embedded}),
        issuer.token(key=foreign, header={"kid": "RS256", "jku": "https://evil.example/jwks"}),
        issuer.token(key=public, header={"alg": "PS256"}),  # the key says that it is for RS256
        issuer.token(key=issuer.keys[3], header={"kid": "RS256"}),
        issuer.signed(claims, crit=["only-in-this-header"], **{"only-in-this-header": True}),
        issuer.signed(claims, crit=["b64"], b64=False),
        issuer.token(header={"typ": "logout+jwt"}),
        unsigned(issuer.claims()),
        unsigned(issuer.claims(), "None"),
        unsigned(issuer.claims(), "RS256"),
        signed_with_public_key(public, issuer.claims()),
        f"{head}.{other_claims}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{good}.{signature}",
        f"{head}..{signature}",
        ".." + signature,
    ]
    answers = [await listing(client, token) for token in forged]
    assert [answer.status_code for answer in answers] == [401] * len(forged)
    assert (await listing(client, good)).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 9_000,
        b"{",
        b"null",
        b"[]",
        b'{"alg":["RS256"]}',
        b'{"alg":{}}',
        b"\xff",
        b'{"alg":"RS256","kid":{}}',
    ],
)
async def test_a_header_that_is_no_header_is_refused(client: httpx.AsyncClient, header: bytes) -> None:
    token = base64.urlsafe_b64encode(header).decode() + ".e30.AAAA"
    assert (await listing(client, token)).status_code == 401


async def test_claims_nested_without_end_are_refused(client: httpx.AsyncClient, issuer: Issuer) -> None:
    for claims in (b"[" * 9_000, b'{"groups":' * 900 + b"1", b"7", b"\xff"):
        assert (await listing(client, issuer.signed(claims))).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"groups": None},
        {"groups": []},
        {"groups": ["staff"]},
        {"groups": ["tenant:default", "tenant:acme"]},
        {"groups": ["tenant:nobody-made-it"]},
        {"groups": ["tenant:"]},
        {"groups": ["tenant:Default"]},
        {"groups": ["tenant:' OR 1=1 --"]},
    ],
    ids=str,
)
async def test_a_caller_without_one_tenant_is_forbidden_and_none_is_made(
    client: httpx.AsyncClient, issuer: Issuer, database: Database, claims: dict[str, object]
) -> None:
    refused = await listing(client, issuer.token(changes=claims))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    async with database.system() as connection:
        assert await connection.fetchval("SELECT count(*) FROM tenants WHERE slug LIKE '%nobody%'") == 0


@pytest.mark.parametrize(
    ("groups", "status"),
    [
        ([], 403),
        (["role:contributor"], 403),
        (["role:analyst"], 200),
        (["role:reader", "role:admin"], 200),
        (["role:emperor"], 403),
        (["admin"], 403),
    ],
    ids=str,
)
async def test_a_group_gives_the_role(
    client: httpx.AsyncClient, issuer: Issuer, groups: list[str], status: int
) -> None:
    headers = bearer(issuer.token(changes={"groups": ["tenant:default", *groups]}))
    assert (await client.get("/usage", headers=headers)).status_code == status


async def test_groups_open_documents_and_a_subject_owns_its_answers(
    client: httpx.AsyncClient, issuer: Issuer, database: Database
) -> None:
    writer = await KeyMaker(database).headers(Role.CONTRIBUTOR, groups=("finance",))
    labels = {"title": "Salaries", "acl": ["finance"], "text": "The treasurer earns 70,000 a year."}
    sent = await client.post("/ingest", headers=writer, params={"wait": 60}, json=labels)
    assert sent.status_code == 200
    question = {"query": "What does the treasurer earn?", "user_id": "ann"}
    subjects = {"ann": ["tenant:default", "finance"], "bob": ["tenant:default"]}
    tokens = {
        name: bearer(issuer.token(changes={"sub": name, "groups": groups}))
        for name, groups in subjects.items()
    }
    answers = {
        name: (await client.post("/chat", headers=headers, json=question)).json()
        for name, headers in tokens.items()
    }
    assert [document["title"] for document in answers["ann"]["retrieved_documents"]] == ["Salaries"]
    assert answers["bob"]["retrieved_documents"] == []
    again = question | {"conversation_id": answers["ann"]["conversation_id"]}
    assert (await client.post("/chat", headers=tokens["bob"], json=again)).status_code == 404
    assert (await client.post("/chat", headers=tokens["ann"], json=again)).status_code == 200
    rating = {"request_id": answers["ann"]["request_id"], "rating": 1}
    assert (await client.post("/feedback", headers=tokens["bob"], json=rating)).status_code == 404
    assert (await client.post("/feedback", headers=tokens["ann"], json=rating)).status_code == 201


async def test_a_tenant_that_is_deleted_is_forbidden_within_a_second(
    client: httpx.AsyncClient, issuer: Issuer, database: Database
) -> None:
    maker = KeyMaker(database)
    tenant_id, own_id = await maker.tenant("shortlived"), await maker.tenant("default")
    token = issuer.token(changes={"groups": ["tenant:shortlived"]})
    assert (await listing(client, token)).status_code == 200
    operator = Identity(own_id, role=Role.OPERATOR)
    await Tenants(database, default_id=own_id).delete(operator, tenant_id)
    await asyncio.sleep(0.6)
    assert (await listing(client, token)).status_code == 403


async def test_claims_of_their_own_may_name_tenant_and_role(
    logins: DatabaseLogins, local_models: LocalModels, issuer: Issuer
) -> None:
    settings = settings_for(
        logins,
        auth_mode="oidc",
        oidc_issuer=issuer.url,
        oidc_audience=AUDIENCE,
        oidc_groups_claim="memberships",
        oidc_tenant_claim="custom:tenant",
        oidc_role_claim="custom:role",
    )
    said = {"custom:tenant": "default", "memberships": "staff"}
    async with running_service(settings, local_models) as client:
        for role, status in (("contributor", 200), ("reader", 403), ("", 403)):
            headers = bearer(issuer.token(changes=said | {"custom:role": role}))
            assert (await client.get("/ingest", headers=headers)).status_code == status
        assert (
            await listing(client, issuer.token(changes={"memberships": "tenant:default"}))
        ).status_code == 403
        key = f"gw_{'0' * 16}_{'0' * 48}"
        assert (await listing(client, key)).status_code == 401
