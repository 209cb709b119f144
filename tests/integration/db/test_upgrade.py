"""From the release before to this one: its data, and a migration that fails half-way.

`tests/data/previous_release` holds a database that the release before has made, and what it said of it.
"""

import asyncio
import gzip
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.foundation import prepare_schema
from db.addresses import DatabaseLogins
from db.migrate import LOCK_KEY, MIGRATIONS, is_current, migrate
from db.pool import connect
from rag.errors import UnavailableError
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER, bearer
from tests.integration.conftest import running_service, settings_for
from tests.integration.db.test_migrate import schema_of
from tests.integration.servers import Server

DATA = Path(__file__).parents[2] / "data" / "previous_release"
LEGS = ("vector", "lexical")
EXPECTED: Mapping[str, Any] = json.loads((DATA / "expected.json").read_text())
ADMIN, READER = (bearer(EXPECTED["keys"][role]) for role in ("admin", "reader"))


@pytest.fixture(scope="module")
async def upgraded(server: Server, template: str, local_models: LocalModels) -> AsyncIterator[DatabaseLogins]:
    """The database of the release before, brought up; the roles are there because of the template."""
    assert template
    logins = await server.logins("of_the_release_before")
    owner = await connect(logins.owner)
    await owner.execute(gzip.decompress((DATA / "database.sql.gz").read_bytes()).decode())
    await owner.close()
    assert not await is_current(logins.owner)
    await prepare_schema(logins, local_models.embedding())
    assert await is_current(logins.owner)
    yield logins
    await server.drop("of_the_release_before")


@pytest.fixture(scope="module")
async def client(
    upgraded: DatabaseLogins, local_models: LocalModels, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(
        upgraded,
        data_dir=tmp_path_factory.mktemp("data"),
        auth_mode="api_key",
        api_key_pepper=PEPPER,
        rate_limits="off",
    )
    async with running_service(settings, local_models) as opened:
        yield opened


async def get(client: httpx.AsyncClient, path: str, headers: dict[str, str] = ADMIN) -> dict[str, Any]:
    response = await client.get(path, headers=headers)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def post(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], headers: dict[str, str] = READER
) -> dict[str, Any]:
    response = await client.post(path, json=body, headers=headers)
    assert response.is_success, response.text
    answer: dict[str, Any] = response.json()
    return answer


def only_known(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """What the release before told too; newer fields may have come."""
    return {name: found.get(name, "missing") for name in expected}


async def test_documents_and_keys_of_the_release_before_are_read_as_they_were(
    client: httpx.AsyncClient,
) -> None:
    documents = (await get(client, "/documents"))["documents"]
    assert [
        only_known(found, expected) for found, expected in zip(documents, EXPECTED["documents"], strict=True)
    ] == EXPECTED["documents"]
    assert {document["source_document_id"] for document in documents} == {
        "leave.md",
        "parking.md",
        "salaries.md",
    }
    keys = (await get(client, "/admin/keys"))["keys"]
    names = {(key["name"], key["role"], tuple(key["groups"])) for key in EXPECTED["issued"]}
    assert names == {(key["name"], key["role"], tuple(key["groups"])) for key in keys}


def legs_of(found: list[Any]) -> dict[str, dict[str, Any]]:
    """Each passage's text, and its rank and score in each leg, by its id."""
    return {
        hit["id"]: {"text": hit["text"]}
        | {f"{leg} rank": hit["ranks"][leg] for leg in LEGS}
        | {f"{leg} score": pytest.approx(hit["scores"][leg], abs=1e-4) for leg in LEGS}
        for hit in found
    }


async def test_searches_find_the_same_with_the_same_scores_and_behind_the_same_walls(
    client: httpx.AsyncClient,
) -> None:
    for question, by_caller in EXPECTED["searches"].items():
        for headers, expected in ((READER, by_caller["reader"]), (ADMIN, by_caller["admin"])):
            found = (await post(client, "/search", {"query": question}, headers))["results"]
            assert len(found) == len(expected)
            assert legs_of(found) == legs_of(expected)
            assert found[0]["id"] == expected[0]["id"]
            # The places behind the best follow from the fusion, which is the release's own.
            fused = [hit["scores"]["fused"] for hit in found]
            assert fused == sorted(fused, reverse=True) == [hit["score"] for hit in found]
    closed = EXPECTED["searches"]["When are salaries paid?"]
    assert "salaries.md" in {hit["source_document_id"] for hit in closed["admin"]}
    assert "salaries.md" not in {hit["source_document_id"] for hit in closed["reader"]}


async def test_answers_traces_conversations_and_feedback_go_on_from_where_they_were(
    client: httpx.AsyncClient,
) -> None:
    first = EXPECTED["answers"][0]
    question = "How many vacation days can I carry over?"
    again = await post(client, "/chat", {"query": question, "conversation_id": first["conversation_id"]})
    assert again["answer"] == first["answer"]
    assert again["conversation_id"] == first["conversation_id"]
    assert [c["quote"] for c in again["citations"]] == [c["quote"] for c in first["citations"]]

    story = json.dumps(await get(client, f"/traces/{first['request_id']}"))
    assert question in story
    assert first["answer"].split(" [1]")[0] in story

    feedback = await get(client, f"/feedback/{EXPECTED['feedback_id']}")
    assert feedback["comment"] == "Is that for part-time too?"
    assert feedback["labels"] == ["incomplete"]
    rated = {"request_id": EXPECTED["answers"][1]["request_id"], "rating": 1}
    assert (await post(client, "/feedback", rated))["feedback_id"]


GOOD = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "9001", {head!r}, None, None
def upgrade() -> None:
    op.execute("ALTER TABLE traces ADD COLUMN first_new text")
"""
# Takes away what a search needs, and then fails.
BROKEN = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "9002", "9001", None, None
def upgrade() -> None:
    op.execute("CREATE TABLE half_done (id integer)")
    op.execute("ALTER TABLE traces ADD COLUMN second_new text")
    op.execute("DROP TABLE postings CASCADE")
    op.execute("SELECT 1 / 0")
"""
MENDED = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "9002", "9001", None, None
def upgrade() -> None:
    op.execute("ALTER TABLE traces ADD COLUMN second_new text")
"""
LOCK_IS_FREE = "SELECT pg_try_advisory_lock($1)"
REVISION = "SELECT version_num FROM alembic_version"


@pytest.fixture
async def own(server: Server, template: str) -> AsyncIterator[DatabaseLogins]:
    name, logins = await server.clone(template)
    yield logins
    await server.drop(name)


async def owner_reads(logins: DatabaseLogins, query: str, *values: object) -> Any:
    owner = await connect(logins.owner)
    try:
        return await owner.fetchval(query, *values)
    finally:
        await owner.close()


async def test_a_migration_that_fails_half_way_leaves_the_old_version_serving(
    own: DatabaseLogins, local_models: LocalModels, tmp_path: Path
) -> None:
    next_release = await asyncio.to_thread(shutil.copytree, MIGRATIONS, tmp_path / "migrations")
    head = await owner_reads(own, REVISION)
    second = next_release / "versions" / "9002_second.py"
    (next_release / "versions" / "9001_first.py").write_text(GOOD.format(head=head))
    second.write_text(BROKEN)
    async with running_service(settings_for(own), local_models) as client:
        text = "# Pool\n\nThe pool opens at seven.\n"
        await post(client, "/ingest?wait=60", {"text": text, "title": "pool"}, {})
        before = (await post(client, "/search", {"query": "When does the pool open?"}, {}))["results"]
        assert len(before) == 1
        with pytest.raises(UnavailableError, match="division by zero"):
            await migrate(own.owner, migrations=next_release)
        schema = await schema_of(own)
        assert await owner_reads(own, REVISION) == "9001"
        assert "first_new" in schema
        assert "half_done" not in schema
        assert "second_new" not in schema
        assert await owner_reads(own, LOCK_IS_FREE, LOCK_KEY), "the next try need not wait"
        await still_serves(client, before)

        second.write_text(MENDED)
        await migrate(own.owner, migrations=next_release)
        assert await owner_reads(own, REVISION) == "9002"
        assert "second_new" in await schema_of(own)
        await still_serves(client, before)


async def test_a_migration_gives_way_to_those_who_use_a_table(own: DatabaseLogins, tmp_path: Path) -> None:
    next_release = await asyncio.to_thread(shutil.copytree, MIGRATIONS, tmp_path / "migrations")
    head = await owner_reads(own, REVISION)
    (next_release / "versions" / "9001_first.py").write_text(GOOD.format(head=head))
    reader = await connect(own.owner)
    async with reader.transaction():
        await reader.execute("LOCK TABLE traces IN ACCESS SHARE MODE")
        with pytest.raises(UnavailableError, match="lock timeout"):
            await migrate(own.owner, migrations=next_release, lock_wait_s=0.2)
        assert await asyncio.wait_for(owner_reads(own, "SELECT count(*) FROM traces"), 1) == 0
    await reader.close()
    assert await owner_reads(own, REVISION) == head
    await migrate(own.owner, migrations=next_release, lock_wait_s=0.2)
    assert await owner_reads(own, REVISION) == "9001"


async def still_serves(client: httpx.AsyncClient, before: list[dict[str, Any]]) -> None:
    """Ready, and reads and writes as before."""
    assert (await client.get("/health/ready")).status_code == 200
    assert (await post(client, "/search", {"query": "When does the pool open?"}, {}))["results"] == before
    assert "seven" in (await post(client, "/chat", {"query": "When does the pool open?"}, {}))["answer"]
