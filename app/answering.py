"""One question from start to stored trace. No database connection is held while a model writes."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import structlog

from app.access.identity import ANONYMOUS, Identity
from app.asked import asked_record
from app.debugging.records import answer_record, failure_record, milliseconds_since, request_record
from app.experiments.running import Assigned, Assigner
from app.experiments.setups import AnswerSetup
from app.experiments.shadow import AnsweredRequest, Shadow
from app.privacy.field_keys import FieldKeys
from app.privacy.person import digests
from app.privacy.presence import are_gone, check_in
from app.privacy.sealed import sealed_citations, sealed_message, sealed_trace
from app.schemas.chat import ChatRequest, ChatResponse, CitationOut, RetrievedDocument
from app.telemetry.recording import AnswerRecorder
from app.trace_records import citation_records, retrieved_records, usage_of, usage_record
from db.pool import Connection, Database
from db.repositories import conversations, exposures, sources, tenants, traces, usage
from db.repositories.exposures import Exposure
from db.repositories.usage import Origin, RequestKind
from feedback.curated_lookup import NOTHING, CuratedLookup, Looked
from feedback.quality.monitor import GivenAnswer, Observer
from graph.build import AnswerGraph, run_answer_graph
from graph.events import AnswerEvent, Finished, Released, SourcesChosen
from graph.state import AnswerContext, AnswerState
from rag.cite import Citation
from rag.encryption.sealing import Keyring
from rag.errors import GroundworkError, NotFoundError
from rag.guardrail import Side
from rag.models.resilience.deadline import deadline
from rag.models.usage import Meter, metering
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
        accept_ms: From the call of `begin` to its end.
        degraded: What failed before the answer graph began.
        curated_id: The curated answer that was given, if one was.
        setup: How it is answered.
        assigned: The variant of an experiment that it is, if it is one.
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
    setup: AnswerSetup
    assigned: Assigned | None = None
    suppressed: tuple[str, ...] = ()
    accept_ms: float = 0.0
    began: float = field(default_factory=time.perf_counter)
    sources: list[RetrievedPassage] = field(default_factory=list)
    released: list[Released] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    curated_id: UUID | None = None
    meter: Meter = field(default_factory=Meter)

    @property
    def variant(self) -> str | None:
        """As the answer and its trace name it."""
        return self.assigned.label if self.assigned else None

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
        curated: Finds answers that were pinned to questions; None asks the documents always.
        experiments: Say who is answered by another setup; None gives everybody the same.
        shadow: Takes what was answered; None for nobody.
        recorder: Counts and logs answers; None for nobody.
        observer: Is shown what was answered; None for nobody.
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
        curated: CuratedLookup | None = None,
        experiments: Assigner | None = None,
        shadow: Shadow | None = None,
        recorder: AnswerRecorder | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._database = database
        self._graph = graph
        self._setup = AnswerSetup(context, top_k)
        self._questions = questions
        self._keys = keys
        self._embedding_model = embedding_model
        self._timeout_s = timeout_s
        self._store_text = store_text
        self._curated = curated
        self._experiments = experiments
        self._shadow = shadow
        self._recorder = recorder or AnswerRecorder()
        self._observer = observer
        self._finishing: set[asyncio.Task[None]] = set()

    async def begin(self, identity: Identity, request: ChatRequest, *, request_id: str) -> Run:
        """Open the conversation, a new one unless the request names one.

        Raises:
            NotFoundError: The conversation isn't there, or isn't the caller's.
            UnavailableError: What will be stored can't be sealed now, or the caller is being erased.
        """
        arrived = time.perf_counter()
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
        assigned = self._experiments.assign(tenant_id, subject) if self._experiments else None
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
            setup=assigned.setup if assigned else self._setup,
            assigned=assigned,
            suppressed=suppressed,
            accept_ms=milliseconds_since(arrived),
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
        self._recorder.answered(
            response, question=run.question.asked, passages=state.get("candidates", run.sources)
        )
        trace = self._trace(run, response, state)
        await self._finish(self._store(run, response, trace))
        if self._shadow and run.curated_id is None:
            self._shadow.offer(_answered(run, trace))
        if self._observer and run.curated_id is None:
            self._observer.offer(_given(run, response))
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
        base = run.setup.context
        context = replace(
            base, scope=scope, hold_back=not request.stream, suppressed=base.suppressed + run.suppressed
        )
        async for event in await self._events(run, context):
            match event:
                case Finished(state):
                    return state
                case SourcesChosen(sources):
                    run.sources = sources
                case Released():
                    if not run.released:
                        self._recorder.released_first(run.began)
                    run.released.append(event)
            await emit(event)
        raise GroundworkError("the answer graph ended without an end")

    async def _events(self, run: Run, context: AnswerContext) -> AsyncIterator[AnswerEvent]:
        """Of the curated answer to the question, or of a run of the graph."""
        question, strategy = run.question.asked, run.setup.strategy_for(run.request.strategy)
        top_k = run.request.top_k or run.setup.top_k
        looked = await self._look_up(run, context)
        if looked.served is not None:
            run.curated_id = looked.served.id
            return looked.served.events(question, strategy=strategy, top_k=top_k)
        context = replace(context, retriever=looked.sharing(context.retriever))
        return run_answer_graph(
            self._graph, question=question, strategy=strategy, top_k=top_k, context=context
        )

    async def _look_up(self, run: Run, context: AnswerContext) -> Looked:
        """What is known of a curated answer. A caller who names documents wants to hear these."""
        if self._curated is None or context.scope.filter is not None:
            return NOTHING
        question = run.question.asked
        try:
            looked = await self._curated.find(context.scope, question, suppressed=context.suppressed)
        except GroundworkError:  # the documents may answer all the same
            log.warning("curated_lookup_failed", exc_info=True)
            run.degraded.append("curated")
            return NOTHING
        self._recorder.looked_up_curated(found=looked.served is not None)
        if looked.served is not None and context.guardrail is not None:
            await context.guardrail.check(question, Side.QUESTION)
        return looked

    def _response(self, run: Run, state: AnswerState) -> ChatResponse:
        return ChatResponse(
            request_id=run.request_id,
            conversation_id=run.conversation_id,
            answer=run.answer,
            citations=[CitationOut.model_validate(citation) for citation in run.citations],
            retrieved_documents=[RetrievedDocument.of(source) for source in run.sources],
            abstained=state.get("abstained", False),
            degraded=[*run.degraded, *state["degraded"]],
            metadata=dict(run.request.metadata),
            usage=usage_of(run.meter.uses),
            timings_ms=state["timings_ms"],
            latency_ms=round((time.perf_counter() - run.began) * 1000, 2),
            model_name=state.get("model_name"),
            curated=run.curated_id is not None,
            variant=run.variant,
        )

    def _trace(self, run: Run, response: ChatResponse, state: AnswerState) -> traces.Trace:
        blank = self._blank_trace(run)
        return replace(
            blank,
            diagnostics=blank.diagnostics | answer_record(state, run.sources),
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
            retrieved=retrieved_records(run.sources),
            citations=citation_records(run.citations),
            prompt_version=run.setup.context.prompt.version,
            corpus_version=run.corpus_version,
            models={"embedding": self._embedding_model()},
            usage=usage_record(run.meter.uses),
            timings_ms={},
            degraded=[],
            abstained=False,
            error=None,
            metadata=dict(run.request.metadata),
            redacted=list(run.question.redacted),
            curated_id=run.curated_id,
            variant=run.variant if run.curated_id is None else None,
            diagnostics={
                **request_record(
                    accept_ms=run.accept_ms,
                    waited_s=run.meter.waited_s,
                    floor=run.setup.context.relevance_floor,
                ),
                "asked": asked_record(run.request, run.identity.groups, with_text=self._store_text),
            },
        )

    async def _store(self, run: Run, response: ChatResponse, trace: traces.Trace) -> None:
        tenant_id = run.identity.tenant_id
        async with self._database.tenant(tenant_id) as connection:
            if await self._is_gone(connection, run):
                return
            cited = {citation.document_id for citation in run.citations}
            gone = cited - await sources.still_there(connection, list(cited))
            trace_id = await traces.add(connection, tenant_id, sealed_trace(run.ring, trace))
            await _expose(connection, run)
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
        self._recorder.failed(error)
        elapsed = round((time.perf_counter() - run.began) * 1000, 2)
        tenant_id = run.identity.tenant_id
        try:
            async with self._database.tenant(tenant_id) as connection:
                if await self._is_gone(connection, run):
                    return
                blank = self._blank_trace(run)
                trace = replace(
                    blank,
                    timings_ms={"total": elapsed},
                    error=error,
                    diagnostics=blank.diagnostics | failure_record(run.sources, run.released),
                )
                trace_id = await traces.add(connection, tenant_id, sealed_trace(run.ring, trace))
                await _expose(connection, run)
                await usage.add(
                    connection, tenant_id, RequestKind.CHAT, run.meter.uses, _origin(run, trace_id)
                )
        except GroundworkError:
            log.exception("trace_lost", error=error)


def _origin(run: Run, trace_id: UUID) -> Origin:
    return Origin(request_id=run.request_id, trace_id=trace_id, subject=run.subject)


async def _expose(connection: Connection, run: Run) -> None:
    """Note that whoever asked met a variant. A curated answer is the same in each."""
    if run.assigned is None or run.curated_id is not None:
        return
    exposure = Exposure(
        run.assigned.experiment_id, run.subject, run.request.user_id, run.assigned.variant, run.began_at
    )
    await exposures.expose(connection, run.identity.tenant_id, exposure)


def _given(run: Run, response: ChatResponse) -> GivenAnswer:
    cosines = [source.vector_score for source in run.sources if source.vector_score is not None]
    return GivenAnswer(
        tenant_id=run.identity.tenant_id,
        question=run.question.asked,
        answer=None if response.abstained else response.answer,
        sources=tuple(source.passage.text for source in run.sources),
        score=max(cosines, default=None),
    )


def _answered(run: Run, trace: traces.Trace) -> AnsweredRequest:
    return AnsweredRequest(
        tenant_id=run.identity.tenant_id,
        request_id=run.request_id,
        trace_id=trace.id,
        subject=run.subject,
        user_id=run.request.user_id,
        question=run.question.asked,
        scope=run.request.filters.narrow(run.identity.scope()),
        strategy=run.request.strategy,
        top_k=run.request.top_k,
        suppressed=run.suppressed,
        people=tuple(run.people),
        began_at=run.began_at,
        ring=run.ring,
        answer=run.answer,
        chunk_ids=frozenset(source.passage.chunk_id for source in run.sources),
    )
