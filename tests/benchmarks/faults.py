"""Faults of every stage, put into real requests, and the causes that ought to be told of them.

The service, its database and its models are real; what is at fault is wrapped or stands in at the wire: a
chat server that is slow, fails, declines or invents; a retriever that is slow, broken or loses a document; a
reranker that is slow, broken or turns the order round; a floor that is set wrongly; a document that was
deleted; a pool without a free connection.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings

from app.answer_store import AnswerStore
from app.answering import Answerer
from app.debugging.causes import Cause
from app.ingestion.queue import delete_document
from app.model_options import model_options
from app.schemas.chat import ChatRequest, ChatResponse
from app.schemas.traces import TraceOut
from app.services import Services
from eval.cases import EvaluationCase, read_cases
from graph.build import AnswerGraph, build_answer_graph
from graph.state import AnswerContext
from rag.errors import GroundworkError, UnavailableError
from rag.ingest import IncomingFile
from rag.models.local import LocalModels
from rag.models.registry import Models
from rag.models.types import ChatModel
from rag.ports import SearchScope, SourceLabels
from rag.prompts import load_prompt
from rag.retrieve import PassageRetriever, QuestionVector, Retrieval, Retriever, Strategy
from tests.standins.chat_servers import ChatServer

SAMPLE = Path("eval/datasets/squad2_sample")
REMOTE = "openai:stand-in"
TRIES = 8  # questions, for one that a fault makes a difference to
INVENTED = "The emperor of the moon signed 4711 treaties about cheese [1]."
OFF_TOPIC = (
    "Which colour do the curtains of my grandmother have?",
    "What is the recipe for a good lasagne?",
    "How do I reset the password of my router?",
    "Who scored the winning goal last Saturday?",
    "How much does a monthly bus ticket cost in Lisbon?",
    "What time does the bakery on the corner close?",
    "Which guitar strings suit a beginner?",
)


class Reranker(BaseDocumentCompressor):
    """Keeps the order, or turns it round; late, or not at all."""

    delay_s: float = 0.0
    is_broken: bool = False
    is_reversed: bool = False

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        raise NotImplementedError

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        await asyncio.sleep(self.delay_s)
        if self.is_broken:
            raise RuntimeError("of a benchmark")
        ordered = list(reversed(documents)) if self.is_reversed else list(documents)
        for place, document in enumerate(ordered):
            document.metadata["relevance_score"] = 1 / (1 + place)
        return ordered


class BrokenEmbeddings(Embeddings):
    """Always down."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise UnavailableError("of a benchmark")

    def embed_query(self, text: str) -> list[float]:
        raise UnavailableError("of a benchmark")

    async def aembed_query(self, text: str) -> list[float]:
        raise UnavailableError("of a benchmark")


@dataclass(frozen=True, slots=True)
class FaultyRetriever:
    """Searches late, not at all, or without what it finds in one document."""

    inner: PassageRetriever
    delay_s: float = 0.0
    is_broken: bool = False
    loses: str | None = None

    async def retrieve(
        self,
        question: str,
        scope: SearchScope,
        *,
        strategy: Strategy = Strategy.AUTO,
        top_k: int = 8,
        vector: Sequence[float] | QuestionVector | None = None,
        exact: bool = False,
    ) -> Retrieval:
        await asyncio.sleep(self.delay_s)
        if self.is_broken:
            raise UnavailableError("of a benchmark")
        found = await self.inner.retrieve(
            question, scope, strategy=strategy, top_k=top_k, vector=vector, exact=exact
        )
        left = [each for each in found.passages if each.passage.source_document_id != self.loses]
        return replace(found, passages=left)


@dataclass(frozen=True, slots=True)
class Told:
    """A fault, what ought to be told of it, and what was."""

    fault: str
    expected: Cause
    story: TraceOut

    @property
    def is_right(self) -> bool:
        return self.story.primary_cause is self.expected


@dataclass(slots=True)
class Lab:
    """A service that faults are put into.

    Attributes:
        answered: Questions that are answered rightly without a fault, and their answers.
        deleted: Documents to be taken in again.
    """

    services: Services
    graph: AnswerGraph
    context: AnswerContext
    remote: tuple[ChatModel, ...]
    crowded: tuple[ChatModel, ...]
    server: ChatServer
    draw: random.Random
    answered: list[tuple[EvaluationCase, ChatResponse]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    async def ask(self, query: str, **changes: object) -> tuple[str, ChatResponse | None]:
        """Ask with parts of the context changed; the request's id, and the answer unless it failed."""
        context = replace(self.context, **changes)  # type: ignore[arg-type]
        services = self.services
        answerer = Answerer(
            services.database,
            AnswerStore(
                services.database,
                embedding_model=lambda: services.spaces.current.model.name,
                store_text=True,
            ),
            self.graph,
            context,
            questions=services.privacy.questions,
            keys=services.privacy.keys,
            top_k=8,
            timeout_s=20,
        )
        request_id = uuid4().hex
        run = await answerer.begin(services.default_identity, ChatRequest(query=query), request_id=request_id)
        try:
            return request_id, await answerer.answer(run)
        except (GroundworkError, TimeoutError):
            return request_id, None

    async def story(self, request_id: str) -> TraceOut:
        return await self.services.explainer.explain(self.services.default_identity, request_id, replay=True)

    async def ask_until_wrong(self, changes: Callable[[EvaluationCase], dict[str, object]]) -> str:
        """Ask several questions until one is no longer answered rightly: only then is the change a fault."""
        for _ in range(TRIES):
            case, _ = self.pick()
            request_id, answer = await self.ask(case.query, **changes(case))
            if answer is None or not _is_right(case, answer):
                break
        return request_id

    def pick(self) -> tuple[EvaluationCase, ChatResponse]:
        return self.draw.choice(self.answered)

    async def find_answered(self, cases: Sequence[EvaluationCase]) -> None:
        """Keep the cases whose answer holds what is expected and cites the right document."""
        for case in cases:
            _, answer = await self.ask(case.query)
            assert answer is not None
            cited = {citation.source_document_id for citation in answer.citations}
            if _is_right(case, answer) and cited & set(case.ground_truth_docs):
                self.answered.append((case, answer))


def _expected(case: EvaluationCase) -> list[str]:
    wanted = case.expected_answer or []
    return [wanted] if isinstance(wanted, str) else wanted


def _is_right(case: EvaluationCase, answer: ChatResponse) -> bool:
    return any(wanted in answer.answer for wanted in _expected(case))


def _gold(case: EvaluationCase) -> str:
    return next(iter(case.ground_truth_docs))


Fault = Callable[[Lab], Awaitable[str]]


async def nothing(lab: Lab) -> str:
    return (await lab.ask(lab.pick()[0].query))[0]


async def nothing_remote(lab: Lab) -> str:
    case, answer = lab.pick()
    lab.server.reply = answer.answer
    return (await lab.ask(case.query, chat_models=lab.remote))[0]


async def off_topic(lab: Lab) -> str:
    return (await lab.ask(lab.draw.choice(OFF_TOPIC)))[0]


async def slow_search(lab: Lab) -> str:
    retriever = FaultyRetriever(lab.context.retriever, delay_s=lab.draw.uniform(0.5, 1.5))
    return (await lab.ask(lab.pick()[0].query, retriever=retriever))[0]


async def slow_reranker(lab: Lab) -> str:
    reranker = Reranker(delay_s=lab.draw.uniform(0.5, 1.5))
    return (await lab.ask(lab.pick()[0].query, reranker=reranker))[0]


async def slow_model(lab: Lab) -> str:
    case, answer = lab.pick()
    lab.server.reply, lab.server.delay_s = answer.answer, lab.draw.uniform(2.0, 4.0)
    return (await lab.ask(case.query, chat_models=lab.remote))[0]


async def crowded_model(lab: Lab) -> str:
    """Another request has the model to itself for a second."""
    case, answer = lab.pick()
    lab.server.reply, lab.server.delay_s = answer.answer, 1.0
    first = asyncio.create_task(lab.ask(case.query, chat_models=lab.crowded))
    await asyncio.sleep(0.7)
    lab.server.delay_s = 0.0
    request_id, _ = await lab.ask(case.query, chat_models=lab.crowded)
    await first
    return request_id


async def crowded_out(lab: Lab) -> str:
    """Two others wait for the model or have it, and no more may."""
    case, answer = lab.pick()
    lab.server.reply, lab.server.delay_s = answer.answer, 1.5
    others = [asyncio.create_task(lab.ask(case.query, chat_models=lab.crowded)) for _ in range(2)]
    await asyncio.sleep(0.7)
    request_id, _ = await lab.ask(case.query, chat_models=lab.crowded)
    await asyncio.gather(*others)
    return request_id


async def no_connection(lab: Lab) -> str:
    """All connections of the pool are held for a while."""
    tenant_id = lab.services.default_identity.tenant_id
    async with AsyncExitStack() as held:
        for _ in range(lab.services.settings.db_connections):
            await held.enter_async_context(lab.services.database.tenant(tenant_id))
        asking = asyncio.create_task(lab.ask(lab.pick()[0].query))
        await asyncio.sleep(lab.draw.uniform(0.5, 1.2))
    return (await asking)[0]


async def lost_document(lab: Lab) -> str:
    return await lab.ask_until_wrong(
        lambda case: {"retriever": FaultyRetriever(lab.context.retriever, loses=_gold(case))}
    )


async def damaged_ranking(lab: Lab) -> str:
    return await lab.ask_until_wrong(lambda _: {"reranker": Reranker(is_reversed=True)})


async def declining_model(lab: Lab) -> str:
    lab.server.reply = "NO_ANSWER"
    return (await lab.ask(lab.pick()[0].query, chat_models=lab.remote))[0]


async def distracted_model(lab: Lab) -> str:
    """It quotes a source that has nothing to do with the question."""
    case, answer = lab.pick()
    last = len(answer.retrieved_documents)
    text = answer.retrieved_documents[-1].text
    lab.server.reply = f"{' '.join(text.split()[:12])} [{last}]."
    return (await lab.ask(case.query, chat_models=lab.remote))[0]


async def inventing_model(lab: Lab) -> str:
    lab.server.reply = INVENTED
    return (await lab.ask(lab.pick()[0].query, chat_models=lab.remote))[0]


async def wrong_marker(lab: Lab) -> str:
    case, answer = lab.pick()
    lab.server.reply = f"{answer.citations[0].quote} [77]"
    return (await lab.ask(case.query, chat_models=lab.remote))[0]


async def high_floor(lab: Lab) -> str:
    return (await lab.ask(lab.pick()[0].query, relevance_floor=0.99))[0]


async def failing_model(lab: Lab) -> str:
    lab.server.failure = (500, {})
    return (await lab.ask(lab.pick()[0].query, chat_models=lab.remote))[0]


async def fallback_model(lab: Lab) -> str:
    lab.server.failure = (500, {})
    return (await lab.ask(lab.pick()[0].query, chat_models=(*lab.remote, *lab.context.chat_models)))[0]


async def broken_embeddings(lab: Lab) -> str:
    space = lab.services.spaces.current
    retriever = Retriever(
        space.chunk_search, BrokenEmbeddings(), model=space.model.name, dimensions=space.model.dimensions
    )
    return (await lab.ask(lab.pick()[0].query, retriever=retriever))[0]


async def broken_reranker(lab: Lab) -> str:
    return (await lab.ask(lab.pick()[0].query, reranker=Reranker(is_broken=True)))[0]


async def broken_search(lab: Lab) -> str:
    return (
        await lab.ask(lab.pick()[0].query, retriever=FaultyRetriever(lab.context.retriever, is_broken=True))
    )[0]


async def deleted_document(lab: Lab) -> str:
    """Deleted after it alone was cited for the same question, which then goes wrong; it is taken in again."""
    alone = [each for each in lab.answered if len({one.document_id for one in each[1].citations}) == 1]
    identity, database = lab.services.default_identity, lab.services.database
    for _ in range(TRIES):
        await take_in_again(lab)
        case, _ = lab.draw.choice(alone)
        _, answer = await lab.ask(case.query)
        assert answer is not None
        name = _gold(case)
        document_id = next(each.document_id for each in answer.citations if each.source_document_id == name)
        await delete_document(database, identity.tenant_id, identity.groups, document_id)
        lab.deleted.append(name)
        request_id, answer = await lab.ask(case.query)
        if answer is None or not _is_right(case, answer):
            break
    return request_id


async def take_in_again(lab: Lab) -> None:
    """What a fault has deleted."""
    while lab.deleted:
        name = lab.deleted.pop()
        file = IncomingFile(SAMPLE / name, SourceLabels(name), filename=name)
        await lab.services.ingestor.ingest(lab.services.default_identity.writer(), file)


FAULTS: tuple[tuple[Fault, Cause], ...] = (
    (slow_search, Cause.SLOW_RETRIEVAL),
    (slow_reranker, Cause.SLOW_RERANK),
    (slow_model, Cause.SLOW_GENERATION),
    (crowded_model, Cause.SLOW_QUEUE),
    (no_connection, Cause.SLOW_QUEUE),
    (crowded_out, Cause.OVERLOAD),
    (lost_document, Cause.RETRIEVAL_MISSED),
    (damaged_ranking, Cause.RANKED_OUT),
    (declining_model, Cause.MODEL_IGNORED_SOURCE),
    (distracted_model, Cause.MODEL_IGNORED_SOURCE),
    (inventing_model, Cause.CITATION_DROPPED),
    (wrong_marker, Cause.CITATION_DROPPED),
    (high_floor, Cause.ABSTAINED_WRONGLY),
    (deleted_document, Cause.DOCUMENT_MISSING),
    (failing_model, Cause.MODEL_FAILED),
    (fallback_model, Cause.DEGRADED_GENERATE),
    (broken_embeddings, Cause.DEGRADED_RETRIEVE),
    (broken_reranker, Cause.DEGRADED_RERANK),
    (broken_search, Cause.ERROR),
)
CONTROLS: tuple[tuple[Fault, Cause], ...] = (
    (nothing, Cause.NONE),
    (nothing_remote, Cause.NONE),
    (off_topic, Cause.NO_EVIDENCE),
)


async def tell(lab: Lab, fault: Fault, expected: Cause) -> Told:
    """Put a fault into a request, and have the request explained."""
    lab.server.reply, lab.server.delay_s, lab.server.failure = "", 0.0, None
    request_id = await fault(lab)
    told = Told(fault.__name__, expected, await lab.story(request_id))
    await take_in_again(lab)
    return told


async def tell_all(lab: Lab, *, faults: int, controls: int) -> list[Told]:
    """So many of both, each kind as often as the others, in random order."""
    chosen = [FAULTS[i % len(FAULTS)] for i in range(faults)]
    chosen += [CONTROLS[i % len(CONTROLS)] for i in range(controls)]
    lab.draw.shuffle(chosen)
    return [await tell(lab, fault, expected) for fault, expected in chosen]


@asynccontextmanager
async def open_lab(
    services: Services, local: LocalModels, server: ChatServer, *, questions: int, seed: int
) -> AsyncIterator[Lab]:
    """A lab over services that know the sample's documents.

    Args:
        services: That know the sample.
        local: Models that are loaded.
        server: Set as OpenAI in the environment.
        questions: How many are tried.
        seed: Of all that is drawn.
    """
    draw = random.Random(seed)  # noqa: S311 - not a secret
    settings = services.settings
    options = model_options(settings)
    calm = replace(options.resilience, attempts=1, breaker_failures=100)
    models = Models(replace(options, resilience=calm))
    crowded = Models(replace(options, resilience=replace(calm, limit=1, queue=1)))
    context = AnswerContext(
        scope=services.default_identity.scope(),
        retriever=services.spaces,
        reranker=Reranker(),
        chat_models=(local.chat(),),
        prompt=load_prompt(settings.answer_prompt),
        context_tokens=settings.context_tokens,
        relevance_floor=settings.relevance_floor,
    )
    lab = Lab(
        services=services,
        graph=build_answer_graph(),
        context=context,
        remote=models.chat_models(REMOTE),
        crowded=crowded.chat_models(REMOTE),
        server=server,
        draw=draw,
    )
    cases = [case for case in read_cases(SAMPLE.with_suffix(".jsonl")).cases if case.answerable]
    try:
        await lab.find_answered(draw.sample(cases, min(questions, len(cases))))
        yield lab
    finally:
        await models.close()
        await crowded.close()
