"""The whole service on Bedrock's models: what a caller gets, and what is stored, in good and in bad times."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from db.addresses import DatabaseLogins
from db.pool import Database
from rag.models.local import LocalModels
from tests.integration.app.conftest import ingest_text
from tests.integration.app.sse import Event, read_events
from tests.integration.conftest import running_service, settings_for
from tests.standins.aws import use_bedrock
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.faults import Fault
from tests.standins.bedrock.server import bedrock_standin
from tests.standins.chat_servers import ChatServer, chat_server

FIRST, SECOND = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-lite-v1:0"
CHAIN = f"bedrock:{FIRST},bedrock:{SECOND},openai:gpt-4o-mini"
QUESTION = "How long is the notice period?"
TEXT = "The notice period is four weeks to the end of a month. The canteen opens at noon."
ANSWER = "The notice period is four weeks to the end of a month. [1]"


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield monkeypatch


@pytest.fixture(scope="module")
def running_bedrock(patch: pytest.MonkeyPatch, local_models: LocalModels) -> Iterator[Bedrock]:
    with bedrock_standin(local=local_models) as server:
        use_bedrock(patch, server.url)
        yield server


@pytest.fixture(scope="module")
def openai(patch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    with chat_server() as server:
        patch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        patch.setenv("OPENAI_API_KEY", "sk-test")
        yield server


@pytest.fixture
def bedrock(running_bedrock: Bedrock) -> Iterator[Bedrock]:
    running_bedrock.reset()
    yield running_bedrock
    assert running_bedrock.violations == []


@pytest.fixture(scope="module")
async def client(
    running_bedrock: Bedrock, openai: ChatServer, logins: DatabaseLogins, local_models: LocalModels
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(
        logins,
        chat_model=CHAIN,
        embedding_model="bedrock:amazon.titan-embed-text-v2:0",
        rerank_model="bedrock:cohere.rerank-v3-5:0",
        guardrail_id="gr-test",
        guardrail_version="1",
        model_attempts=2,
        model_first_token_timeout_s=0.5,
        model_idle_timeout_s=0.5,
        breaker_failures=50,  # the tests here fail on purpose; the breaker has a service of its own
        relevance_floor=-1,
    )
    async with running_service(settings, local_models) as opened:
        await ingest_text(opened, TEXT, source_document_id="contract")
        yield opened


async def ask(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    return await client.post("/chat", json={"query": QUESTION, **fields})


async def stream(client: httpx.AsyncClient) -> list[Event]:
    async with client.stream("POST", "/chat", json={"query": QUESTION, "stream": True}) as response:
        return [event async for event in read_events(response)]


async def test_an_answer_is_cited_metered_and_priced(bedrock: Bedrock, client: httpx.AsyncClient) -> None:
    body = (await ask(client)).json()
    assert body["answer"].startswith("The notice period is four weeks")
    assert body["citations"][0]["source_document_id"] == "contract"
    assert (body["degraded"], body["model_name"]) == ([], f"bedrock:{FIRST}")
    operations = list(dict.fromkeys(call.operation for call in bedrock.calls))
    assert operations == ["ApplyGuardrail", "InvokeModel", "Rerank", "ConverseStream"]
    assert bedrock.calls[-1].params["source"] == "OUTPUT"
    assert body["usage"]["prompt_tokens"] > 0
    assert body["usage"]["completion_tokens"] > 0
    # At least the rerank's query, $2.00 for a thousand.
    assert 0.002 < body["usage"]["cost_usd"] < 0.02
    assert body["latency_ms"] < 5000


async def test_a_stream_carries_the_same_answer(bedrock: Bedrock, client: httpx.AsyncClient) -> None:
    bedrock.reply = ANSWER
    *_, done = await stream(client)
    assert done.name == "done"
    assert done.data["answer"] == ANSWER


@pytest.mark.parametrize(
    "kind", ["throttle", "too_many_tokens", "server_error", "not_ready", "cut", "stall", "malformed"]
)
@pytest.mark.parametrize("streaming", [False, True])
async def test_a_moments_failure_is_overcome(
    bedrock: Bedrock, client: httpx.AsyncClient, kind: str, streaming: bool
) -> None:
    bedrock.reply = ANSWER
    bedrock.faults = [Fault(kind, operations=("ConverseStream",), after=0, delay_s=5)]
    body = (await stream(client))[-1].data if streaming else (await ask(client)).json()
    assert body["answer"] == ANSWER
    assert (body["degraded"], body["model_name"]) == ([], f"bedrock:{FIRST}")


async def test_the_next_model_of_the_chain_answers_and_the_answer_says_so(
    bedrock: Bedrock, openai: ChatServer, client: httpx.AsyncClient
) -> None:
    bedrock.reply = ANSWER
    bedrock.denied_models = {FIRST}
    body = (await ask(client)).json()
    assert (body["model_name"], body["degraded"]) == (f"bedrock:{SECOND}", [f"generate:bedrock:{FIRST}"])
    bedrock.denied_models = {FIRST, SECOND}
    openai.reply, openai.failure = ANSWER, None
    body = (await ask(client)).json()
    assert body["model_name"] == "openai:gpt-4o-mini"
    assert body["degraded"] == [f"generate:bedrock:{FIRST}", f"generate:bedrock:{SECOND}"]
    assert body["answer"].strip() == ANSWER


async def test_throttled_by_all_models_is_429(
    bedrock: Bedrock, openai: ChatServer, client: httpx.AsyncClient
) -> None:
    bedrock.faults = [Fault("throttle", operations=("ConverseStream",), times=None, retry_after_s=30)]
    openai.failure = (429, {"Retry-After": "40"})
    response = await ask(client)
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "30"
    problem = response.json()
    assert problem["code"] == "throttled"
    assert "bedrock" not in response.text


async def test_all_models_broken_is_502(
    bedrock: Bedrock, openai: ChatServer, client: httpx.AsyncClient
) -> None:
    bedrock.faults = [Fault("server_error", operations=("ConverseStream",), times=None)]
    openai.failure = (500, {})
    response = await ask(client)
    assert (response.status_code, response.json()["code"]) == (502, "model_failed")
    assert "Retry-After" in response.headers


async def test_after_the_first_sentence_a_broken_stream_ends_in_an_error(
    bedrock: Bedrock, client: httpx.AsyncClient
) -> None:
    bedrock.reply = f"{ANSWER} " + "The canteen opens at noon. [1] " * 20
    bedrock.faults = [Fault("cut", operations=("ConverseStream",), after=40)]
    events = await stream(client)
    assert any(event.name == "token" for event in events)
    assert (events[-1].name, events[-1].data["partial"]) == ("error", True)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("word", "released"), [("period?", False), ("canteen", True)])
async def test_a_guardrail_refuses_a_question_or_an_answer(
    bedrock: Bedrock, client: httpx.AsyncClient, word: str, released: bool, streaming: bool
) -> None:
    bedrock.reply = f"{ANSWER} The canteen opens at noon. [1]"
    bedrock.blocked_words = [word]
    if streaming:
        error = (await stream(client))[-1]
        assert (error.name, error.data["code"]) == ("error", "blocked_by_guardrail")
        assert error.data["partial"] is released
    else:
        response = await ask(client)
        assert (response.status_code, response.json()["code"]) == (422, "blocked_by_guardrail")
    assert len(bedrock.called("ConverseStream")) == int(released)


async def test_without_a_judgement_nothing_is_answered(bedrock: Bedrock, client: httpx.AsyncClient) -> None:
    bedrock.faults = [Fault("unavailable", operations=("ApplyGuardrail",), times=None)]
    response = await ask(client)
    assert response.status_code == 502
    assert bedrock.called("ConverseStream") == []


@pytest.mark.parametrize(("operation", "stage"), [("InvokeModel", "retrieve:vector"), ("Rerank", "rerank")])
async def test_without_vectors_or_reranker_there_is_an_answer(
    bedrock: Bedrock, client: httpx.AsyncClient, operation: str, stage: str
) -> None:
    bedrock.reply = ANSWER
    bedrock.faults = [Fault("server_error", operations=(operation,), times=None)]
    body = (await ask(client)).json()
    assert (body["answer"], body["degraded"]) == (ANSWER, [stage])


async def test_what_a_failed_request_used_is_in_the_ledger(
    bedrock: Bedrock, client: httpx.AsyncClient, openai: ChatServer
) -> None:
    before = await rerank_calls(client)
    bedrock.faults = [Fault("server_error", operations=("ConverseStream",), times=None)]
    openai.failure = (500, {})
    assert (await ask(client)).status_code == 502
    assert await rerank_calls(client) == before + 1


async def rerank_calls(client: httpx.AsyncClient) -> int:
    rows: list[dict[str, Any]] = (await client.get("/usage?group_by=model")).json()["rows"]
    return sum(row["calls"] for row in rows if "rerank" in row["label"])


@pytest.fixture
async def alone(
    bedrock: Bedrock, logins: DatabaseLogins, local_models: LocalModels
) -> AsyncIterator[httpx.AsyncClient]:
    """A service with one model, a breaker that opens soon, and room for two answers at a time."""
    settings = settings_for(
        logins,
        chat_model=f"bedrock:{FIRST}",
        model_attempts=1,
        breaker_failures=5,
        breaker_probe_s=3,
        model_concurrency=2,
        model_queue=1,
        model_queue_wait_s=0.3,
        relevance_floor=-1,
    )
    bedrock.reply = ANSWER
    async with running_service(settings, local_models) as opened:
        yield opened


async def test_a_model_that_is_down_is_left_alone_and_tried_again(
    bedrock: Bedrock, alone: httpx.AsyncClient
) -> None:
    bedrock.down = True
    statuses = [(await ask(alone, strategy="lexical")).status_code for _ in range(6)]
    assert statuses == [502] * 5 + [503]
    called = len(bedrock.calls)
    response = await ask(alone, strategy="lexical")
    assert len(bedrock.calls) == called
    assert (response.status_code, response.json()["code"]) == (503, "overloaded")
    assert response.headers["Retry-After"] in {"1", "2", "3"}
    bedrock.down = False
    await asyncio.sleep(3.1)
    assert (await ask(alone, strategy="lexical")).status_code == 200


async def test_more_than_fits_is_turned_away_at_once(bedrock: Bedrock, alone: httpx.AsyncClient) -> None:
    bedrock.first_token_delay_s = 1
    responses = await asyncio.gather(*(ask(alone, strategy="lexical") for _ in range(6)))
    statuses = sorted(response.status_code for response in responses)
    assert statuses == [200, 200, 503, 503, 503, 503]
    assert {r.headers.get("Retry-After") for r in responses if r.status_code == 503} == {"1"}


async def test_no_stream_holds_a_connection(
    bedrock: Bedrock, database: Database, logins: DatabaseLogins, local_models: LocalModels
) -> None:
    bedrock.reply = f"{ANSWER} " * 5
    bedrock.token_delay_s = 0.05
    settings = settings_for(logins, chat_model=f"bedrock:{SECOND}", db_connections=2, relevance_floor=-1)
    async with running_service(settings, local_models) as client:
        streams = [asyncio.create_task(stream(client)) for _ in range(20)]
        async with asyncio.timeout(60):
            while len(bedrock.called("ConverseStream")) < 20:  # noqa: ASYNC110 - another thread counts
                await asyncio.sleep(0.02)
        async with database.system() as connection:
            busy = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND state <> 'idle' AND pid <> pg_backend_pid()"
            )
        assert busy == 0
        began = time.perf_counter()
        assert (await client.post("/search", json={"query": QUESTION})).status_code == 200
        assert time.perf_counter() - began < 1
        assert {events[-1].name for events in await asyncio.gather(*streams)} == {"done"}
