"""Answers that don't come to a good end: what the client is told, and what is kept."""

import asyncio
import json

import pytest

from app.answer_run import Run
from app.answer_store import AnswerStore
from app.answering import Answerer
from app.ingestion.queue import delete_document
from app.schemas.chat import ChatRequest
from app.services import Services
from app.streaming import stream_answer
from graph.build import build_answer_graph
from graph.events import AnswerEvent, Released
from graph.state import AnswerContext
from rag.errors import ModelError
from rag.ingest import IncomingFile
from rag.models.types import ChatModel
from rag.prompts import ANSWER_PROMPT, load_prompt
from tests.unit.graph.doubles import ScriptedChatModel, SlowChatModel

SENTENCE = "The lighthouse has 199 steps."


@pytest.fixture
async def services(services: Services) -> Services:
    upload = IncomingFile.of_text(SENTENCE, "Lighthouse")
    await services.ingestor.ingest(services.default_identity.writer(), upload)
    return services


def answerer(
    services: Services, model: ScriptedChatModel, *, timeout_s: float = 30, store: bool = True
) -> Answerer:
    context = AnswerContext(
        scope=services.default_identity.scope(),
        retriever=services.spaces,
        reranker=None,
        chat_models=(ChatModel("test:scripted", model),),
        prompt=load_prompt(ANSWER_PROMPT),
        context_tokens=1000,
        relevance_floor=-1,
    )
    return Answerer(
        services.database,
        AnswerStore(services.database, embedding_model=lambda: "test:embeddings", store_text=store),
        build_answer_graph(),
        context,
        questions=services.privacy.questions,
        keys=services.privacy.keys,
        top_k=3,
        timeout_s=timeout_s,
    )


async def begin(asked: Answerer, services: Services, request_id: str, *, stream: bool = False) -> Run:
    request = ChatRequest(query="How many steps has the lighthouse?", stream=stream)
    return await asked.begin(services.default_identity, request, request_id=request_id)


async def stored(services: Services, request_id: str) -> dict[str, object]:
    tenant_id = services.default_identity.tenant_id
    async with services.database.tenant(tenant_id) as connection:
        row = await connection.fetchrow("SELECT * FROM traces WHERE request_id = $1", request_id)
    assert row is not None
    return dict(row)


async def collect(asked: Answerer, run: Run) -> list[tuple[str, dict[str, object]]]:
    events = []
    async for part in stream_answer(asked, run):
        lines = part.decode().splitlines()
        if lines[0].startswith("event: "):
            events.append((lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))))
    return events


async def test_a_stream_that_breaks_says_that_a_part_was_sent(services: Services) -> None:
    asked = answerer(services, ScriptedChatModel(pieces=[f"{SENTENCE} [1] And", ConnectionError("x")]))
    events = await collect(asked, await begin(asked, services, "broken-late", stream=True))
    assert [name for name, _ in events] == ["meta", "sources", "token", "citation", "error"]
    error = events[-1][1]
    assert (error["partial"], error["code"], error["status"]) == (True, "model_failed", 502)
    assert "ConnectionError" not in json.dumps(error)
    assert (await stored(services, "broken-late"))["error"] == "ModelError"


async def test_a_stream_that_breaks_at_once_says_so(services: Services) -> None:
    asked = answerer(services, ScriptedChatModel(pieces=[ConnectionError("x")]))
    events = await collect(asked, await begin(asked, services, "broken-early"))
    assert events[-1][0] == "error"
    assert events[-1][1]["partial"] is False


async def test_an_answer_beyond_its_deadline_is_ended(services: Services) -> None:
    asked = answerer(services, SlowChatModel(pieces=[]), timeout_s=0.2)
    with pytest.raises(TimeoutError):
        await asked.answer(await begin(asked, services, "slow"))
    assert (await stored(services, "slow"))["error"] == "TimeoutError"
    events = await collect(asked, await begin(asked, services, "slow-stream"))
    assert (events[-1][0], events[-1][1]["status"]) == ("error", 504)


async def test_a_client_that_goes_ends_generation(services: Services) -> None:
    asked = answerer(services, SlowChatModel(pieces=[]))
    stream = stream_answer(asked, await begin(asked, services, "gone"))
    async for part in stream:
        if part.startswith(b"event: sources"):
            break
    await stream.aclose()
    assert (await stored(services, "gone"))["error"] == "client_closed"


async def test_a_client_that_goes_at_the_very_end_leaves_a_whole_trace(services: Services) -> None:
    asked = answerer(services, ScriptedChatModel(pieces=[f"{SENTENCE} [1]"]))
    for number in range(10):
        stream = stream_answer(asked, await begin(asked, services, f"end-{number}"))
        async for part in stream:
            if part.startswith(b"event: token"):
                break
        await stream.aclose()
        assert (await stored(services, f"end-{number}"))["error"] in {None, "client_closed"}


async def test_a_document_deleted_while_it_is_quoted_leaves_no_word(services: Services) -> None:
    identity = services.default_identity
    secret = "The pearl lies under the third chestnut."
    upload = IncomingFile.of_text(secret, "Pearl")
    ingested = await services.ingestor.ingest(identity.writer(), upload)
    asked = answerer(services, ScriptedChatModel(pieces=["Under the third chestnut lies the pearl. [1]"]))
    request = ChatRequest(query="Where does the pearl lie?", top_k=1)
    run = await asked.begin(identity, request, request_id="deleted-meanwhile")

    async def delete_first(event: AnswerEvent) -> None:
        if isinstance(event, Released):
            await delete_document(services.database, identity.tenant_id, (), ingested.document_id)

    response = await asked.answer(run, delete_first)
    assert "chestnut" in response.answer
    assert (await stored(services, "deleted-meanwhile"))["answer"] == "[removed]"
    async with services.database.tenant(identity.tenant_id) as connection:
        left = await connection.fetchval(
            "SELECT count(*) FROM message_citations WHERE quote || statement LIKE '%chestnut%'"
        )
        messages = await connection.fetchval("SELECT count(*) FROM messages WHERE content LIKE '%chestnut%'")
    assert (left, messages) == (0, 0)


async def test_a_paraphrase_of_a_document_goes_with_it(services: Services) -> None:
    identity = services.default_identity
    upload = IncomingFile.of_text("The opal lies behind the old walnut tree.", "Opal")
    ingested = await services.ingestor.ingest(identity.writer(), upload)
    asked = answerer(services, ScriptedChatModel(pieces=["Behind the old walnut lies the opal. [1]"]))
    request = ChatRequest(query="Where does the opal lie?", top_k=1)
    await asked.answer(await asked.begin(identity, request, request_id="paraphrased"))
    assert "walnut" in str((await stored(services, "paraphrased"))["answer"])
    await delete_document(services.database, identity.tenant_id, (), ingested.document_id)
    assert (await stored(services, "paraphrased"))["answer"] == "[removed]"


async def test_a_search_beside_a_version_switch_sees_one_of_the_versions(services: Services) -> None:
    identity = services.default_identity
    upload = IncomingFile.of_text("The quince ripens in October.", "Quince")
    await services.ingestor.ingest(identity.writer(), upload)
    switching = asyncio.create_task(_switch(services, upload, times=20))
    found = []
    while not switching.done():
        found.append(
            (await services.spaces.retrieve("When does the quince ripen?", identity.scope())).passages
        )
    await switching
    assert len(found) > 3
    assert {sum("quince" in p.passage.text for p in passages) for passages in found} == {1}


async def _switch(services: Services, upload: IncomingFile, *, times: int) -> None:
    for _ in range(times):
        await services.ingestor.ingest(services.default_identity.writer(), upload, force=True)


async def test_a_slow_stream_is_kept_alive(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.streaming.HEARTBEAT_S", 0.05)
    asked = answerer(services, SlowChatModel(pieces=[]), timeout_s=0.5)
    parts = [part async for part in stream_answer(asked, await begin(asked, services, "kept-alive"))]
    assert parts.count(b": ping\n\n") >= 4


async def test_a_failed_answer_raises_for_those_who_wait_for_the_whole(services: Services) -> None:
    asked = answerer(services, ScriptedChatModel(pieces=[ConnectionError("secret detail")]))
    with pytest.raises(ModelError):
        await asked.answer(await begin(asked, services, "failed"))
    assert (await stored(services, "failed"))["error"] == "ModelError"


async def test_no_text_is_stored_where_it_must_not_be(services: Services) -> None:
    asked = answerer(services, ScriptedChatModel(pieces=[f"{SENTENCE} [1]"]), store=False)
    response = await asked.answer(await begin(asked, services, "private"))
    assert response.answer == f"{SENTENCE} [1]"
    trace = await stored(services, "private")
    assert (trace["query"], trace["answer"]) == (None, None)
    tenant_id = services.default_identity.tenant_id
    async with services.database.tenant(tenant_id) as connection:
        texts = await connection.fetch(
            "SELECT content FROM messages WHERE trace_id = $1 "
            "UNION ALL SELECT quote FROM message_citations c JOIN messages m ON m.id = c.message_id "
            "WHERE m.trace_id = $1",
            trace["id"],
        )
    assert len(texts) == 3
    assert {row[0] for row in texts} == {None}


async def test_the_same_request_id_twice_is_two_traces(services: Services) -> None:
    asked = answerer(services, ScriptedChatModel(pieces=[f"{SENTENCE} [1]"]))
    first = await asked.answer(await begin(asked, services, "retried"))
    second = await asked.answer(await begin(asked, services, "retried"))
    assert first.conversation_id != second.conversation_id
    tenant_id = services.default_identity.tenant_id
    async with services.database.tenant(tenant_id) as connection:
        count = await connection.fetchval("SELECT count(*) FROM traces WHERE request_id = 'retried'")
    assert count == 2
