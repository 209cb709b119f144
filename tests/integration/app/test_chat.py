import asyncio
from uuid import uuid4

import httpx
import pytest

from db.addresses import DatabaseLogins
from db.pool import connect
from graph.nodes.abstain import ABSTENTION
from tests.integration.app.sse import Event, read_events

QUESTION = "How many vacation days can I carry over?"
ANSWER = "You can carry over up to 5 vacation days to the next calendar year."


async def ask(client: httpx.AsyncClient, query: str, **fields: object) -> dict[str, object]:
    response = await client.post("/chat", json={"query": query, **fields})
    assert response.status_code == 200, response.text
    body: dict[str, object] = response.json()
    return body


async def stream(client: httpx.AsyncClient, query: str) -> list[Event]:
    async with client.stream("POST", "/chat", json={"query": query, "stream": True}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        return [event async for event in read_events(response)]


async def test_an_answer_quotes_its_source_with_exact_offsets(corpus: httpx.AsyncClient) -> None:
    response = await corpus.post("/chat", json={"query": QUESTION})
    body = response.json()
    assert ANSWER in body["answer"]
    assert not body["abstained"]
    citation = body["citations"][0]
    assert citation["quote"] == ANSWER
    text = (await corpus.get(f"/documents/{citation['document_id']}/text")).text
    assert text[citation["start"] : citation["end"]] == ANSWER
    source = body["retrieved_documents"][citation["index"] - 1]
    assert source["id"] == citation["chunk_id"]
    assert source["source_document_id"] == citation["source_document_id"] == "policies/leave.md"
    assert body["usage"]["total_tokens"] > body["usage"]["prompt_tokens"] > 0
    assert {"retrieve", "rerank", "assemble", "generate", "verify"} <= set(body["timings_ms"])
    assert body["model_name"] == "local:extractive"


async def test_a_question_that_the_documents_do_not_answer_is_declined_with_the_nearest_sources(
    corpus: httpx.AsyncClient,
) -> None:
    response = await corpus.post("/chat", json={"query": "Who won the football world cup in 1974?"})
    body = response.json()
    assert body["abstained"] is True
    assert body["answer"] == ABSTENTION
    assert body["citations"] == []
    assert body["retrieved_documents"]


async def test_the_stream_tells_what_the_whole_answer_tells(corpus: httpx.AsyncClient) -> None:
    events = await stream(corpus, QUESTION)
    names = [event.name for event in events]
    assert names[:2] == ["meta", "sources"]
    assert names[-1] == "done"
    done = events[-1].data
    assert "".join(event.data["text"] for event in events if event.name == "token") == done["answer"]
    assert [event.data for event in events if event.name == "citation"] == done["citations"]
    assert events[1].data["retrieved_documents"] == done["retrieved_documents"]
    assert events[0].data["request_id"] == done["request_id"]
    whole = (await corpus.post("/chat", json={"query": QUESTION})).json()
    assert done["answer"] == whole["answer"]


async def test_an_abstention_streams_too(corpus: httpx.AsyncClient) -> None:
    events = await stream(corpus, "Who won the football world cup in 1974?")
    tokens = [event.data["text"] for event in events if event.name == "token"]
    assert tokens == [ABSTENTION]
    assert events[-1].data["abstained"] is True


async def test_the_stream_begins_with_a_comment_and_is_not_to_be_buffered(corpus: httpx.AsyncClient) -> None:
    async with corpus.stream("POST", "/chat", json={"query": QUESTION, "stream": True}) as response:
        first = await anext(response.aiter_lines())
        assert first.startswith(":")
        assert response.headers["x-accel-buffering"] == "no"


async def test_the_request_id_is_the_clients_own(corpus: httpx.AsyncClient) -> None:
    response = await corpus.post("/chat", json={"query": QUESTION}, headers={"X-Request-ID": "gateway-42"})
    assert response.headers["x-request-id"] == response.json()["request_id"] == "gateway-42"


async def test_a_request_id_that_is_not_plain_is_replaced(corpus: httpx.AsyncClient) -> None:
    response = await corpus.post("/chat", json={"query": QUESTION}, headers={"X-Request-ID": "a b\t{}"})
    assert response.headers["x-request-id"] == response.json()["request_id"] != "a b\t{}"


async def test_a_conversation_goes_on(corpus: httpx.AsyncClient, logins: DatabaseLogins) -> None:
    first = await ask(corpus, QUESTION)
    second = await ask(corpus, "How long must passwords be?", conversation_id=first["conversation_id"])
    assert second["conversation_id"] == first["conversation_id"]
    roles = await _fetch(
        logins,
        "SELECT role FROM messages WHERE conversation_id = $1 ORDER BY created_at",
        first["conversation_id"],
    )
    assert roles == ["user", "assistant", "user", "assistant"]


async def test_a_conversation_that_is_not_there_is_not_found(corpus: httpx.AsyncClient) -> None:
    for extra in ({}, {"stream": True}):
        body = {"query": QUESTION, "conversation_id": str(uuid4()), **extra}
        response = await corpus.post("/chat", json=body)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


async def test_filters_and_top_k_narrow_the_sources(corpus: httpx.AsyncClient) -> None:
    filters = {"source_document_id": "policies/security.md"}
    body = (await corpus.post("/chat", json={"query": QUESTION, "filters": filters})).json()
    assert {found["source_document_id"] for found in body["retrieved_documents"]} == {"policies/security.md"}
    body = (await corpus.post("/chat", json={"query": QUESTION, "top_k": 1})).json()
    assert len(body["retrieved_documents"]) == 1


@pytest.mark.parametrize("strategy", ["auto", "hybrid", "vector", "lexical"])
async def test_every_strategy_answers(corpus: httpx.AsyncClient, strategy: str) -> None:
    body = await ask(corpus, QUESTION, strategy=strategy)
    assert ANSWER in str(body["answer"])


async def test_a_trace_is_stored_for_every_question(
    corpus: httpx.AsyncClient, logins: DatabaseLogins
) -> None:
    body = await ask(corpus, QUESTION, user_id="ann", metadata={"channel": "web"})
    rows = await _fetch(
        logins, "SELECT query || '|' || user_id FROM traces WHERE request_id = $1", body["request_id"]
    )
    assert rows == [f"{QUESTION}|ann"]


async def test_a_client_that_goes_ends_the_work_and_leaves_a_trace(
    corpus: httpx.AsyncClient, logins: DatabaseLogins
) -> None:
    request_id = f"gone-{uuid4()}"
    body = {"query": QUESTION, "stream": True}
    headers = {"X-Request-ID": request_id}
    async with corpus.stream("POST", "/chat", json=body, headers=headers) as response:
        await anext(response.aiter_lines())
    errors: list[str | None] = []
    for _ in range(50):
        errors = await _fetch(logins, "SELECT error FROM traces WHERE request_id = $1", request_id)
        if errors:
            break
        await asyncio.sleep(0.1)
    # Gone before the answer was complete, or just after it: either way there is one trace.
    assert errors in (["client_closed"], [None])


async def test_feedback_is_stored_against_the_trace(
    corpus: httpx.AsyncClient, logins: DatabaseLogins
) -> None:
    asked = await ask(corpus, QUESTION)
    rating = {"request_id": asked["request_id"], "rating": -1, "labels": ["style"], "comment": "deadline?"}
    response = await corpus.post("/feedback", json=rating)
    assert response.status_code == 201
    stored = await _fetch(
        logins,
        "SELECT comment FROM feedback f JOIN traces t ON t.id = f.trace_id WHERE t.request_id = $1",
        asked["request_id"],
    )
    assert stored == ["deadline?"]


async def test_feedback_for_an_unknown_request_is_not_found(corpus: httpx.AsyncClient) -> None:
    response = await corpus.post("/feedback", json={"request_id": "never", "rating": 1})
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


async def test_search_explains_its_ranking(corpus: httpx.AsyncClient) -> None:
    response = await corpus.post("/search", json={"query": "lost laptop", "explain": True, "top_k": 2})
    best, second = response.json()["results"]
    assert best["source_document_id"] == "policies/security.md"
    assert best["ranks"] == {"vector": 1, "lexical": 1, "fused": 1, "rerank": None}
    assert best["scores"]["vector"] > second["scores"]["vector"]
    assert best["score"] == best["scores"]["fused"] > second["score"]
    explanation = response.json()["explanation"]
    assert set(explanation["timings_ms"]) == {"embed", "search", "rerank"}
    assert explanation["plan"]["exact"] is True
    assert explanation["plan"]["corpus"] == explanation["plan"]["matches"] > 0
    assert sorted(explanation["plan"]["lexemes"]) == ["laptop", "lost"]
    plain = (await corpus.post("/search", json={"query": "lost laptop"})).json()
    assert plain["explanation"] is None
    assert plain["results"][0]["ranks"] == best["ranks"]


async def test_a_search_takes_a_vector_from_the_caller(corpus: httpx.AsyncClient) -> None:
    body = {"query": "x", "strategy": "vector", "vector": [1.0] + [0.0] * 383}
    assert (await corpus.post("/search", json=body)).status_code == 200
    for vector, status in (([1.0], 422), ([0.0] * 384, 422), ([1e9] * 384, 422), ([], 422)):
        response = await corpus.post("/search", json={**body, "vector": vector})
        assert response.status_code == status, vector[:2]
        assert response.headers["content-type"] == "application/problem+json"


async def test_filters_narrow_a_search(corpus: httpx.AsyncClient) -> None:
    everything = (await corpus.post("/search", json={"query": "policy", "top_k": 50})).json()["results"]
    names = {result["source_document_id"] for result in everything}
    only = {"not": {"source_document_id": "policies/security.md"}, "language": "en"}
    narrowed = await corpus.post("/search", json={"query": "policy", "top_k": 50, "filters": only})
    found = {result["source_document_id"] for result in narrowed.json()["results"]}
    assert found == names - {"policies/security.md"}
    unknown = {"metadata": {"no such key": {"gt": 1}}}
    response = await corpus.post("/search", json={"query": "policy", "filters": unknown})
    assert (response.status_code, response.json()["results"]) == (200, [])


async def _fetch(logins: DatabaseLogins, statement: str, value: object) -> list[str | None]:
    """One column, as the tenant `default` sees it."""
    connection = await connect(logins.system)
    tenant_id = await connection.fetchval("SELECT id FROM tenants WHERE slug = 'default'")
    await connection.close()
    connection = await connect(logins.app)
    try:
        await connection.execute("SELECT set_config('app.tenant_id', $1, false)", str(tenant_id))
        return [row[0] for row in await connection.fetch(statement, value)]
    finally:
        await connection.close()
