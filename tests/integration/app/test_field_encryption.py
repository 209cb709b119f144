"""Stored texts sealed by tenants' keys: what the database holds, and what happens when a key is gone."""

import base64
import json
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.access.identity import Identity
from app.privacy.field_keys import FieldKeys, open_field_keys
from app.services import Services, open_services
from app.settings import Settings
from db.addresses import DatabaseLogins
from db.pool import Database
from db.repositories import encryption, tenants
from rag.aws.clients import aws_client
from rag.encryption.sealing import Place
from rag.encryption.wrapping import Wrapping
from rag.errors import InvalidInputError, UnavailableError
from rag.models.local import LocalModels
from tests.integration.app.conftest import POLICY, ingest_text
from tests.integration.app.test_privacy import ended
from tests.integration.conftest import running_service, settings_for
from tests.standins.aws import use_aws
from tests.standins.moto import moto_server

QUESTION = "How many vacation days can I carry over?"
ANSWER_WORDS = "carry over up to 5"
PLACE = Place("messages", "content", "5")
KEY = base64.b64encode(os.urandom(32)).decode()


@pytest.fixture(scope="module")
def settings(logins: DatabaseLogins, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    data_dir = tmp_path_factory.mktemp("data")
    return settings_for(logins, data_dir=data_dir, field_encryption="local", field_encryption_key=KEY)


@pytest.fixture(scope="module")
async def services(settings: Settings, local_models: LocalModels) -> AsyncIterator[Services]:
    async with open_services(settings, local=local_models) as opened:
        yield opened


@pytest.fixture(scope="module")
async def client(
    services: Services, settings: Settings, local_models: LocalModels
) -> AsyncIterator[httpx.AsyncClient]:
    async with running_service(settings.model_copy(update={"role": "api"}), local_models) as opened:
        yield opened


@pytest.fixture
async def own_tenant(database: Database) -> UUID:
    async with database.system() as connection:
        return (await tenants.ensure(connection, slug=f"t-{uuid4().hex}", name="Test")).id


async def ask(client: httpx.AsyncClient) -> dict[str, Any]:
    await ingest_text(client, POLICY, title="Leave policy", source_document_id="leave")
    response = await client.post("/chat", json={"query": QUESTION})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    assert ANSWER_WORDS in body["answer"]
    return body


async def stored(services: Services, tables: tuple[str, ...]) -> list[dict[str, Any]]:
    async with services.database.tenant(services.default_identity.tenant_id) as connection:
        return [
            dict(row["row"])
            for table in tables
            for row in await connection.fetch(f"SELECT to_jsonb(t) AS row FROM {table} t")
        ]


async def test_the_database_holds_no_word_of_a_conversation(
    services: Services, client: httpx.AsyncClient
) -> None:
    await ask(client)
    rows = await stored(services, ("traces", "messages", "message_citations", "feedback"))
    assert len(rows) >= 4
    for text in (QUESTION, "vacation", ANSWER_WORDS):
        assert text not in json.dumps(rows)
    assert (await client.get("/health")).json()["checks"]["field_encryption"] == "ok"


async def test_an_export_is_open_to_its_reader_and_sealed_where_it_lies(
    services: Services, client: httpx.AsyncClient, settings: Settings
) -> None:
    body = await ask(client)
    subject = f"anonymous:{body['conversation_id']}"
    job = (await client.post(f"/admin/users/{subject}/export")).json()
    await ended(client, f"/admin/exports/{job['job_id']}")
    download = (await client.get(f"/admin/exports/{job['job_id']}/download")).text
    for text in (QUESTION, body["answer"], body["citations"][0]["quote"]):
        assert json.dumps(text, ensure_ascii=False) in download
    assert "gwenc" not in download
    parts = list((settings.data_dir / "artifacts").rglob("*.jsonl"))
    assert parts
    assert all(b"vacation" not in part.read_bytes() for part in parts)


async def test_a_deleted_document_takes_sealed_answers_that_cite_it_along(
    services: Services, client: httpx.AsyncClient
) -> None:
    body = await ask(client)
    document = body["citations"][0]["document_id"]
    assert (await client.delete(f"/documents/{document}")).status_code == 204
    async with services.database.tenant(services.default_identity.tenant_id) as connection:
        message = await connection.fetchval(
            "SELECT content FROM messages WHERE conversation_id = $1 AND role = 'assistant'",
            UUID(body["conversation_id"]),
        )
    assert message == "[removed]"


async def test_rows_of_before_stay_readable_and_new_keys_seal_new_rows(
    database: Database, settings: Settings, own_tenant: UUID
) -> None:
    keys = open_field_keys(settings, database)
    first = (await keys.ring(own_tenant)).seal(PLACE, "first")
    assert await keys.rotate(own_tenant) == 2
    ring = await keys.ring(own_tenant, reading={1})
    assert ring.current == 2
    second = ring.seal(PLACE, "second")
    fresh = await open_field_keys(settings, database).ring(own_tenant, reading={1, 2})
    assert [fresh.unseal(PLACE, text) for text in (first, second, "plain")] == ["first", "second", "plain"]
    other = await keys.ring(Identity(own_tenant).tenant_id)
    with pytest.raises(UnavailableError, match="no key"):
        other.unseal(PLACE, first)


async def test_processes_that_start_at_once_agree_on_a_key(
    database: Database, settings: Settings, own_tenant: UUID
) -> None:
    first, second = open_field_keys(settings, database), open_field_keys(settings, database)
    made = [await first._make(own_tenant, version=1), await second._make(own_tenant, version=1)]
    assert made == [1, 1]
    sealed = (await first.ring(own_tenant)).seal(PLACE, "x")
    assert (await second.ring(own_tenant)).unseal(PLACE, sealed) == "x"


async def test_without_the_right_key_nothing_is_read_or_stored(
    database: Database, settings: Settings, own_tenant: UUID
) -> None:
    await open_field_keys(settings, database).ring(own_tenant)
    other = base64.b64encode(os.urandom(32)).decode()
    changed = Settings(_env_file=None, field_encryption="local", field_encryption_key=other)
    with pytest.raises(UnavailableError, match="FIELD_ENCRYPTION_KEY"):
        await open_field_keys(changed, database).ring(own_tenant)
    both = Settings(_env_file=None, field_encryption="local", field_encryption_key=f"{other},{KEY}")
    assert (await open_field_keys(both, database).ring(own_tenant)).current == 1
    off = open_field_keys(Settings(_env_file=None), database)
    assert (await off.ring(own_tenant)).current is None
    with pytest.raises(UnavailableError, match="FIELD_ENCRYPTION"):
        await off.ring(own_tenant, reading={1})
    with pytest.raises(UnavailableError, match="off"):
        await off.rotate(own_tenant)


async def test_keys_can_be_added_but_not_changed(
    database: Database, settings: Settings, own_tenant: UUID
) -> None:
    await open_field_keys(settings, database).ring(own_tenant)
    for statement in ("UPDATE data_keys SET wrapped = 'x'", "DELETE FROM data_keys"):
        with pytest.raises(Exception, match="permission denied"):
            async with database.tenant(own_tenant) as connection:
                await connection.execute(statement)


def test_a_mode_without_its_key_is_refused(database: Database) -> None:
    for mode in ("local", "kms"):
        with pytest.raises(InvalidInputError, match=f"is needed by FIELD_ENCRYPTION={mode}"):
            Settings(_env_file=None, field_encryption=mode)
    short = Settings(_env_file=None, field_encryption="local", field_encryption_key="c2hvcnQ=")
    with pytest.raises(InvalidInputError, match="32 bytes"):
        open_field_keys(short, database)


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The id of a key; its server."""
    with moto_server() as url:
        use_aws(monkeypatch, url)
        key = aws_client("kms", needed_by="a test").create_key()["KeyMetadata"]["KeyId"]
        yield str(key)


def kms_keys(database: Database, key_id: str, *, kept_s: float = 300) -> FieldKeys:
    settings = Settings(_env_file=None, field_encryption="kms", field_encryption_kms_key=key_id)
    keys = open_field_keys(settings, database)
    keys._kept_s = kept_s
    return keys


async def test_kms_wraps_and_a_key_in_memory_outlives_it_for_a_while(
    database: Database, own_tenant: UUID, kms: str, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    keys, forgetful = kms_keys(database, kms), kms_keys(database, kms, kept_s=0)
    sealed = (await keys.ring(own_tenant)).seal(PLACE, "secret")
    assert (await forgetful.ring(own_tenant)).unseal(PLACE, sealed) == "secret"
    async with database.tenant(own_tenant) as connection:
        newest = await encryption.newest(connection, own_tenant)
    assert newest is not None
    assert newest.wrapping is Wrapping.KMS
    use_aws(monkeypatch, f"http://127.0.0.1:{unused_tcp_port}")
    forgetful._wrappers = kms_keys(database, kms)._wrappers
    assert (await keys.ring(own_tenant)).unseal(PLACE, sealed) == "secret"
    with pytest.raises(UnavailableError, match="KMS can't be reached"):
        await forgetful.ring(own_tenant)


async def test_another_way_of_wrapping_makes_a_new_key(
    database: Database, settings: Settings, own_tenant: UUID, kms: str
) -> None:
    local = open_field_keys(settings, database)
    sealed = (await local.ring(own_tenant)).seal(PLACE, "local")
    both = settings.model_copy(update={"field_encryption": "kms", "field_encryption_kms_key": kms})
    ring = await open_field_keys(both, database).ring(own_tenant, reading={1})
    assert ring.current == 2
    assert ring.unseal(PLACE, sealed) == "local"


async def test_without_kms_chats_are_refused_searches_are_not_and_health_says_so(
    logins: DatabaseLogins,
    local_models: LocalModels,
    monkeypatch: pytest.MonkeyPatch,
    unused_tcp_port: int,
    database: Database,
) -> None:
    use_aws(monkeypatch, f"http://127.0.0.1:{unused_tcp_port}")
    settings = settings_for(logins, field_encryption="kms", field_encryption_kms_key="alias/gone", role="api")
    async with running_service(settings, local_models) as client:
        response = await client.post("/chat", json={"query": QUESTION})
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert (await client.post("/search", json={"query": QUESTION})).status_code == 200
        health = await client.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert health.json()["checks"]["field_encryption"] == "unavailable"
