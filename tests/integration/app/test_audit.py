from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from structlog.testing import capture_logs

from app.access.api_keys import KeyRequest
from app.access.identity import Identity
from app.access.roles import Role
from app.services import Services, open_services
from app.settings import Settings
from db.addresses import DatabaseLogins
from db.pool import connect
from db.repositories import tenants
from rag.errors import NotFoundError
from rag.models.local import LocalModels
from tests.integration.app.conftest import ingest_text
from tests.integration.conftest import running_service, settings_for

AGENT = "inspector/1.0 " + "x" * 300


@pytest.fixture(scope="module")
def settings(logins: DatabaseLogins) -> Settings:
    return settings_for(logins, auth_mode="api_key", api_key_pepper="p" * 32)


@pytest.fixture(scope="module")
async def services(settings: Settings, local_models: LocalModels) -> AsyncIterator[Services]:
    async with open_services(settings, local=local_models) as opened:
        yield opened


@pytest.fixture(scope="module")
async def service(settings: Settings, local_models: LocalModels) -> AsyncIterator[httpx.AsyncClient]:
    """Without a key of its own."""
    async with running_service(settings, local_models) as opened:
        yield opened


@pytest.fixture(scope="module")
async def caller(services: Services, service: httpx.AsyncClient) -> Identity:
    """An admin of the default tenant, who is who the client is from here on."""
    return await log_in(services, service, services.default_identity)


async def log_in(
    services: Services, client: httpx.AsyncClient, admin: Identity, role: Role = Role.ADMIN
) -> Identity:
    issued = await services.keys.create(admin, KeyRequest("test", role))
    client.headers["Authorization"] = f"Bearer {issued.secret}"
    return Identity(admin.tenant_id, f"key:{issued.key.id}", role=role, key_id=issued.key.id)


@asynccontextmanager
async def as_another(
    services: Services, client: httpx.AsyncClient, admin: Identity, role: Role
) -> AsyncIterator[Identity]:
    before = client.headers["Authorization"]
    yield await log_in(services, client, admin, role)
    client.headers["Authorization"] = before


async def audit(client: httpx.AsyncClient, **params: str) -> list[dict[str, Any]]:
    response = await client.get("/admin/audit", params=params)
    assert response.status_code == 200, response.text
    entries: list[dict[str, Any]] = response.json()["entries"]
    return entries


async def about(client: httpx.AsyncClient, object_id: str) -> list[tuple[str, str, str | None]]:
    """Action, result and code of all that is known of an object, oldest first."""
    found = await audit(client, object_id=object_id)
    return [(entry["action"], entry["result"], entry["code"]) for entry in reversed(found)]


async def test_a_document_leaves_a_trail(service: httpx.AsyncClient, caller: Identity) -> None:
    service.headers["User-Agent"] = AGENT
    taken = await ingest_text(service, "The door code is 4711.", title="Secret of the door")
    job_id, document_id = str(taken["job_id"]), str(taken["document_id"])
    changed = await service.patch(
        f"/documents/{document_id}", json={"acl": []}, headers={"X-Request-ID": "r-1"}
    )
    assert changed.status_code == 200
    assert (await service.delete(f"/documents/{document_id}")).status_code == 204
    assert (await service.delete(f"/documents/{document_id}")).status_code == 404
    assert await about(service, job_id) == [("document.ingest", "succeeded", None)]
    assert await about(service, document_id) == [
        ("document.change", "succeeded", None),
        ("document.delete", "succeeded", None),
        ("document.delete", "denied", "not_found"),
    ]
    (entry,) = await audit(service, action="document.change")
    del entry["id"], entry["at"]
    assert entry == {
        "subject": caller.subject,
        "key_id": str(caller.key_id),
        "action": "document.change",
        "object_type": "document",
        "object_id": document_id,
        "result": "succeeded",
        "code": None,
        "request_id": "r-1",
        "client_address": "127.0.0.1",
        "user_agent": AGENT[:200],
        "details": {"fields": ["acl"]},
    }


@pytest.mark.usefixtures("caller")
async def test_nothing_that_was_written_stands_in_the_log(
    service: httpx.AsyncClient, logins: DatabaseLogins
) -> None:
    marks = [f"mark{number}" for number in range(6)]
    text, title, name, key, value, comment = marks
    await ingest_text(
        service, f"Text {text}.", title=f"A {title}", source_document_id=f"a {name}", metadata={key: value}
    )
    await service.post("/feedback", json={"request_id": "none", "rating": 1, "comment": comment})
    await service.delete(f"/documents/words that {name} says")
    owner = await connect(logins.owner)
    await owner.execute("ALTER TABLE audit_log NO FORCE ROW LEVEL SECURITY")
    rows = "\n".join(str(dict(row)) for row in await owner.fetch("SELECT * FROM audit_log"))
    await owner.execute("ALTER TABLE audit_log FORCE ROW LEVEL SECURITY")
    await owner.close()
    assert "document.ingest" in rows
    assert [mark for mark in marks if mark in rows] == []


@pytest.mark.usefixtures("caller")
async def test_the_jobs_of_one_request_have_an_entry_each(service: httpx.AsyncClient) -> None:
    files = [
        ("file", (f"{number}.txt", f"Number {number} of three.".encode(), "text/plain"))
        for number in range(3)
    ]
    taken = (await service.post("/ingest", files=files)).json()["jobs"]
    for job in taken:
        ((action, _, _),) = await about(service, job["job_id"])
        assert action == "document.ingest"
    await service.post("/ingest", params={"wait": 60}, files=files)
    await service.delete(f"/ingest/{taken[0]['job_id']}")
    cancelled = await service.post(f"/ingest/{taken[1]['job_id']}/cancel")
    assert cancelled.status_code == 409, "it has ended"
    retried = await service.post(f"/ingest/{taken[1]['job_id']}/retry")
    assert retried.status_code == 409
    released = await service.post(f"/admin/quarantine/{taken[1]['job_id']}/release")
    assert released.status_code == 409
    assert (await about(service, taken[0]["job_id"]))[1:] == [("job.delete", "succeeded", None)]
    assert (await about(service, taken[1]["job_id"]))[1:] == [
        (f"job.{name}", "failed", "conflict") for name in ("cancel", "retry", "release")
    ]


@pytest.mark.usefixtures("caller")
async def test_what_can_not_be_done_is_a_failure_with_its_code(service: httpx.AsyncClient) -> None:
    wrong = await service.patch(f"/documents/{uuid4()}", json={"acl": 7})
    assert wrong.status_code == 422
    upload = await service.post("/ingest/uploads", json={"filename": "a.txt", "byte_size": 1})
    assert upload.status_code == 422, "there is no bucket"
    (entry,) = await audit(service, action="upload.start")
    assert (entry["result"], entry["code"]) == ("failed", upload.json()["code"])


async def test_who_is_refused_is_entered_once_a_minute(
    services: Services, service: httpx.AsyncClient, caller: Identity
) -> None:
    async with as_another(services, service, caller, Role.READER) as reader:
        for document_id in (uuid4(), uuid4(), uuid4()):
            assert (await service.delete(f"/documents/{document_id}")).status_code == 403
        assert (await service.get("/admin/audit")).status_code == 403
    found = await audit(service, subject=str(reader.subject))
    assert [(entry["action"], entry["result"], entry["code"]) for entry in found] == [
        ("audit.read", "denied", "forbidden"),
        ("document.delete", "denied", "forbidden"),
    ]


async def test_a_look_at_anothers_object_is_entered_and_a_successful_one_is_not(
    services: Services, service: httpx.AsyncClient, caller: Identity
) -> None:
    taken = await ingest_text(service, "Ours alone.")
    document_id = str(taken["document_id"])
    async with services.database.system() as connection:
        other = await tenants.ensure(connection, slug="other", name="Other")
    async with as_another(services, service, Identity(other.id), Role.ADMIN) as stranger:
        assert (await service.get(f"/documents/{document_id}")).status_code == 404
        conversation = {"query": "And?", "conversation_id": str(uuid4())}
        assert (await service.post("/chat", json=conversation)).status_code == 404
        assert (await service.get("/documents")).status_code == 200
        theirs = await audit(service)
    assert [(e["subject"], e["action"], e["object_id"], e["result"]) for e in theirs] == [
        (stranger.subject, "POST /chat", None, "denied"),
        (stranger.subject, "GET /documents/{document_id}", document_id, "denied"),
    ]
    assert await about(service, document_id) == [], "nor does the owner's log tell of strangers"
    assert str(caller.subject) not in str(theirs)


@pytest.mark.usefixtures("caller")
async def test_strangers_stand_in_the_process_log_once_a_minute(service: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        for _ in range(20):
            refused = await service.get("/documents", headers={"Authorization": "Bearer gw_wrong"})
            assert refused.status_code == 401
    found = [entry for entry in logs if entry["event"] == "authentication_failed"]
    assert [entry["client_address"] for entry in found] == ["127.0.0.1"]


@pytest.mark.usefixtures("caller")
async def test_pages_are_read_by_their_cursor(service: httpx.AsyncClient) -> None:
    for _ in range(5):
        await service.delete(f"/ingest/{uuid4()}")
    seen: list[str] = []
    params: dict[str, str] = {"action": "job.delete", "limit": "2"}
    while True:
        page = (await service.get("/admin/audit", params=params)).json()
        seen += [entry["id"] for entry in page["entries"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert len(seen) == len(set(seen)) >= 5
    newest, oldest = await audit(service, limit="1"), seen[-1]
    assert newest[0]["action"] == "audit.read", "reading is entered too"
    assert oldest == (await audit(service, action="job.delete", limit="200"))[-1]["id"]


@pytest.mark.usefixtures("caller")
@pytest.mark.parametrize(
    "params",
    [
        {"from": "2026-02-02", "to": "2026-02-01"},
        {"from": "yesterday"},
        {"from": "0001-01-01T00:00:00+14:00"},
        {"to": "9999-12-31T23:59:59-14:00"},
        {"cursor": "x"},
        {"limit": "0"},
        {"subject": "\0"},
        {"object_id": "x" * 1025},
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    service: httpx.AsyncClient, params: Mapping[str, str]
) -> None:
    assert (await service.get("/admin/audit", params=params)).status_code == 422


@pytest.mark.usefixtures("caller")
async def test_times_of_any_zone_and_of_none_are_understood(service: httpx.AsyncClient) -> None:
    entry = (await audit(service))[0]
    at = entry["at"]
    assert (await audit(service, **{"from": at}))[-1]["id"] == entry["id"]
    assert (await audit(service, **{"from": at.removesuffix("Z")}))[-1]["id"] == entry["id"]
    assert entry["id"] not in str(await audit(service, to=at))
    assert await audit(service, to="0001-01-02") == []


async def test_a_change_that_can_not_be_entered_is_not_made(
    service: httpx.AsyncClient, caller: Identity, logins: DatabaseLogins
) -> None:
    taken = await ingest_text(service, "It stays.")
    owner = await connect(logins.owner)
    try:
        await owner.execute("ALTER TABLE audit_log ADD CONSTRAINT closed CHECK (subject = 'x') NOT VALID")
        refused = await service.delete(f"/documents/{taken['document_id']}")
    finally:
        await owner.execute("ALTER TABLE audit_log DROP CONSTRAINT closed")
        await owner.close()
    assert refused.status_code == 500
    assert (await service.get(f"/documents/{taken['document_id']}")).status_code == 200


async def test_an_entry_that_is_lost_after_the_change_is_in_the_process_log(
    service: httpx.AsyncClient, caller: Identity, logins: DatabaseLogins
) -> None:
    owner = await connect(logins.owner)
    try:
        await owner.execute("ALTER TABLE audit_log ADD CONSTRAINT closed CHECK (subject = 'x') NOT VALID")
        with capture_logs() as logs:
            made = await service.post("/admin/keys", json={"name": "made all the same"})
    finally:
        await owner.execute("ALTER TABLE audit_log DROP CONSTRAINT closed")
        await owner.close()
    assert made.status_code == 201
    (lost,) = [entry for entry in logs if entry["event"] == "audit_entry_lost"]
    assert (lost["subject"], lost["action"]) == (caller.subject, "key.create")


async def test_record_enters_what_no_route_declares(
    services: Services, service: httpx.AsyncClient, caller: Identity
) -> None:
    job_id = uuid4()
    await services.audit.record(
        caller,
        "job.sweep",
        object_type="job",
        object_id=job_id,
        result="failed",
        code="late",
        details={"n": 2},
    )
    (entry,) = await audit(service, object_id=str(job_id))
    assert (entry["result"], entry["code"], entry["details"]) == ("failed", "late", {"n": 2})
    with pytest.raises(ValueError, match="perhaps"):
        await services.audit.record(caller, "job.sweep", object_type="job", result="perhaps")
    with pytest.raises(NotFoundError):
        await services.audit.record(Identity(UUID(int=0)), "job.sweep", object_type="job")
