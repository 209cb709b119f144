"""One question from start to stored trace. No database connection is held while a model writes."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

import structlog

from app.access.identity import ANONYMOUS, Identity
from app.answer_run import Run
from app.answer_store import AnswerStore
from app.debugging.records import milliseconds_since
from app.experiments.running import Assigner
from app.experiments.setups import AnswerSetup
from app.experiments.shadow import AnsweredRequest, Shadow
from app.privacy.field_keys import FieldKeys
from app.privacy.person import digests
from app.privacy.presence import check_in
from app.schemas.chat import ChatRequest, ChatResponse, CitationOut, RetrievedDocument
from app.telemetry.recording import AnswerRecorder
from app.trace_records import usage_of
from db.pool import Database
from db.repositories import conversations, tenants, traces
from feedback.curated_lookup import NOTHING, CuratedLookup, Looked
from feedback.quality.monitor import GivenAnswer, Observer
from graph.build import AnswerGraph, run_answer_graph
from graph.events import AnswerEvent, Finished, Released, SourcesChosen
from graph.state import AnswerContext, AnswerState
from rag.encryption.sealing import Keyring
from rag.errors import GroundworkError, NotFoundError
from rag.guardrail import Side
from rag.models.resilience.deadline import deadline
from rag.models.usage import metering
from rag.privacy.questions import QuestionRedactor
from rag.retrieve import EmbeddedQuestion, QuestionVector

log = structlog.get_logger(__name__)

Emit = Callable[[AnswerEvent], Awaitable[None]]


async def emit_nothing(event: AnswerEvent) -> None:
    """For callers that want the whole answer at once."""


class Answerer:
    """Answers questions and stores conversation, messages and trace.

    Args:
        database: Where conversations are.
        store: Keeps what happened.
        graph: The compiled answer graph.
        context: What every run shares; the scope is set for each.
        questions: Takes personal data out of questions.
        keys: Seal what is stored.
        top_k: Passages to retrieve when a request doesn't say.
        timeout_s: Deadline of one answer in seconds.
        curated: Finds answers that were pinned to questions; None asks the documents always.
        experiments: Say who is answered by another setup; None gives everybody the same.
        shadow: Takes what was answered; None for nobody.
        recorder: Counts and logs answers; None for nobody.
        observer: Is shown what was answered; None for nobody.
    """

    def __init__(
        self,
        database: Database,
        store: AnswerStore,
        graph: AnswerGraph,
        context: AnswerContext,
        *,
        questions: QuestionRedactor,
        keys: FieldKeys,
        top_k: int,
        timeout_s: float,
        curated: CuratedLookup | None = None,
        experiments: Assigner | None = None,
        shadow: Shadow | None = None,
        recorder: AnswerRecorder | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._graph = graph
        self._setup = AnswerSetup(context, top_k)
        self._questions = questions
        self._keys = keys
        self._timeout_s = timeout_s
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
            UnavailableError: What will be stored can't be sealed now.
            ConflictError: The caller is being erased.
        """
        arrived = time.perf_counter()
        identity = identity.on_behalf_of(request.user_id)
        tenant_id = identity.tenant_id
        ring = await self._keys.ring(tenant_id) if self._store.keeps_text else Keyring(tenant_id)
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
            error = "client_closed" if isinstance(exc, asyncio.CancelledError) else type(exc).__name__
            self._recorder.failed(error)
            await self._finish(self._store.store_failure(run, error))
            raise
        response = self._response(run, state)
        self._recorder.answered(
            response, question=run.question.asked, passages=state.get("candidates", run.sources)
        )
        trace = self._store.trace(run, response, state)
        await self._finish(self._store.store(run, trace))
        if self._shadow and run.curated_id is None:
            self._shadow.offer(_answered(run, trace, state.get("vector")))
        if self._observer and run.curated_id is None:
            self._observer.offer(_given(run, response, state.get("vector")))
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
        if looked.vector is not None:
            retriever = EmbeddedQuestion(context.retriever, question, looked.vector)
            context = replace(context, retriever=retriever)
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


def _given(run: Run, response: ChatResponse, vector: QuestionVector | None) -> GivenAnswer:
    cosines = [source.vector_score for source in run.sources if source.vector_score is not None]
    return GivenAnswer(
        tenant_id=run.identity.tenant_id,
        question=run.question.asked,
        vector=vector,
        answer=None if response.abstained else response.answer,
        sources=tuple(source.passage.text for source in run.sources),
        score=max(cosines, default=None),
    )


def _answered(run: Run, trace: traces.Trace, vector: QuestionVector | None) -> AnsweredRequest:
    return AnsweredRequest(
        tenant_id=run.identity.tenant_id,
        request_id=run.request_id,
        trace_id=trace.id,
        subject=run.subject,
        user_id=run.request.user_id,
        question=run.question.asked,
        vector=vector,
        scope=run.request.filters.narrow(run.identity.scope()),
        strategy=run.request.strategy,
        top_k=run.request.top_k,
        suppressed=run.suppressed,
        people=tuple(run.people),
        began_at=run.began_at,
        answer=run.answer,
        chunk_ids=frozenset(source.passage.chunk_id for source in run.sources),
    )
