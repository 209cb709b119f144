"""Candidates answer copies of live requests, and what they say is stored for comparison.

Nobody waits for it: a copy waits in a bounded queue, and is dropped and counted where that is full or the
wait is too long.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import structlog

from app.experiments.setups import AnswerSetup, Setups
from app.experiments.shadow import Copy, Dropped
from app.privacy.field_keys import FieldKeys
from app.privacy.presence import are_gone
from app.privacy.sealed import sealed_shadow_result
from app.trace_records import citation_records, retrieved_records, usage_record
from db.pool import Connection, Database
from db.repositories import shadow_results, sources, usage
from db.repositories.shadow_results import ShadowResult
from db.repositories.usage import Origin, RequestKind
from graph.build import AnswerGraph, run_answer_graph
from graph.events import Finished, Released, SourcesChosen
from graph.state import AnswerState
from rag.cite import Citation
from rag.encryption.sealing import Keyring
from rag.errors import GroundworkError
from rag.models.resilience.deadline import deadline
from rag.models.usage import Meter, metering
from rag.ports import RetrievedPassage
from rag.retrieve import EmbeddedQuestion, PassageRetriever

log = structlog.get_logger(__name__)

REMOVED = "[removed]"


@dataclass(slots=True)
class _Run:
    """A copy that a candidate is asked, and what it says."""

    copy: Copy
    setup: AnswerSetup
    sources: list[RetrievedPassage] = field(default_factory=list)
    released: list[Released] = field(default_factory=list)
    meter: Meter = field(default_factory=Meter)

    @property
    def answer(self) -> str:
        return "".join(piece.text for piece in self.released)

    @property
    def citations(self) -> list[Citation]:
        return [citation for piece in self.released for citation in piece.citations]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How it ended: the graph's last state, or the error's name."""

    total_ms: float
    state: AnswerState | None = None
    error: str | None = None


class ShadowRunner:
    """Asks candidates, so many at a time.

    Args:
        database: Where results are stored.
        graph: The compiled answer graph.
        setups: Make what candidates answer with.
        keys: Seal what is stored.
        dropped: Counts what is not answered.
        timeout_s: Deadline of one answer in seconds, and longest wait for its turn.
        concurrency: Answers at a time.
        waiting: Copies that may wait.
        store_text: Whether answers may be stored.
    """

    def __init__(
        self,
        database: Database,
        graph: AnswerGraph,
        setups: Setups,
        *,
        keys: FieldKeys,
        dropped: Dropped,
        timeout_s: float,
        concurrency: int,
        waiting: int,
        store_text: bool,
    ) -> None:
        self._database = database
        self._graph = graph
        self._setups = setups
        self._keys = keys
        self._dropped = dropped
        self._timeout_s = timeout_s
        self._concurrency = concurrency
        self._waiting: asyncio.Queue[Copy] = asyncio.Queue(waiting)
        self._store_text = store_text

    def offer(self, copy: Copy) -> None:
        """Take it, or drop it where too many wait."""
        try:
            self._waiting.put_nowait(copy)
        except asyncio.QueueFull:
            self._dropped.add(copy)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work in the background. At the end, what is under way is given up, and what waits is dropped."""
        workers = [asyncio.create_task(self._work()) for _ in range(self._concurrency)]
        try:
            yield
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            while not self._waiting.empty():
                self._dropped.add(self._waiting.get_nowait())

    async def _work(self) -> None:
        while True:
            copy = await self._waiting.get()
            if time.monotonic() - copy.made_at > self._timeout_s:
                self._dropped.add(copy)
                continue
            try:
                await self._answer(copy)
            except asyncio.CancelledError:
                self._dropped.add(copy)
                raise
            except Exception:  # the boundary of a task that must go on with the next one
                log.exception("shadow_lost", experiment=str(copy.experiment_id))
                self._dropped.add(copy)

    async def _answer(self, copy: Copy) -> None:
        run = _Run(copy, await self._setups.get(copy.settings))
        try:
            await self._store(run, await self._ask(run))
        except asyncio.CancelledError:
            with suppress(GroundworkError):
                await self._store(run, None)  # what was used is known all the same
            raise

    async def _ask(self, run: _Run) -> _Outcome:
        began = time.perf_counter()

        def took() -> float:
            return round((time.perf_counter() - began) * 1000, 2)

        try:
            with metering(run.meter), deadline(self._timeout_s):
                async with asyncio.timeout(self._timeout_s):
                    state = await self._drive(run)
        except (GroundworkError, TimeoutError) as exc:
            return _Outcome(took(), error=type(exc).__name__)
        return _Outcome(took(), state)

    async def _drive(self, run: _Run) -> AnswerState:
        request, setup = run.copy.request, run.setup
        retriever: PassageRetriever = setup.context.retriever
        if request.vector is not None:
            retriever = EmbeddedQuestion(retriever, request.question, request.vector)
        events = run_answer_graph(
            self._graph,
            question=request.question,
            strategy=setup.strategy_for(request.strategy),
            top_k=request.top_k or setup.top_k,
            context=replace(
                setup.context,
                scope=request.scope,
                retriever=retriever,
                hold_back=True,
                suppressed=setup.context.suppressed + request.suppressed,
            ),
        )
        async for event in events:
            match event:
                case Finished(state):
                    return state
                case SourcesChosen(found):
                    run.sources = found
                case Released():
                    run.released.append(event)
        raise GroundworkError("the answer graph ended without an end")

    async def _store(self, run: _Run, outcome: _Outcome | None) -> None:
        """Store what came of it, and what it used; only that where nothing came of it, or nobody may know."""
        request = run.copy.request
        ring = await self._ring(request.tenant_id)
        origin = Origin(request.request_id, request.trace_id, subject=request.subject)
        async with self._database.tenant(request.tenant_id) as connection:
            if await are_gone(connection, request.tenant_id, request.people, began_at=request.began_at):
                origin = usage.NOWHERE
            elif outcome is not None:
                result = sealed_shadow_result(ring, self._result(run, outcome))
                result = await self._without_deleted(connection, run, result)
                await shadow_results.add(connection, request.tenant_id, result)
            await usage.add(connection, request.tenant_id, RequestKind.SHADOW, run.meter.uses, origin)

    async def _ring(self, tenant_id: UUID) -> Keyring:
        return await self._keys.ring(tenant_id) if self._store_text else Keyring(tenant_id)

    async def _without_deleted(self, connection: Connection, run: _Run, result: ShadowResult) -> ShadowResult:
        """The result, without what it says if a document that it cites was deleted meanwhile."""
        cited = {citation.document_id for citation in run.citations}
        if cited - await sources.still_there(connection, list(cited)):
            return replace(result, answer=REMOVED if result.answer is not None else None)
        return result

    def _result(self, run: _Run, outcome: _Outcome) -> ShadowResult:
        copy, request = run.copy, run.copy.request
        state = outcome.state
        found = frozenset(source.passage.chunk_id for source in run.sources)
        return ShadowResult(
            id=uuid4(),
            experiment_id=copy.experiment_id,
            trace_id=request.trace_id,
            subject=request.subject,
            user_id=request.user_id,
            variant=copy.variant,
            answer=run.answer if self._store_text and state else None,
            retrieved=retrieved_records(run.sources),
            citations=[
                record | {"document_id": str(citation.document_id)}
                for record, citation in zip(citation_records(run.citations), run.citations, strict=True)
            ],
            prompt_version=run.setup.context.prompt.version,
            models={"chat": state.get("model_name") if state else None},
            usage=usage_record(run.meter.uses),
            timings_ms={**(state["timings_ms"] if state else {}), "total": outcome.total_ms},
            degraded=list(state["degraded"]) if state else [],
            abstained=bool(state and state.get("abstained", False)),
            error=outcome.error,
            source_overlap=_overlap(found, request.chunk_ids),
            same_answer=bool(state) and run.answer == request.answer,
        )


def _overlap(found: frozenset[UUID], others: frozenset[UUID]) -> float:
    """Jaccard's index; 1 where neither has any."""
    either = found | others
    return len(found & others) / len(either) if either else 1.0
