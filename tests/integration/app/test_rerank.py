from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import httpx
import pytest

from db.addresses import DatabaseLogins
from rag.models.local import LocalModels
from tests.integration.app.conftest import ingest_text
from tests.integration.conftest import running_service, settings_for
from tests.standins.aws import use_bedrock
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.faults import Fault
from tests.standins.bedrock.server import bedrock_standin

QUESTION = "How many vacation days can I carry over?"
TEXTS = {
    "short": "Vacation days can be carried over.",
    "longer": "Up to five vacation days can be carried over to the next calendar year by everyone.",
    "longest": "The canteen serves lunch from noon to two. Guests pay seven euros, everyone else four euros.",
}


@pytest.fixture(scope="module")
def bedrock() -> Iterator[Bedrock]:
    with pytest.MonkeyPatch.context() as monkeypatch, bedrock_standin() as server:
        use_bedrock(monkeypatch, server.url)
        server.rank = share_of_characters
        yield server
        assert server.violations == []


def share_of_characters(query: str, texts: Sequence[str]) -> list[float]:
    total = sum(map(len, texts))
    return [len(text) / total for text in texts]


@pytest.fixture(scope="module")
async def client(
    bedrock: Bedrock, logins: DatabaseLogins, local_models: LocalModels
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service with a reranker that likes long texts."""
    settings = settings_for(logins, rerank_model="bedrock:cohere.rerank-v3-5:0", model_attempts=1)
    async with running_service(settings, local_models) as opened:
        for name, text in TEXTS.items():
            await ingest_text(opened, text, source_document_id=name)
        yield opened


async def search(client: httpx.AsyncClient, **fields: object) -> dict[str, Any]:
    response = await client.post("/search", json={"query": QUESTION, **fields})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_the_rerankers_order_ranks_and_scores_are_shown(
    client: httpx.AsyncClient, bedrock: Bedrock
) -> None:
    bedrock.calls.clear()
    body = await search(client)
    assert [result["source_document_id"] for result in body["results"]] == ["longest", "longer", "short"]
    assert [result["ranks"]["rerank"] for result in body["results"]] == [1, 2, 3]
    assert body["results"][0]["ranks"]["fused"] == 3
    characters = sum(map(len, TEXTS.values()))
    score = len(TEXTS["longest"]) / characters
    assert body["results"][0]["scores"]["rerank"] == body["results"][0]["score"] == pytest.approx(score)
    assert body["degraded"] == []
    (call,) = bedrock.calls
    assert call.params["queries"][0]["textQuery"]["text"] == QUESTION
    sources = [source["inlineDocumentSource"]["textDocument"]["text"] for source in call.params["sources"]]
    assert sorted(sources) == sorted(TEXTS.values())


async def test_the_reranker_chooses_among_more_than_are_returned(client: httpx.AsyncClient) -> None:
    body = await search(client, top_k=1)
    assert [result["source_document_id"] for result in body["results"]] == ["longest"]


async def test_a_search_outlives_its_reranker(client: httpx.AsyncClient, bedrock: Bedrock) -> None:
    bedrock.calls.clear()
    bedrock.faults = [Fault("unavailable")]
    body = await search(client)
    assert body["degraded"] == ["rerank"]
    assert [result["ranks"]["fused"] for result in body["results"]] == [1, 2, 3]
    assert [result["ranks"]["rerank"] for result in body["results"]] == [None] * 3
    assert [result["scores"]["rerank"] for result in body["results"]] == [None] * 3
    assert len(bedrock.calls) == 1


async def test_an_answer_outlives_its_reranker(client: httpx.AsyncClient, bedrock: Bedrock) -> None:
    bedrock.faults = [Fault("unavailable")]
    body = (await client.post("/chat", json={"query": QUESTION})).json()
    assert body["degraded"] == ["rerank"]
    assert body["citations"]
