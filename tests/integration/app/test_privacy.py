"""A person's data: exported whole, and erased without a rest, whoever else's stands beside it."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import pytest

from app.access.identity import Identity, key_subject
from app.privacy.person import Person
from app.privacy.sweep import SweepHandler
from app.schemas.chat import ChatRequest
from app.services import Services, open_services
from db.addresses import DatabaseLogins
from db.pool import connect
from db.repositories import audit, catalogue, subjects
from db.repositories.audit import AuditEvent
from db.repositories.jobs import Claim
from feedback.collect import Rating
from rag.errors import ConflictError
from rag.models.local import LocalModels
from tests.integration.app.conftest import POLICY, ingest_text
from tests.integration.conftest import running_service, settings_for

QUESTION = "How many vacation days can I carry over?"
KEY, OTHER_KEY = UUID(int=1), UUID(int=2)
OIDC = "auth0|5f7c2c1e8b7d4a0012ab34cd"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
async def services(
    logins: DatabaseLogins, local_models: LocalModels, data_dir: Path
) -> AsyncIterator[Services]:
    async with open_services(settings_for(logins, data_dir=data_dir), local=local_models) as opened:
        yield opened


@pytest.fixture(scope="module")
async def client(
    services: Services, logins: DatabaseLogins, local_models: LocalModels, data_dir: Path
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(logins, data_dir=data_dir, role="api")
    async with running_service(settings, local_models) as opened:
        await ingest_text(opened, POLICY, title="Leave policy", source_document_id="leave")
        yield opened


@pytest.fixture
def tenant_id(services: Services) -> UUID:
    return services.default_identity.tenant_id


def of_key(tenant_id: UUID, key_id: UUID = KEY) -> Identity:
    return Identity(tenant_id, key_subject(key_id), key_id=key_id)


async def ask(services: Services, identity: Identity, **fields: Any) -> UUID:
    """Ask, rate the answer, and leave a mark in the audit log; the conversation."""
    request, request_id = ChatRequest(query=QUESTION, **fields), str(uuid4())
    run = await services.answerer.begin(identity, request, request_id=request_id)
    await services.answerer.answer(run)
    rating = Rating(request_id, 1, comment="Thanks", metadata={"who": run.subject})
    await services.feedback.collect(identity.tenant_id, rating, is_own=lambda subject: subject == run.subject)
    async with services.database.tenant(identity.tenant_id) as connection:
        event = AuditEvent(
            run.subject, "chat.ask", "chat", client_address="10.1.2.3", details={"of": run.subject}
        )
        await audit.add(connection, identity.tenant_id, event, [run.subject])
    return run.conversation_id


async def ended(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    async with asyncio.timeout(100):
        while True:
            body: dict[str, Any] = (await client.get(path)).json()
            if body["finished_at"]:
                return body
            await asyncio.sleep(0.05)


async def erase(client: httpx.AsyncClient, subject: str, *, across_keys: bool = False) -> dict[str, Any]:
    response = await client.post(f"/admin/users/{subject}/erase", params={"across_keys": across_keys})
    assert response.status_code == 202, response.text
    return await ended(client, f"/admin/erasures/{response.json()['job_id']}")


async def export(
    client: httpx.AsyncClient, subject: str, *, across_keys: bool = False
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The export's state, and its records."""
    response = await client.post(f"/admin/users/{subject}/export", params={"across_keys": across_keys})
    assert response.status_code == 202, response.text
    job = await ended(client, f"/admin/exports/{response.json()['job_id']}")
    assert job["state"] == "succeeded", job
    download = await client.get(f"/admin/exports/{job['job_id']}/download")
    assert download.headers["content-type"] == "application/x-ndjson"
    assert hashlib.sha256(download.content).hexdigest() == job["sha256"]
    return job, [json.loads(line) for line in download.text.splitlines()]


async def in_any_row(services: Services, tenant_id: UUID, text: str) -> list[str]:
    """Tables in which a row says the text anywhere."""
    async with services.database.tenant(tenant_id) as connection:
        tables = await catalogue.tables(connection)
        return [
            name
            for name in tables
            if await connection.fetchval(
                f"SELECT EXISTS (SELECT FROM {name} t WHERE strpos(to_jsonb(t)::text, $1) > 0)", text
            )
        ]


async def test_an_export_holds_all_that_is_held(
    services: Services, client: httpx.AsyncClient, tenant_id: UUID
) -> None:
    identity = Identity(tenant_id, "someone")
    conversation = await ask(services, identity)
    await ask(services, Identity(tenant_id, "someone-else"))
    job, records = await export(client, "someone")
    tables = [record["table"] for record in records]
    assert job["rows"] == {table: tables.count(table) for table in set(tables)}
    assert {table: tables.count(table) for table in ("conversations", "messages", "traces", "feedback")} == {
        "conversations": 1,
        "messages": 2,
        "traces": 1,
        "feedback": 1,
    }
    assert {"message_citations", "usage_ledger", "audit_log"} <= set(tables)
    assert "someone-else" not in json.dumps(records)
    (trace,) = (record["row"] for record in records if record["table"] == "traces")
    assert (trace["query"], trace["conversation_id"]) == (QUESTION, str(conversation))


async def test_nobody_known_has_an_empty_export_and_an_empty_erasure(client: httpx.AsyncClient) -> None:
    job, records = await export(client, "nobody")
    assert (job["rows"], records) == ({}, [])
    report = (await erase(client, "nobody"))["report"]
    assert (report["left"], report["removed"]) == ({}, {})


@pytest.mark.parametrize("subject", ["jo", OIDC, f"{key_subject(KEY)}:jo@x.org", 'a"b\\c/é d.e|f?g'])
async def test_an_erased_subject_is_gone_from_every_table(
    services: Services, client: httpx.AsyncClient, tenant_id: UUID, subject: str
) -> None:
    longer = Identity(tenant_id, f"{subject}-2")
    await ask(services, Identity(tenant_id, subject))
    kept = await ask(services, longer)
    path = quote(subject, safe="")
    await export(client, path)
    job = await erase(client, path)
    assert job["state"] == "succeeded", job
    report = job["report"]
    assert report["left"] == {}
    assert report["removed"]["messages"] == 2
    assert report["files_removed"] == 2
    assert report["columns_searched"] > 50
    in_json = json.dumps(subject, ensure_ascii=False)
    assert await in_any_row(services, tenant_id, in_json) == []
    async with services.database.tenant(tenant_id) as connection:
        assert await connection.fetchval("SELECT subject FROM conversations WHERE id = $1", kept)
        rows = await connection.fetch(
            "SELECT * FROM audit_log WHERE subject LIKE 'erased:%' ORDER BY at DESC"
        )
        spent = await connection.fetchval(
            "SELECT count(*) FROM usage_ledger WHERE subject = $1", rows[0]["subject"]
        )
    assert spent > 0
    assert rows[0]["object_id"] == rows[0]["subject"] == rows[0]["details"]["of"]
    assert rows[0]["client_address"] is None
    assert "audit_log" in await in_any_row(
        services, tenant_id, json.dumps(longer.subject, ensure_ascii=False)
    )


async def test_two_erasures_do_not_share_a_pseudonym(
    services: Services, client: httpx.AsyncClient, tenant_id: UUID
) -> None:
    for subject in ("first-of-two", "second-of-two"):
        await ask(services, Identity(tenant_id, subject))
        await erase(client, subject)
    async with services.database.tenant(tenant_id) as connection:
        names = await connection.fetch(
            "SELECT DISTINCT subject FROM audit_log WHERE subject LIKE 'erased:%' ORDER BY subject"
        )
    assert len(names) >= 2


async def test_erasures_of_one_person_at_once_take_turns(
    client: httpx.AsyncClient, services: Services, tenant_id: UUID
) -> None:
    reports = await asyncio.gather(*(erase(client, "ann-of-the-many-requests") for _ in range(12)))
    assert {report["state"] for report in reports} == {"succeeded"}
    async with services.database.tenant(tenant_id) as connection:
        attempts = await connection.fetch("SELECT DISTINCT attempts FROM jobs WHERE kind = 'erase'")
    assert [tuple(row) for row in attempts] == [(1,)]


async def test_a_user_is_erased_under_every_key_and_no_other_user(
    services: Services, client: httpx.AsyncClient, tenant_id: UUID
) -> None:
    for key in (KEY, OTHER_KEY):
        for user in ("alice", "alice2", "malice"):
            await ask(services, of_key(tenant_id, key), user_id=user)
    anonymous = await ask(services, services.default_identity, user_id="alice")
    mixed = await ask(services, services.default_identity, user_id="bob")
    await ask(services, services.default_identity, user_id="alice", conversation_id=mixed)
    job = await erase(client, "alice", across_keys=True)
    assert job["state"] == "succeeded", job
    assert job["report"]["removed"]["traces"] == 4
    async with services.database.tenant(tenant_id) as connection:
        found = await connection.fetch("SELECT subject FROM conversations ORDER BY subject")
        subjects_left = {row["subject"] for row in found}
        messages = await connection.fetchval(
            "SELECT count(*) FROM messages WHERE conversation_id = $1", mixed
        )
    for key in (KEY, OTHER_KEY):
        assert {f"{key_subject(key)}:{user}" for user in ("alice2", "malice")} <= subjects_left
        assert f"{key_subject(key)}:alice" not in subjects_left
    assert f"anonymous:{anonymous}" not in subjects_left
    assert messages == 2
    assert await in_any_row(services, tenant_id, '"alice"') == []


async def test_a_key_of_its_own_is_erased_without_its_users(
    services: Services, client: httpx.AsyncClient, tenant_id: UUID
) -> None:
    key = of_key(tenant_id, uuid4())
    await ask(services, key)
    await ask(services, key, user_id="carol")
    job = await erase(client, str(key.subject))
    assert job["report"]["left"] == {}
    assert "conversations" in await in_any_row(services, tenant_id, f"{key.subject}:carol")


async def test_an_anonymous_conversation_is_erased(
    services: Services, client: httpx.AsyncClient, tenant_id: UUID
) -> None:
    conversation = await ask(services, services.default_identity)
    job = await erase(client, f"anonymous:{conversation}")
    assert (job["state"], job["report"]["removed"]["conversations"]) == ("succeeded", 1)
    assert await in_any_row(services, tenant_id, str(conversation)) == []


async def test_what_documents_say_is_told_and_left(
    services: Services, client: httpx.AsyncClient, tenant_id: UUID
) -> None:
    await ingest_text(client, f"The account {OIDC} is the owner's.", source_document_id="accounts")
    job = await erase(client, OIDC)
    assert job["state"] == "succeeded"
    assert job["report"]["mentioned_in_documents"]["documents.text"] == 1


async def test_a_new_table_is_covered_by_itself(
    services: Services, client: httpx.AsyncClient, tenant_id: UUID
) -> None:
    subject = "auth0|new-table-0123456789"
    await as_owner(
        services,
        "CREATE TABLE notes (tenant_id uuid, subject text, body text);"
        "CREATE TABLE remarks (tenant_id uuid, body jsonb, written_by text, tags text[]);"
        "CREATE TABLE frozen (tenant_id uuid, body text);"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON notes, remarks TO groundwork_app;"
        "GRANT SELECT, INSERT ON frozen TO groundwork_app",
    )
    try:
        async with services.database.tenant(tenant_id) as connection:
            await connection.execute("INSERT INTO notes VALUES ($1, $2, 'x')", tenant_id, subject)
            body = {"deep": [{"who": subject}], f"key of {subject}": 1}
            await connection.execute(
                "INSERT INTO remarks VALUES ($1, $2, $3, $4)", tenant_id, body, subject, ["x", subject]
            )
        job = await erase(client, subject)
        assert (job["state"], job["report"]["removed"]) == ("succeeded", {"notes": 1})
        assert await in_any_row(services, tenant_id, subject) == []
        async with services.database.tenant(tenant_id) as connection:
            await connection.execute("INSERT INTO frozen VALUES ($1, $2)", tenant_id, f"of {subject}.")
        job = await erase(client, subject)
        assert (job["state"], job["report"]["left"]) == ("failed", {"frozen.body": 1})
        assert "frozen.body" in job["error"]
    finally:
        await as_owner(services, "DROP TABLE notes, remarks, frozen")


async def as_owner(services: Services, statements: str) -> None:
    connection = await connect(services.logins.owner)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


async def test_every_text_column_can_be_looked_through(services: Services, tenant_id: UUID) -> None:
    async with services.database.tenant(tenant_id) as connection:
        tables = await catalogue.tables(connection)
    closed = [f"{t.name}.{c.name}" for t in tables.values() for c in t.columns if not c.may_read]
    assert closed == []


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("by_key", [False, True])
async def test_an_answer_that_was_on_its_way_is_not_stored(
    services: Services, client: httpx.AsyncClient, tenant_id: UUID, by_key: bool, cancelled: bool
) -> None:
    """Also where its conversation, which others take part in, is still there."""
    user = f"late-{by_key}-{cancelled}"
    identity = of_key(tenant_id).on_behalf_of(user) if by_key else services.default_identity
    conversation = None if by_key else await ask(services, identity, user_id="bob")
    request = ChatRequest(query=QUESTION, user_id=user, conversation_id=conversation)
    run = await services.answerer.begin(identity, request, request_id=user)
    job = await erase(client, user, across_keys=True)
    assert job["state"] == "succeeded", job
    answering = asyncio.create_task(services.answerer.answer(run))
    if cancelled:
        await asyncio.sleep(0)
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
    else:
        assert (await answering).answer
    assert await in_any_row(services, tenant_id, user) == []
    await ask(services, of_key(tenant_id), user_id=user)
    assert "traces" in await in_any_row(services, tenant_id, user), "who comes back is welcome"


async def test_nobody_asks_while_they_are_erased(services: Services, tenant_id: UUID) -> None:
    identity = Identity(tenant_id, "in-the-middle")
    digest = Person("in-the-middle").digest(tenant_id)
    async with services.database.tenant(tenant_id) as connection:
        await subjects.lock(connection, [digest])
        with pytest.raises(ConflictError, match="being erased"):
            await services.answerer.begin(identity, ChatRequest(query=QUESTION), request_id="x")
    await services.answerer.begin(identity, ChatRequest(query=QUESTION), request_id="x")


async def test_a_callers_own_export_is_for_the_named(client: httpx.AsyncClient) -> None:
    response = await client.post("/me/export")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")


async def test_unknown_jobs_and_exports_that_are_not_done_are_told(
    services: Services, client: httpx.AsyncClient, tenant_id: UUID
) -> None:
    for path in ("exports", "erasures"):
        assert (await client.get(f"/admin/{path}/{uuid4()}")).status_code == 404
    job, _ = await export(client, "someone")
    assert (await client.get(f"/admin/erasures/{job['job_id']}")).status_code == 404
    assert (await client.get(f"/me/exports/{job['job_id']}")).status_code in {404, 422}
    await services.privacy.files.delete(tenant_id, UUID(job["job_id"]))
    assert (await client.get(f"/admin/exports/{job['job_id']}/download")).status_code == 404
    assert (await client.post("/admin/users/a%00b/erase")).status_code == 422


async def test_exports_are_swept_away_with_their_jobs_and_in_time(
    services: Services, client: httpx.AsyncClient, tenant_id: UUID
) -> None:
    job, _ = await export(client, "someone")
    orphan = uuid4()
    await services.privacy.files.add_part(tenant_id, orphan, 1, "x\n")
    claim = Claim(uuid4(), tenant_id, "sweep_exports", {}, None, 1, 1, 1, lease=None)  # type: ignore[arg-type]
    await SweepHandler(services.database, services.privacy.files)(claim, no_report)
    assert UUID(job["job_id"]) in await services.privacy.files.job_ids(tenant_id)
    assert orphan not in await services.privacy.files.job_ids(tenant_id)
    async with services.database.tenant(tenant_id) as connection:
        await connection.execute(
            "UPDATE jobs SET finished_at = now() - interval '8 days' WHERE kind = 'export'"
        )
    await SweepHandler(services.database, services.privacy.files)(claim, no_report)
    assert await services.privacy.files.job_ids(tenant_id) == set()


async def no_report(progress: object) -> None:
    """For handlers that are called by hand."""
