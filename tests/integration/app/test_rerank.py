from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from db.addresses import DatabaseLogins
from rag.models.registry import LocalModels
from tests.integration.app.conftest import ingest_text
from tests.integration.conftest import running_service, settings_for
from tests.unit.rag.models.bedrock import MODEL, Bedrock, bedrock_server, failure

QUESTION = "How many vacation days can I carry over?"
TEXTS = {
    "short": "Vacation days can be carried over.",
    "longer": "Up to five vacation days can be carried over to the next calendar year by everyone.",
    "longest": "The canteen serves lunch from noon to two. Guests pay seven euros, everyone else four euros.",
}


@pytest.fixture(scope="module")
def bedrock() -> Iterator[Bedrock]:
    with pytest.MonkeyPatch.context() as monkeypatch, bedrock_server(monkeypatch) as server:
        yield server


@pytest.fixture(scope="module")
async def client(
    bedrock: Bedrock, logins: DatabaseLogins, local_models: LocalModels
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service with a reranker that likes long texts."""
    settings = settings_for(logins, rerank_model=f"bedrock:{MODEL}")
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
    assert call.query == QUESTION
    assert sorted(call.texts) == sorted(TEXTS.values())


async def test_the_reranker_chooses_among_more_than_are_returned(client: httpx.AsyncClient) -> None:
    body = await search(client, top_k=1)
    assert [result["source_document_id"] for result in body["results"]] == ["longest"]


async def test_a_search_outlives_its_reranker(client: httpx.AsyncClient, bedrock: Bedrock) -> None:
    bedrock.calls.clear()
    bedrock.failure = failure(503, "ServiceUnavailableException")
    try:
        body = await search(client)
    finally:
        bedrock.failure = None
    assert body["degraded"] == ["rerank"]
    assert [result["ranks"]["fused"] for result in body["results"]] == [1, 2, 3]
    assert [result["ranks"]["rerank"] for result in body["results"]] == [None] * 3
    assert [result["scores"]["rerank"] for result in body["results"]] == [None] * 3
    assert len(bedrock.calls) == 1


async def test_an_answer_outlives_its_reranker(client: httpx.AsyncClient, bedrock: Bedrock) -> None:
    bedrock.failure = failure(503, "ServiceUnavailableException")
    try:
        body = (await client.post("/chat", json={"query": QUESTION})).json()
    finally:
        bedrock.failure = None
    assert body["degraded"] == ["rerank"]
    assert body["citations"]
