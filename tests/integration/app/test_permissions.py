"""Each route and each role: who gets past the door. A new route must be entered here."""

import re
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from app.access.roles import PERMISSIONS, Permission, Role
from app.factory import create_app
from app.settings import Settings
from db.addresses import DatabaseLogins
from db.pool import Database
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER, KeyMaker, bearer
from tests.integration.app.conftest import POLICY
from tests.integration.conftest import running_service, settings_for

OPEN = {"GET /health", "GET /health/live", "GET /health/ready", "GET /metrics"}
READ, WRITE = Permission.READ_DOCUMENTS, Permission.WRITE_DOCUMENTS
NEEDS = {
    "POST /chat": Permission.CHAT,
    "POST /search": Permission.SEARCH,
    "POST /feedback": Permission.GIVE_FEEDBACK,
    "GET /feedback": Permission.READ_FEEDBACK,
    "GET /feedback/rates": Permission.READ_FEEDBACK,
    "GET /feedback/{feedback_id}": Permission.READ_FEEDBACK,
    "PATCH /feedback/{feedback_id}": Permission.READ_FEEDBACK,
    "POST /events": Permission.GIVE_FEEDBACK,
    "POST /eval/run": Permission.EVALUATE,
    "GET /eval/runs": Permission.EVALUATE,
    "GET /eval/runs/{eval_run_id}": Permission.EVALUATE,
    "GET /eval/runs/{eval_run_id}/results": Permission.EVALUATE,
    "GET /documents": READ,
    "GET /documents/{document_id}": READ,
    "GET /documents/{document_id}/text": READ,
    "PATCH /documents/{document_id}": WRITE,
    "DELETE /documents/{document_id}": WRITE,
    "POST /ingest": WRITE,
    "POST /ingest/uploads": WRITE,
    "POST /ingest/uploads/{upload_id}/complete": WRITE,
    "GET /ingest": Permission.READ_JOBS,
    "GET /ingest/{job_id}": Permission.READ_JOBS,
    "POST /ingest/{job_id}/cancel": WRITE,
    "POST /ingest/{job_id}/retry": WRITE,
    "DELETE /ingest/{job_id}": WRITE,
    "GET /usage": Permission.READ_USAGE,
    "GET /traces/{request_id}": Permission.READ_TRACES,
    "POST /me/export": Permission.CHAT,
    "GET /me/exports/{job_id}": Permission.CHAT,
    "GET /me/exports/{job_id}/download": Permission.CHAT,
    "POST /admin/quarantine/{job_id}/release": Permission.RELEASE_QUARANTINE,
    "POST /admin/curated": Permission.CURATE,
    "GET /admin/curated": Permission.CURATE,
    "GET /admin/curated/export": Permission.CURATE,
    "GET /admin/curated/{curated_id}": Permission.CURATE,
    "PATCH /admin/curated/{curated_id}": Permission.CURATE,
    "DELETE /admin/curated/{curated_id}": Permission.CURATE,
    "GET /admin/audit": Permission.READ_AUDIT,
    "POST /admin/users/{subject}/export": Permission.ERASE,
    "POST /admin/users/{subject}/erase": Permission.ERASE,
    "GET /admin/exports/{job_id}": Permission.ERASE,
    "GET /admin/exports/{job_id}/download": Permission.ERASE,
    "GET /admin/erasures/{job_id}": Permission.ERASE,
    "POST /admin/keys": Permission.MANAGE_KEYS,
    "GET /admin/keys": Permission.MANAGE_KEYS,
    "POST /admin/keys/{key_id}/rotate": Permission.MANAGE_KEYS,
    "DELETE /admin/keys/{key_id}": Permission.MANAGE_KEYS,
    "POST /admin/experiments": Permission.MANAGE_EXPERIMENTS,
    "GET /admin/experiments": Permission.MANAGE_EXPERIMENTS,
    "GET /admin/experiments/{experiment_id}": Permission.MANAGE_EXPERIMENTS,
    "PATCH /admin/experiments/{experiment_id}": Permission.MANAGE_EXPERIMENTS,
    "DELETE /admin/experiments/{experiment_id}": Permission.MANAGE_EXPERIMENTS,
    "POST /admin/tenants": Permission.MANAGE_TENANTS,
    "GET /admin/tenants": Permission.MANAGE_TENANTS,
    "PATCH /admin/tenants/{tenant_id}": Permission.MANAGE_TENANTS,
    "DELETE /admin/tenants/{tenant_id}": Permission.MANAGE_TENANTS,
}
ANYTHING = str(uuid4())  # as an id: of nothing that there is


@pytest.fixture(scope="module")
async def client(logins: DatabaseLogins, local_models: LocalModels) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(logins, auth_mode="api_key", api_key_pepper=PEPPER)
    async with running_service(settings, local_models) as opened:
        yield opened


@pytest.fixture
def maker(client: httpx.AsyncClient, database: Database) -> KeyMaker:
    return KeyMaker(database)


async def call(client: httpx.AsyncClient, operation: str, headers: dict[str, str]) -> int:
    """The status of a request that has no body, and so can't do much."""
    method, _, path = operation.partition(" ")
    answer = await client.request(method, re.sub(r"{\w+}", ANYTHING, path), headers=headers)
    return answer.status_code


async def test_every_route_is_open_or_asks_who_calls(client: httpx.AsyncClient) -> None:
    paths = create_app(Settings(_env_file=None)).openapi()["paths"]
    operations = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert operations - OPEN == set(NEEDS)
    for operation in NEEDS:
        assert await call(client, operation, {}) == 401, operation
        assert await call(client, operation, bearer("gw_nobody")) == 401, operation


@pytest.mark.parametrize("role", Role)
async def test_a_role_gets_past_the_door_of_its_routes_only(
    client: httpx.AsyncClient, maker: KeyMaker, role: Role
) -> None:
    headers = await maker.headers(role)
    for operation, permission in NEEDS.items():
        status = await call(client, operation, headers)
        if permission in PERMISSIONS[role]:
            assert status not in (401, 403), operation
            assert status < 500, operation
        else:
            assert status == 403, operation


async def test_a_closed_document_shows_nowhere_to_a_stranger(
    client: httpx.AsyncClient, maker: KeyMaker
) -> None:
    """Not to an admin either: a role says what one may do, a group which documents one may do it to."""
    member = await maker.headers(Role.CONTRIBUTOR, groups=("legal",))
    stranger = await maker.headers(Role.ADMIN)
    other_group = await maker.headers(Role.ADMIN, groups=("finance",))
    body = {"text": POLICY, "title": "Contract", "source_document_id": "contract", "acl": ["legal"]}
    sent = (await client.post("/ingest", headers=member, params={"wait": 60}, json=body)).json()
    document = (await client.get("/documents", headers=member)).json()["documents"][0]["document_id"]
    question = {"query": "How many vacation days can I carry over?"}
    for headers in (stranger, other_group):
        assert (await client.get("/documents", headers=headers)).json()["documents"] == []
        assert (await client.get("/ingest", headers=headers)).json()["jobs"] == []
        assert (await client.post("/search", headers=headers, json=question)).json()["results"] == []
        answer = (await client.post("/chat", headers=headers, json=question)).json()
        assert (answer["abstained"], answer["retrieved_documents"]) == (True, [])
        for method, path in (
            ("GET", f"/documents/{document}"),
            ("GET", f"/documents/{document}/text"),
            ("PATCH", f"/documents/{document}"),
            ("DELETE", f"/documents/{document}"),
            ("GET", f"/ingest/{sent['job_id']}"),
            ("POST", f"/ingest/{sent['job_id']}/cancel"),
            ("POST", f"/ingest/{sent['job_id']}/retry"),
            ("DELETE", f"/ingest/{sent['job_id']}"),
            ("POST", f"/admin/quarantine/{sent['job_id']}/release"),
        ):
            hidden = await client.request(method, path, headers=headers, json={"acl": []})
            assert hidden.status_code == 404, path
    assert (await client.get(f"/ingest/{sent['job_id']}", headers=member)).status_code == 200
    assert len((await client.get("/ingest", headers=member)).json()["jobs"]) == 1


async def test_whoever_closes_a_document_to_themselves_still_sees_their_job(
    client: httpx.AsyncClient, maker: KeyMaker
) -> None:
    sender, stranger = await maker.headers(Role.CONTRIBUTOR), await maker.headers(Role.CONTRIBUTOR)
    body = {"text": POLICY, "title": "Closed", "source_document_id": "closed", "acl": ["board"]}
    sent = (await client.post("/ingest", headers=sender, params={"wait": 60}, json=body)).json()
    assert (await client.get(f"/ingest/{sent['job_id']}", headers=sender)).json()["state"] == "succeeded"
    assert (await client.get(f"/ingest/{sent['job_id']}", headers=stranger)).status_code == 404


async def test_a_document_that_is_closed_later_takes_its_jobs_along(
    client: httpx.AsyncClient, maker: KeyMaker
) -> None:
    member = await maker.headers(Role.CONTRIBUTOR, groups=("board",))
    stranger = await maker.headers(Role.CONTRIBUTOR)
    body = {"text": POLICY, "title": "Minutes", "source_document_id": "minutes"}
    sent = (await client.post("/ingest", headers=member, params={"wait": 60}, json=body)).json()
    path = f"/ingest/{sent['job_id']}"
    assert (await client.get(path, headers=stranger)).status_code == 200
    named = {"source_document_id": "minutes"}
    (document,) = (await client.get("/documents", headers=member, params=named)).json()["documents"]
    closing = {"acl": ["board"]}
    await client.patch(f"/documents/{document['document_id']}", headers=member, json=closing)
    assert (await client.get(path, headers=stranger)).status_code == 404
    assert (await client.get("/ingest", headers=stranger, params=named)).json()["jobs"] == []
