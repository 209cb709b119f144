"""Spans of a running service, as a collector and LangSmith receive them."""

import asyncio
import re
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from db.addresses import DatabaseLogins
from rag.models.local import LocalModels
from tests.integration.app.test_logs import service
from tests.integration.conftest import running_service, settings_for
from tests.standins.langsmith import LangSmith, langsmith_server
from tests.standins.otlp import Collector, otlp_collector

TEXT = "The heron crosses the river at dawn. It rests on the northern bank."
QUESTION = "When does the heron cross the river?"
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[0-3])")
CALLERS = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
CALLERS_UNSAMPLED = CALLERS[:-1] + "0"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with otlp_collector() as opened:
        yield opened


@pytest.fixture(scope="module")
def langsmith() -> Iterator[LangSmith]:
    with langsmith_server() as opened:
        yield opened


@pytest.fixture(scope="module")
async def client(
    logins: DatabaseLogins, local_models: LocalModels, collector: Collector, langsmith: LangSmith
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(
        logins,
        otel_exporter_otlp_endpoint=collector.url,
        otel_traces_sampler_arg=1,
        langsmith_tracing=True,
        langsmith_api_key=langsmith.key,
        langsmith_endpoint=langsmith.url,
    )
    async with running_service(settings, local_models) as opened:
        ingested = await opened.post("/ingest?wait=60", json={"title": "Heron", "text": TEXT})
        assert ingested.status_code == 200, ingested.text
        yield opened


async def test_an_answer_is_one_trace_from_the_request_to_its_statements(
    client: httpx.AsyncClient, collector: Collector
) -> None:
    response = await client.post("/chat", json={"query": QUESTION}, headers={"X-Request-ID": "chat-1"})
    found = TRACEPARENT.fullmatch(response.headers["traceparent"])
    assert found
    await asyncio.to_thread(collector.wait_for, "POST /chat")
    spans = {span.span_id: span for span in collector.spans if span.trace_id == found[1]}
    (root,) = collector.named("POST /chat")
    assert root.span_id == found[2]
    assert root.attributes["groundwork.request_id"] == "chat-1"
    assert root.attributes["http.response.status_code"] == 200
    names = {span.name for span in spans.values()}
    assert {"retrieve", "rerank", "assemble", "generate", "verify", "chat extractive"} <= names
    assert {"embeddings all-MiniLM-L6-v2", "INSERT traces", "INSERT messages"} <= names
    assert {span.parent_id for span in spans.values()} <= {"", *spans}, (
        "every span but the first has a parent"
    )
    (chat,) = (span for span in spans.values() if span.name == "chat extractive")
    assert spans[chat.parent_id].name == "generate"
    assert chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.usage.output_tokens"] == response.json()["usage"]["completion_tokens"] > 0
    assert chat.attributes["groundwork.cost_usd"] == 0


async def test_no_text_of_a_document_or_a_question_leaves(
    client: httpx.AsyncClient, collector: Collector, langsmith: LangSmith
) -> None:
    await client.post("/search", json={"query": QUESTION})
    await client.post("/chat", json={"query": QUESTION})
    await asyncio.to_thread(collector.wait_for, "POST /search", "job ingest")
    await asyncio.to_thread(langsmith.wait_for, "POST /search", "POST /chat")
    sent = b"".join(collector.bodies) + str(langsmith.runs).encode()
    assert b"heron" not in sent.lower()
    assert b"INSERT source_versions" in sent


async def test_the_callers_trace_goes_on(client: httpx.AsyncClient, collector: Collector) -> None:
    response = await client.get("/documents", headers={"traceparent": CALLERS})
    found = TRACEPARENT.fullmatch(response.headers["traceparent"])
    assert found
    assert found[1] == "1" * 32
    await asyncio.to_thread(collector.wait_for, "GET /documents")
    assert collector.named("GET /documents")[0].parent_id == "2" * 16


async def test_a_request_that_the_caller_does_not_record_is_not_recorded(
    client: httpx.AsyncClient, collector: Collector
) -> None:
    response = await client.get("/usage", headers={"traceparent": CALLERS_UNSAMPLED})
    assert response.headers["traceparent"].startswith("00-" + "1" * 32)
    found = TRACEPARENT.fullmatch(response.headers["traceparent"])
    assert found
    assert int(found[3], 16) & 1 == 0
    await client.get("/ingest")
    await asyncio.to_thread(collector.wait_for, "GET /ingest")
    assert collector.named("GET /usage") == []


async def test_langsmith_gets_the_runs_of_an_answer_without_its_texts(
    client: httpx.AsyncClient, langsmith: LangSmith
) -> None:
    await client.post("/chat", json={"query": QUESTION}, headers={"X-Request-ID": "chat-2"})
    await asyncio.to_thread(langsmith.wait_for, "POST /chat", "chat extractive")
    roots = [run for run in langsmith.runs if run["name"] == "POST /chat"]
    assert all(run["parent_run_id"] is None for run in roots)
    chat = next(run for run in langsmith.runs if run["name"] == "chat extractive")
    assert chat["run_type"] == "llm"
    assert chat["extra"]["metadata"]["ls_model_name"] == "extractive"
    assert chat["extra"]["metadata"]["usage_metadata"]["output_tokens"] > 0
    assert chat["inputs"] == chat["outputs"] == {}
    assert set(langsmith.paths) == {"/runs/batch"}


async def test_langsmith_gets_texts_where_a_setting_allows_it_and_the_collector_does_not(
    logins: DatabaseLogins, local_models: LocalModels, langsmith: LangSmith
) -> None:
    with otlp_collector() as other:
        settings = settings_for(
            logins,
            role="api",
            otel_exporter_otlp_endpoint=other.url,
            otel_traces_sampler_arg=1,
            langsmith_tracing=True,
            langsmith_text=True,
            langsmith_api_key=langsmith.key,
            langsmith_endpoint=langsmith.url,
            langsmith_project="with-texts",
        )
        async with running_service(settings, local_models) as client:
            answer = (await client.post("/chat", json={"query": QUESTION})).json()["answer"]
        runs = [run for run in langsmith.runs if run["session_name"] == "with-texts"]
        (chat,) = (run for run in runs if run["name"] == "chat extractive")
        assert chat["outputs"]["messages"] == [{"role": "assistant", "content": answer}]
        assert QUESTION in str(chat["inputs"])
        assert other.named("chat extractive")
        assert b"heron" not in b"".join(other.bodies).lower()


async def test_langchain_sends_nothing_by_itself(client: httpx.AsyncClient, logins: DatabaseLogins) -> None:
    """In a process of its own, whose environment would make LangChain send all that it sees."""
    with tempfile.TemporaryDirectory() as folder, langsmith_server() as receiver:
        environment = {
            "LANGSMITH_TRACING": "true",
            "LANGCHAIN_TRACING_V2": "true",
            "LANGSMITH_ENDPOINT": receiver.url,
            "LANGSMITH_API_KEY": receiver.key,
            "OTEL_TRACES_SAMPLER_ARG": "1",
        }
        with service(logins, Path(folder), **environment) as running:
            async with httpx.AsyncClient(base_url=running.url, timeout=30) as caller:
                assert (await caller.post("/chat", json={"query": QUESTION})).json()["citations"]
            await asyncio.to_thread(receiver.wait_for, "POST /chat")
            await asyncio.sleep(0.5)  # LangChain's client sends every quarter of a second
        assert set(receiver.paths) == {"/runs/batch"}
        assert "heron" not in str(receiver.runs).lower()


@pytest.mark.parametrize("receiver", ["nobody", "slow", "failing"])
async def test_a_receiver_that_is_down_or_slow_is_not_felt(
    logins: DatabaseLogins, local_models: LocalModels, receiver: str
) -> None:
    with otlp_collector() as other:
        other.delay_s = 300 if receiver == "slow" else 0
        other.status = 503 if receiver == "failing" else 200
        url = "http://127.0.0.1:9" if receiver == "nobody" else other.url
        settings = settings_for(
            logins,
            role="api",
            otel_exporter_otlp_endpoint=url,
            otel_traces_sampler_arg=1,
            langsmith_tracing=True,
            langsmith_api_key="any",
            langsmith_endpoint=url,
        )
        async with running_service(settings, local_models) as client:
            began = time.perf_counter()
            for _ in range(5):
                assert (await client.post("/search", json={"query": QUESTION})).status_code == 200
            assert time.perf_counter() - began < 30
            if receiver == "nobody":
                await asyncio.sleep(1.5)
            began = time.perf_counter()
        assert time.perf_counter() - began < 60, "the end waits for a few seconds, not for the receiver"
