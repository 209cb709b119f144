"""One question from start to stored trace. No database connection is held while a model writes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import structlog

from app.access.identity import ANONYMOUS, Identity
from app.privacy.field_keys import FieldKeys
from app.privacy.person import digests
from app.privacy.presence import are_gone, check_in
from app.privacy.sealed import sealed_citations, sealed_message, sealed_trace
from app.schemas.chat import ChatRequest, ChatResponse, CitationOut, RetrievedDocument, Usage
from db.pool import Connection, Database
from db.repositories import conversations, sources, tenants, traces, usage
from db.repositories.usage import Origin, RequestKind
from graph.build import AnswerGraph, run_answer_graph
from graph.events import AnswerEvent, Finished, Released, SourcesChosen
from graph.state import AnswerContext, AnswerState
from rag.cite import Citation
from rag.encryption.sealing import Keyring
from rag.errors import GroundworkError, NotFoundError
from rag.models.catalog import Operation
from rag.models.resilience.deadline import deadline
from rag.models.usage import Meter, ModelUse, cost_usd, metering
from rag.ports import RetrievedPassage
from rag.privacy.questions import Question, QuestionRedactor

log = structlog.get_logger(__name__)

Emit = Callable[[AnswerEvent], Awaitable[None]]


@dataclass(slots=True)
class Run:
    """A question that is being answered, and what is known of it so far.

    Attributes:
        question: The request's, with personal data taken out as the tenant wants it.
        ring: Seals what is stored.
        began_at: By the database's clock.
    """

    identity: Identity
    request: ChatRequest
    request_id: str
    conversation_id: UUID
    subject: str
    corpus_version: int
    question: Question
    ring: Keyring
    began_at: datetime
    suppressed: tuple[str, ...] = ()
    began: float = field(default_factory=time.perf_counter)
    sources: list[RetrievedPassage] = field(default_factory=list)
    released: list[Released] = field(default_factory=list)
    meter: Meter = field(default_factory=Meter)

    @property
    def answer(self) -> str:
        return "".join(piece.text for piece in self.released)

    @property
    def citations(self) -> list[Citation]:
        return [citation for piece in self.released for citation in piece.citations]

    @property
    def people(self) -> list[str]:
        """Digests of those whose question it is."""
        return digests(self.identity.tenant_id, self.subject, self.request.user_id)


async def emit_nothing(event: AnswerEvent) -> None:
    """For callers that want the whole answer at once."""


class Answerer:
    """Answers questions and stores conversation, messages and trace.

    Args:
        database: Where they are stored.
        graph: The compiled answer graph.
        context: What every run shares; the scope is set for each.
        questions: Takes personal data out of questions.
        keys: Seal what is stored.
        embedding_model: Gives the name of the model that searches use now, for traces.
        top_k: Passages to retrieve when a request doesn't say.
        timeout_s: Deadline of one answer in seconds.
        store_text: Whether question and answer may be stored.
    """

    def __init__(
        self,
        database: Database,
        graph: AnswerGraph,
        context: AnswerContext,
        *,
        questions: QuestionRedactor,
        keys: FieldKeys,
        embedding_model: Callable[[], str],
        top_k: int,
        timeout_s: float,
        store_text: bool,
    ) -> None:
        self._database = database
        self._graph = graph
        self._context = context
        self._questions = questions
        self._keys = keys
        self._embedding_model = embedding_model
        self._top_k = top_k
        self._timeout_s = timeout_s
        self._store_text = store_text
        self._finishing: set[asyncio.Task[None]] = set()

    async def begin(self, identity: Identity, request: ChatRequest, *, request_id: str) -> Run:
        """Open the conversation, a new one unless the request names one.

        Raises:
            NotFoundError: The conversation isn't there, or isn't the caller's.
            UnavailableError: What will be stored can't be sealed now, or the caller is being erased.
        """
        identity = identity.on_behalf_of(request.user_id)
        tenant_id = identity.tenant_id
        ring = await self._keys.ring(tenant_id) if self._store_text else Keyring(tenant_id)
        async with self._database.tenant(tenant_id) as connection:
            await check_in(connection, digests(tenant_id, identity.subject, request.user_id))
            conversation_id = request.conversation_id
            if conversation_id is None:
                conversation_id = await conversations.start(
                    connection, identity.tenant_id, subject=identity.subject
                )
                subject = identity.subject or f"{ANONYMOUS}{conversation_id}"
            else:
                subject = await conversations.subject_of(connection, conversation_id) or ""
                if not identity.owns(subject):
                    raise NotFoundError(f"you have no conversation {conversation_id}")
            corpus_version = await tenants.corpus_version(connection, identity.tenant_id)
            suppressed = await tenants.suppressed(connection, identity.tenant_id)
            privacy = await tenants.privacy(connection, tenant_id)
        question = await self._questions.read(request.query, privacy.settings)
        return Run(
            identity,
            request,
            request_id,
            conversation_id,
            subject,
            corpus_version,
            question,
            ring,
            began_at=privacy.moment,
            suppressed=suppressed,
        )

    async def answer(self, run: Run, emit: Emit = emit_nothing) -> ChatResponse:
        """Answer, telling each event as it comes; then store what happened, also when it failed.

        Raises:
            GroundworkError: Retrieval or every chat model failed.
            TimeoutError: The deadline has passed.
        """
        try:
            with metering(run.meter), deadline(self._timeout_s):
                async with asyncio.timeout(self._timeout_s):
                    state = await self._drive(run, emit)
        except BaseException as exc:
            # Cancelled means that the client has gone: that it asked is recorded all the same.
            await self._finish(self._store_failure(run, exc))
            raise
        response = self._response(run, state)
        await self._finish(self._store(run, response, self._trace(run, response)))
        return response

    async def _finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work` to its end, however often the caller is cancelled meanwhile; then let that happen.

        A server whose client has gone cancels again at every await.
        """
        task = asyncio.create_task(work)
        self._finishing.add(task)  # a task that nobody refers to may be collected
        task.add_done_callback(self._finishing.discard)
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError as exc:
                cancelled = exc
        if cancelled:
            raise cancelled
        task.result()

    async def _drive(self, run: Run, emit: Emit) -> AnswerState:
        request = run.request
        scope = request.filters.narrow(run.identity.scope())
        context = replace(
            self._context,
            scope=scope,
            hold_back=not request.stream,
            suppressed=self._context.suppressed + run.suppressed,
        )
        events = run_answer_graph(
            self._graph,
            question=run.question.asked,
            strategy=request.strategy,
            top_k=request.top_k or self._top_k,
            context=context,
        )
        async for event in events:
            match event:
                case Finished(state):
                    return state
                case SourcesChosen(sources):
                    run.sources = sources
                case Released():
                    run.released.append(event)
            await emit(event)
        raise GroundworkError("the answer graph ended without an end")

    def _response(self, run: Run, state: AnswerState) -> ChatResponse:
        return ChatResponse(
            request_id=run.request_id,
            conversation_id=run.conversation_id,
            answer=run.answer,
            citations=[CitationOut.model_validate(citation) for citation in run.citations],
            retrieved_documents=[RetrievedDocument.of(source) for source in run.sources],
            abstained=state.get("abstained", False),
            degraded=state["degraded"],
            metadata=dict(run.request.metadata),
            usage=_usage(run.meter.uses),
            timings_ms=state["timings_ms"],
            latency_ms=round((time.perf_counter() - run.began) * 1000, 2),
            model_name=state.get("model_name"),
        )

    def _trace(self, run: Run, response: ChatResponse) -> traces.Trace:
        return replace(
            self._blank_trace(run),
            answer=response.answer if self._store_text else None,
            models={"chat": response.model_name, "embedding": self._embedding_model()},
            timings_ms={**response.timings_ms, "total": response.latency_ms},
            degraded=response.degraded,
            abstained=response.abstained,
        )

    def _blank_trace(self, run: Run) -> traces.Trace:
        return traces.Trace(
            request_id=run.request_id,
            conversation_id=run.conversation_id,
            subject=run.subject,
            user_id=run.request.user_id,
            strategy=run.request.strategy,
            query=run.question.stored if self._store_text else None,
            answer=None,
            retrieved=[_retrieved(rank, found) for rank, found in enumerate(run.sources, start=1)],
            citations=[
                {"index": c.index, "chunk_id": str(c.chunk_id), "start": c.start, "end": c.end}
                for c in run.citations
            ],
            prompt_version=self._context.prompt.version,
            corpus_version=run.corpus_version,
            models={"embedding": self._embedding_model()},
            usage=_usage_record(run.meter.uses),
            timings_ms={},
            degraded=[],
            abstained=False,
            error=None,
            metadata=dict(run.request.metadata),
            redacted=list(run.question.redacted),
        )

    async def _store(self, run: Run, response: ChatResponse, trace: traces.Trace) -> None:
        tenant_id = run.identity.tenant_id
        async with self._database.tenant(tenant_id) as connection:
            if await self._is_gone(connection, run):
                return
            cited = {citation.document_id for citation in run.citations}
            gone = cited - await sources.still_there(connection, list(cited))
            trace_id = await traces.add(connection, tenant_id, sealed_trace(run.ring, trace))
            for role, content, citations in (
                ("user", trace.query, []),
                ("assistant", trace.answer, self._stored_citations(run)),
            ):
                message_id = uuid4()
                await conversations.add_message(
                    connection,
                    tenant_id,
                    message_id=message_id,
                    conversation_id=run.conversation_id,
                    trace_id=trace_id,
                    role=role,
                    content=sealed_message(run.ring, message_id, content),
                    citations=sealed_citations(run.ring, message_id, citations),
                )
            for document_id in gone:  # deleted while the answer was being written
                await conversations.blank_quotes(connection, tenant_id, document_id)
            await usage.add(connection, tenant_id, RequestKind.CHAT, run.meter.uses, _origin(run, trace_id))

    async def _is_gone(self, connection: Connection, run: Run) -> bool:
        """Whether whoever asked was erased since; then nothing but what was used is written down."""
        tenant_id = run.identity.tenant_id
        gone = await are_gone(connection, tenant_id, run.people, began_at=run.began_at)
        if gone:
            await usage.add(connection, tenant_id, RequestKind.CHAT, run.meter.uses)
        return gone

    def _stored_citations(self, run: Run) -> list[conversations.StoredCitation]:
        return [
            conversations.StoredCitation(
                citation_index=citation.index,
                chunk_id=citation.chunk_id,
                document_id=citation.document_id,
                statement=piece.text.strip() if self._store_text else None,
                quote=citation.quote if self._store_text else None,
                start=citation.start,
                end=citation.end,
            )
            for piece in run.released
            for citation in piece.citations
        ]

    async def _store_failure(self, run: Run, exc: BaseException) -> None:
        error = "client_closed" if isinstance(exc, asyncio.CancelledError) else type(exc).__name__
        elapsed = round((time.perf_counter() - run.began) * 1000, 2)
        tenant_id = run.identity.tenant_id
        try:
            async with self._database.tenant(tenant_id) as connection:
                if await self._is_gone(connection, run):
                    return
                trace = replace(self._blank_trace(run), timings_ms={"total": elapsed}, error=error)
                trace_id = await traces.add(connection, tenant_id, sealed_trace(run.ring, trace))
                await usage.add(
                    connection, tenant_id, RequestKind.CHAT, run.meter.uses, _origin(run, trace_id)
                )
        except GroundworkError:
            log.exception("trace_lost", error=error)


def _origin(run: Run, trace_id: UUID) -> Origin:
    return Origin(request_id=run.request_id, trace_id=trace_id, subject=run.subject)


def _usage(uses: Sequence[ModelUse]) -> Usage:
    chats = [use for use in uses if use.operation is Operation.CHAT]
    prompt, completion = sum(use.prompt_tokens for use in chats), sum(use.output_tokens for use in chats)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        cost_usd=cost_usd(uses),
    )


def _usage_record(uses: Sequence[ModelUse]) -> dict[str, Any]:
    """What a trace keeps: the sums, and each model's part of them."""
    models = [asdict(use) | {"cost_usd": cost_usd([use])} for use in uses]
    return {**_usage(uses).model_dump(), "models": models}


def _retrieved(rank: int, found: RetrievedPassage) -> dict[str, Any]:
    return {
        "rank": rank,
        "chunk_id": str(found.passage.chunk_id),
        "document_id": str(found.passage.document_id),
        "score": found.score,
        "vector": {"rank": found.vector_rank, "score": found.vector_score},
        "lexical": {"rank": found.lexical_rank, "score": found.lexical_score},
        "fused": {"rank": found.fused_rank, "score": found.fused_score},
        "rerank": {"rank": found.rerank_rank, "score": found.rerank_score},
    }
