"""Another embedding model takes over while searches and ingestion go on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from app.reindex import drop_unused, reindex
from db.addresses import DatabaseLogins
from db.pool import Database
from rag.errors import ConflictError
from rag.models.local import LOCAL_EMBEDDINGS, LocalModels
from rag.models.registry import Models
from rag.models.types import EmbeddingModel
from tests.integration.app.conftest import ingest_text
from tests.integration.conftest import running_service, settings_for
from tests.standins.aws import use_bedrock
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.server import bedrock_standin

TITAN = "bedrock:amazon.titan-embed-text-v2:0"
ANIMALS = ("heron", "otter", "badger", "lynx", "marten", "beaver", "hedgehog", "dormouse")
ROWS = "SELECT space_id, count(*) FROM chunk_embeddings GROUP BY space_id ORDER BY space_id"


@pytest.fixture(scope="module")
def bedrock() -> Iterator[Bedrock]:
    with pytest.MonkeyPatch.context() as monkeypatch, bedrock_standin() as server:
        use_bedrock(monkeypatch, server.url)
        yield server
        assert server.violations == []


@pytest.fixture(scope="module")
async def client(
    bedrock: Bedrock, logins: DatabaseLogins, local_models: LocalModels
) -> AsyncIterator[httpx.AsyncClient]:
    async with running_service(settings_for(logins), local_models) as opened:
        yield opened


@pytest.fixture
async def titan(bedrock: Bedrock, local_models: LocalModels) -> EmbeddingModel:
    return await asyncio.to_thread(Models(local=local_models).embedding_model, TITAN)


def fact(animal: str) -> str:
    return f"The {animal} sleeps in den {ANIMALS.index(animal) + 10} behind the mill."


@dataclass
class Load:
    """Searches one after the other; what they found that was not right."""

    client: httpx.AsyncClient
    searches: int = 0
    wrong: list[str] = field(default_factory=list)
    ended: bool = False

    async def run(self) -> None:
        while not self.ended:
            animal = ANIMALS[self.searches % 4]  # of those that were there from the start
            body = {"query": f"Where does the {animal} sleep?", "strategy": "vector", "top_k": 1}
            response = await self.client.post("/search", json=body)
            self.searches += 1
            found = response.json().get("results") or [{"title": response.text}]
            if found[0]["title"] != animal:
                self.wrong.append(found[0]["title"])


async def rows(database: Database, client: httpx.AsyncClient) -> dict[int, int]:
    async with database.system() as connection:
        (tenant_id,) = [row["id"] for row in await connection.fetch("SELECT id FROM tenants")]
    async with database.tenant(tenant_id) as connection:
        return {row["space_id"]: row["count"] for row in await connection.fetch(ROWS)}


async def model_of_next_answer(client: httpx.AsyncClient, database: Database) -> str:
    """The embedding model that the trace of an answer names."""
    answer = (await client.post("/chat", json={"query": "Where does the wren sleep?"})).json()
    async with database.system() as connection:
        tenant_id = await connection.fetchval("SELECT id FROM tenants")
    async with database.tenant(tenant_id) as connection:
        models = await connection.fetchval(
            "SELECT models FROM traces WHERE request_id = $1", answer["request_id"]
        )
    return str(models["embedding"])


async def test_answers_come_from_the_old_space_until_the_new_one_is_complete(
    client: httpx.AsyncClient,
    logins: DatabaseLogins,
    database: Database,
    titan: EmbeddingModel,
    local_models: LocalModels,
) -> None:
    for animal in ANIMALS[:4]:
        await ingest_text(client, fact(animal), title=animal)
    load = Load(client)
    searching = asyncio.create_task(load.run())

    async def ingest_meanwhile() -> None:
        for animal in ANIMALS[4:]:
            await ingest_text(client, fact(animal), title=animal)
            await asyncio.sleep(0.1)

    done, _ = await asyncio.gather(reindex(logins, database, titan), ingest_meanwhile())
    assert done.chunks >= 4
    for _ in range(100):  # until the service has followed
        response = await client.post("/search", json={"query": "x", "vector": [1.0] * 1024})
        if response.status_code == 200:
            break
        await asyncio.sleep(0.1)
    assert response.status_code == 200, response.text
    await ingest_text(client, "The wren sleeps in the ivy.", title="wren")
    load.ended = True
    await searching
    assert await model_of_next_answer(client, database) == titan.name
    assert load.wrong == []
    assert load.searches > 20

    counts = await rows(database, client)
    assert counts[done.new.id] == len(ANIMALS) + 1, "each chunk once, those of documents sent meanwhile too"
    assert [space.id for space in await drop_unused(logins, database)] == [done.old.id]
    assert await rows(database, client) == {done.new.id: len(ANIMALS) + 1}
    for animal in ANIMALS:
        body = {"query": f"Where does the {animal} sleep?", "strategy": "vector", "top_k": 1}
        found = (await client.post("/search", json=body)).json()["results"]
        assert found[0]["title"] == animal

    with pytest.raises(ConflictError, match="already"):
        await reindex(logins, database, titan)
    restarted = settings_for(logins)  # its setting still names the old model
    assert restarted.embedding_model == LOCAL_EMBEDDINGS
    async with running_service(restarted, local_models) as again:
        response = await again.post("/search", json={"query": "x", "vector": [1.0] * 1024})
        assert response.status_code == 200, "the database says which space answers"
