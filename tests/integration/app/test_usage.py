"""What a request used: in its answer, in its trace, in the tenant's ledger."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from app.answer_store import AnswerStore
from app.answering import Answerer
from app.schemas.chat import ChatRequest
from app.services import Services, open_services
from app.streaming import stream_answer
from db.addresses import DatabaseLogins
from db.pool import Database
from db.repositories import tenants
from graph.build import build_answer_graph
from graph.state import AnswerContext
from rag.errors import ModelError
from rag.ingest import IncomingFile
from rag.models.catalog import Operation
from rag.models.local import LocalModels
from rag.models.minilm import MiniLMEmbeddings
from rag.models.types import ChatModel
from rag.models.usage import ModelUse, record
from rag.prompts import ANSWER_PROMPT, load_prompt
from tests.integration.app.conftest import ingest_text
from tests.integration.conftest import running_service, settings_for
from tests.integration.db.test_usage import as_owner
from tests.unit.graph.doubles import ScriptedChatModel, SlowChatModel

SENTENCE = "The lighthouse has 199 steps."
GPT, NANO = "openai:gpt-4o-mini", "openai:gpt-4.1-nano"
TITAN = "bedrock:amazon.titan-embed-text-v2:0"  # $0.02 a million tokens
PER_TEXT = 100  # tokens that `MeteredEmbeddings` notes


class MeteredEmbeddings(MiniLMEmbeddings):
    """The local model, which notes its use as a remote one does."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        record(ModelUse(TITAN, Operation.EMBED, input_tokens=PER_TEXT * len(texts), units=len(texts)))
        return super().embed_documents(texts)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        record(ModelUse(TITAN, Operation.EMBED, input_tokens=PER_TEXT * len(texts), units=len(texts)))
        return await super().aembed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        record(ModelUse(TITAN, Operation.EMBED, input_tokens=PER_TEXT, units=1))
        return super().embed_query(text)


class CachingChatModel(ScriptedChatModel):
    """Tells of a prompt of 1,010 tokens, 1,000 of them cached, before its first word, and of 5 at the end.

    With `notes`, it records its use itself, as Bedrock's does.
    """

    notes: str | None = None

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        prompt = UsageMetadata(
            input_tokens=1000,
            output_tokens=0,
            total_tokens=1000,
            input_token_details=InputTokenDetails(cache_read=1000),
        )
        yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=prompt))
        for chunk in super()._stream(messages, stop, run_manager, **kwargs):
            if self.notes and chunk.message.chunk_position == "last":  # type: ignore[attr-defined]
                record(ModelUse(self.notes, Operation.CHAT, input_tokens=10, output_tokens=5))
            yield chunk


@pytest.fixture(scope="module")
async def services(logins: DatabaseLogins) -> AsyncIterator[Services]:
    async with open_services(settings_for(logins), local=LocalModels(MeteredEmbeddings.load)) as opened:
        upload = IncomingFile.of_text(SENTENCE, "Lighthouse")
        await opened.ingestor.ingest(opened.default_identity.writer(), upload)
        yield opened


def answerer(services: Services, *models: ChatModel, timeout_s: float = 30) -> Answerer:
    context = AnswerContext(
        scope=services.default_identity.scope(),
        retriever=services.spaces,
        reranker=None,
        chat_models=models,
        prompt=load_prompt(ANSWER_PROMPT),
        context_tokens=1000,
        relevance_floor=-1,
    )
    return Answerer(
        services.database,
        AnswerStore(services.database, embedding_model=lambda: TITAN, store_text=True),
        build_answer_graph(),
        context,
        questions=services.privacy.questions,
        keys=services.privacy.keys,
        top_k=3,
        timeout_s=timeout_s,
    )


@pytest.fixture
async def empty_ledger(services: Services) -> Services:
    await as_owner(services.logins, services.default_identity.tenant_id, "DELETE FROM usage_ledger")
    return services


async def ledger(database: Database, tenant_id: UUID) -> dict[tuple[str, str], dict[str, Any]]:
    async with database.tenant(tenant_id) as connection:
        rows = await connection.fetch("SELECT * FROM usage_ledger")
    return {(row["kind"], row["model"]): dict(row) for row in rows}


async def entered(services: Services) -> dict[tuple[str, str], dict[str, Any]]:
    return await ledger(services.database, services.default_identity.tenant_id)


async def trace_usage(services: Services, request_id: str) -> dict[str, Any]:
    async with services.database.tenant(services.default_identity.tenant_id) as connection:
        usage: dict[str, Any] = await connection.fetchval(
            "SELECT usage FROM traces WHERE request_id = $1", request_id
        )
    return usage


async def ask(asked: Answerer, services: Services, request_id: str) -> Any:
    request = ChatRequest(query="How many steps has the lighthouse?")
    return await asked.answer(await asked.begin(services.default_identity, request, request_id=request_id))


EMBEDDED = PER_TEXT * Decimal("0.02") / 1_000_000
ANSWERED = (10 * Decimal("0.15") + 1000 * Decimal("0.075") + 5 * Decimal("0.6")) / 1_000_000


async def test_an_answer_tells_what_the_whole_request_cost(empty_ledger: Services) -> None:
    model = ChatModel(GPT, CachingChatModel(pieces=[f"{SENTENCE} [1]"]))
    usage = (await ask(answerer(empty_ledger, model), empty_ledger, "priced")).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1010, 5, 1015)
    assert usage.cost_usd == float(EMBEDDED + ANSWERED)
    kept = await trace_usage(empty_ledger, "priced")
    assert {name: kept[name] for name in usage.model_dump()} == usage.model_dump()
    parts = {(part["model"], part["operation"]): part for part in kept["models"]}
    assert parts[GPT, "chat"]["cache_read_tokens"] == 1000
    assert parts[GPT, "chat"]["cost_usd"] == float(ANSWERED)
    assert parts[TITAN, "embed"]["cost_usd"] == float(EMBEDDED)
    rows = await entered(empty_ledger)
    assert rows["chat", GPT]["cost_usd"] == ANSWERED
    assert (rows["chat", GPT]["input_tokens"], rows["chat", GPT]["cache_read_tokens"]) == (10, 1000)
    assert rows["chat", TITAN]["cost_usd"] == EMBEDDED


async def test_a_model_that_notes_its_use_itself_is_counted_once(empty_ledger: Services) -> None:
    model = ChatModel(GPT, CachingChatModel(pieces=[f"{SENTENCE} [1]"], notes=GPT))
    usage = (await ask(answerer(empty_ledger, model), empty_ledger, "noted")).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (10, 5)
    assert (await entered(empty_ledger))["chat", GPT]["calls"] == 1


async def test_an_unknown_price_makes_the_cost_unknown_but_not_the_known_part(empty_ledger: Services) -> None:
    model = ChatModel("test:scripted", ScriptedChatModel(pieces=[f"{SENTENCE} [1]"]))
    usage = (await ask(answerer(empty_ledger, model), empty_ledger, "unpriced")).usage
    assert (usage.total_tokens, usage.cost_usd) == (15, None)
    costs = {
        part["model"]: part["cost_usd"] for part in (await trace_usage(empty_ledger, "unpriced"))["models"]
    }
    assert costs == {"test:scripted": None, TITAN: float(EMBEDDED)}
    rows = await entered(empty_ledger)
    assert (rows["chat", "test:scripted"]["cost_usd"], rows["chat", "test:scripted"]["unpriced_calls"]) == (
        None,
        1,
    )


async def test_a_model_that_breaks_off_is_counted_though_nobody_knows_its_use(empty_ledger: Services) -> None:
    broken = ChatModel(GPT, CachingChatModel(pieces=["Well", ConnectionError("cut off")]))
    sound = ChatModel(NANO, ScriptedChatModel(pieces=[f"{SENTENCE} [1]"]))
    response = await ask(answerer(empty_ledger, broken, sound), empty_ledger, "fallen-back")
    assert response.degraded == [f"generate:{GPT}"]
    assert response.usage.prompt_tokens == 2 * 1000 + 10  # one that breaks off is asked once more
    assert response.usage.cost_usd is None
    rows = await entered(empty_ledger)
    assert (rows["chat", GPT]["calls"], rows["chat", GPT]["unpriced_calls"]) == (2, 2)
    assert rows["chat", NANO]["cost_usd"] == (10 * Decimal("0.1") + 5 * Decimal("0.4")) / 1_000_000


async def test_a_model_that_never_answered_cost_nothing(empty_ledger: Services) -> None:
    broken = ChatModel(GPT, ScriptedChatModel(pieces=[ConnectionError("refused")]))
    with pytest.raises(ModelError):
        await ask(answerer(empty_ledger, broken), empty_ledger, "refused")
    assert set(await entered(empty_ledger)) == {("chat", TITAN)}
    assert (await trace_usage(empty_ledger, "refused"))["cost_usd"] == float(EMBEDDED)


async def test_a_client_that_goes_leaves_what_was_used(empty_ledger: Services) -> None:
    asked = answerer(empty_ledger, ChatModel(GPT, SlowChatModel(pieces=[])))
    request = ChatRequest(query="How many steps has the lighthouse?")
    run = await asked.begin(empty_ledger.default_identity, request, request_id="left")
    stream = stream_answer(asked, run)
    async for part in stream:
        if part.startswith(b"event: sources"):
            break
    await asyncio.sleep(0.1)
    await stream.aclose()
    rows = await entered(empty_ledger)
    assert rows["chat", TITAN]["cost_usd"] == EMBEDDED
    assert (rows["chat", GPT]["calls"], rows["chat", GPT]["unpriced_calls"]) == (1, 1)
    assert [part["model"] for part in (await trace_usage(empty_ledger, "left"))["models"]] == [TITAN, GPT]


async def test_an_answer_beyond_its_deadline_leaves_what_was_used(empty_ledger: Services) -> None:
    asked = answerer(empty_ledger, ChatModel(GPT, SlowChatModel(pieces=[])), timeout_s=0.5)
    with pytest.raises(TimeoutError):
        await ask(asked, empty_ledger, "late")
    assert set(await entered(empty_ledger)) == {("chat", TITAN), ("chat", GPT)}


@pytest.fixture(scope="module")
async def metered_client(logins: DatabaseLogins) -> AsyncIterator[httpx.AsyncClient]:
    """The local models, of which the one for embeddings costs."""
    settings, local = settings_for(logins), LocalModels(MeteredEmbeddings.load)
    async with running_service(settings, local) as opened:
        yield opened


async def spent(client: httpx.AsyncClient, kind: str) -> dict[str, Any] | None:
    body = (await client.get("/usage", params={"group_by": "kind"})).json()
    return next((row for row in body["rows"] if row["label"] == kind), None)


async def test_searches_and_ingestion_are_entered(
    empty_ledger: Services, metered_client: httpx.AsyncClient
) -> None:
    await ingest_text(metered_client, "The harbour closes at dusk.", title="Harbour")
    async with asyncio.timeout(60):  # the job has ended a moment before
        taken_in = None
        while taken_in is None:
            await asyncio.sleep(0.02)
            taken_in = await spent(metered_client, "ingest")
    assert (taken_in["units"], taken_in["input_tokens"]) == (1, PER_TEXT)
    assert taken_in["cost_usd"] == float(EMBEDDED)
    for _ in range(3):
        assert (await metered_client.post("/search", json={"query": "harbour"})).status_code == 200
    searched = await spent(metered_client, "search")
    assert searched is not None
    assert (searched["calls"], searched["cost_usd"]) == (3, float(3 * EMBEDDED))
    await metered_client.post("/search", json={"query": "harbour", "strategy": "lexical"})
    assert await spent(metered_client, "search") == searched


async def test_usage_is_told_by_day_model_or_kind(
    empty_ledger: Services, metered_client: httpx.AsyncClient
) -> None:
    response = await metered_client.post("/chat", json={"query": "How many steps has the lighthouse?"})
    assert response.json()["usage"]["cost_usd"] == float(EMBEDDED)
    today = datetime.now(UTC).date()
    for group_by, labels in (
        ("day", [str(today)]),
        ("model", [TITAN, "local:extractive"]),
        ("kind", ["chat"]),
    ):
        body = (await metered_client.get("/usage", params={"group_by": group_by})).json()
        assert [row["label"] for row in body["rows"]] == labels
        assert body["totals"]["cost_usd"] == float(EMBEDDED)
        assert (body["totals"]["label"], body["totals"]["unpriced_calls"]) == (None, 0)
        assert (body["from"], body["to"]) == (str(today - timedelta(days=29)), str(today))
    past = {"from": "2020-01-01", "to": "2020-12-31"}
    assert (await metered_client.get("/usage", params=past)).json()["rows"] == []


async def test_each_tenant_sees_its_own_use(
    empty_ledger: Services, metered_client: httpx.AsyncClient, database: Database
) -> None:
    async with database.system() as connection:
        other = (await tenants.ensure(connection, slug="other", name="Other")).id
    await metered_client.post("/search", json={"query": "harbour"})
    assert await entered(empty_ledger)
    assert await ledger(database, other) == {}


@pytest.mark.parametrize(
    "query",
    [
        {"from": "yesterday"},
        {"to": "2026-13-01"},
        {"to": "2026-02-30"},
        {"from": "2026-02-01", "to": "2026-01-31"},
        {"from": ""},
        {"from": "2999-01-01"},
        {"group_by": "tenant"},
    ],
)
async def test_dates_and_groups_that_cannot_be_are_refused(
    metered_client: httpx.AsyncClient, query: dict[str, str]
) -> None:
    response = await metered_client.get("/usage", params=query)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("query", [{"to": "0001-01-01"}, {"from": "0001-01-01", "to": "9999-12-31"}])
async def test_the_ends_of_the_calendar_are_dates_too(
    metered_client: httpx.AsyncClient, query: dict[str, str]
) -> None:
    assert (await metered_client.get("/usage", params=query)).status_code == 200
