"""A candidate answers copies of live requests, behind the answers, and what it says is stored for comparison.

Nobody waits for it: a copy is made only after the answer is stored, waits in a bounded queue, and is dropped
and counted where that is full or the wait is too long.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from app.experiments.running import Assigned, RunningExperiments
from app.privacy.presence import are_gone
from app.privacy.sealed import sealed_shadow_result
from app.trace_records import citation_records, retrieved_records, usage_record
from db.pool import Connection, Database
from db.repositories import shadow_results, sources, usage
from db.repositories.experiments import ExperimentKind
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
from rag.ports import RetrievedPassage, SearchScope
from rag.retrieve import Strategy

log = structlog.get_logger(__name__)

REMOVED = "[removed]"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRequest:
    """A request that was answered, as a candidate is asked it again.

    Attributes:
        question: As models may see it.
        strategy: What the request said; `auto` leaves it open.
        top_k: What the request said; None leaves it open.
        suppressed: Phrases of the tenant that no sentence may hold.
        people: Digests of whoever asked.
        began_at: When the request began, by the database's clock.
        ring: Seals what is stored.
        answer: What was said.
        chunk_ids: What was in the prompt.
    """

    tenant_id: UUID
    request_id: str
    trace_id: UUID
    subject: str
    user_id: str | None
    question: str
    scope: SearchScope
    strategy: Strategy
    top_k: int | None
    suppressed: tuple[str, ...]
    people: tuple[str, ...]
    began_at: datetime
    ring: Keyring
    answer: str
    chunk_ids: frozenset[UUID]


class Shadow(Protocol):
    """Takes requests that were answered."""

    def offer(self, request: AnsweredRequest) -> None:
        """Take a copy, or not; at once, and without failing."""
        ...


@dataclass(slots=True)
class _Copy:
    """A request that a candidate is asked, and what it says."""

    request: AnsweredRequest
    candidate: Assigned
    waits_since: float = field(default_factory=time.perf_counter)
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
    """Asks candidates, so many at a time. Is a `Shadow`.

    Args:
        database: Where results are stored.
        graph: The compiled answer graph.
        experiments: Say which candidate is asked.
        timeout_s: Deadline of one answer in seconds, and longest wait for its turn.
        concurrency: Answers at a time.
        waiting: Copies that may wait.
        store_text: Whether answers may be stored.
    """

    def __init__(
        self,
        database: Database,
        graph: AnswerGraph,
        experiments: RunningExperiments,
        *,
        timeout_s: float,
        concurrency: int,
        waiting: int,
        store_text: bool,
    ) -> None:
        self._database = database
        self._graph = graph
        self._experiments = experiments
        self._timeout_s = timeout_s
        self._concurrency = concurrency
        self._waiting: asyncio.Queue[_Copy] = asyncio.Queue(max(waiting, 1))
        self._store_text = store_text
        self._dropped: Counter[tuple[UUID, UUID]] = Counter()
        self._asked: set[UUID] = set()

    def offer(self, request: AnsweredRequest) -> None:
        live = self._experiments.of(request.tenant_id, ExperimentKind.SHADOW)
        if live is None or random.random() >= live.experiment.traffic_share:  # noqa: S311 - a sample
            return
        variant = live.experiment.variants[0]
        candidate = Assigned(live.experiment.id, variant.name, variant.name, live.setups[variant.name])
        copy = _Copy(request, candidate)
        try:
            self._waiting.put_nowait(copy)
        except asyncio.QueueFull:
            self._drop(copy)

    def take_asked(self) -> set[UUID]:
        """Experiments that got a result since the last look."""
        asked, self._asked = self._asked, set()
        return asked

    async def count_dropped(self) -> None:
        """Store how many were dropped since the last time.

        Raises:
            UnavailableError: The database can't be reached; the count is kept.
        """
        for key, count in list(self._dropped.items()):
            tenant_id, experiment_id = key
            async with self._database.tenant(tenant_id) as connection:
                await shadow_results.add_dropped(connection, experiment_id, count)
            self._dropped[key] -= count
            if not self._dropped[key]:
                del self._dropped[key]

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
                self._drop(self._waiting.get_nowait())

    async def _work(self) -> None:
        while True:
            copy = await self._waiting.get()
            if time.perf_counter() - copy.waits_since > self._timeout_s:
                self._drop(copy)
                continue
            try:
                await self._store(copy, await self._ask(copy))
            except asyncio.CancelledError:
                self._drop(copy)
                await self._store(copy, None)  # what was used is known all the same
                raise
            except Exception:  # the boundary of a task that must go on with the next one
                log.exception("shadow_lost", experiment=str(copy.candidate.experiment_id))
                self._drop(copy)

    async def _ask(self, copy: _Copy) -> _Outcome:
        began = time.perf_counter()

        def took() -> float:
            return round((time.perf_counter() - began) * 1000, 2)

        try:
            with metering(copy.meter), deadline(self._timeout_s):
                async with asyncio.timeout(self._timeout_s):
                    state = await self._drive(copy)
        except (GroundworkError, TimeoutError) as exc:
            return _Outcome(took(), error=type(exc).__name__)
        return _Outcome(took(), state)

    async def _drive(self, copy: _Copy) -> AnswerState:
        request, setup = copy.request, copy.candidate.setup
        events = run_answer_graph(
            self._graph,
            question=request.question,
            strategy=setup.strategy_for(request.strategy),
            top_k=request.top_k or setup.top_k,
            context=replace(
                setup.context,
                scope=request.scope,
                hold_back=True,
                suppressed=setup.context.suppressed + request.suppressed,
            ),
        )
        async for event in events:
            match event:
                case Finished(state):
                    return state
                case SourcesChosen(found):
                    copy.sources = found
                case Released():
                    copy.released.append(event)
        raise GroundworkError("the answer graph ended without an end")

    async def _store(self, copy: _Copy, outcome: _Outcome | None) -> None:
        """Store what came of it, and what it used; only that where nothing came of it, or nobody may know."""
        request = copy.request
        origin = Origin(request.request_id, request.trace_id, subject=request.subject)
        async with self._database.tenant(request.tenant_id) as connection:
            if await are_gone(connection, request.tenant_id, request.people, began_at=request.began_at):
                origin = usage.NOWHERE
            elif outcome is not None:
                result = sealed_shadow_result(request.ring, self._result(copy, outcome))
                result = await self._without_deleted(connection, copy, result)
                await shadow_results.add(connection, request.tenant_id, result)
            await usage.add(connection, request.tenant_id, RequestKind.SHADOW, copy.meter.uses, origin)
        self._asked.add(copy.candidate.experiment_id)

    async def _without_deleted(
        self, connection: Connection, copy: _Copy, result: ShadowResult
    ) -> ShadowResult:
        """The result, without what it says if a document that it cites was deleted meanwhile."""
        cited = {citation.document_id for citation in copy.citations}
        if cited - await sources.still_there(connection, list(cited)):
            return replace(result, answer=REMOVED if result.answer is not None else None)
        return result

    def _result(self, copy: _Copy, outcome: _Outcome) -> ShadowResult:
        request, context = copy.request, copy.candidate.setup.context
        state = outcome.state
        found = frozenset(source.passage.chunk_id for source in copy.sources)
        return ShadowResult(
            id=uuid4(),
            experiment_id=copy.candidate.experiment_id,
            trace_id=request.trace_id,
            subject=request.subject,
            user_id=request.user_id,
            variant=copy.candidate.variant,
            answer=copy.answer if self._store_text and state else None,
            retrieved=retrieved_records(copy.sources),
            citations=[
                record | {"document_id": str(citation.document_id)}
                for record, citation in zip(citation_records(copy.citations), copy.citations, strict=True)
            ],
            prompt_version=context.prompt.version,
            models={"chat": state.get("model_name") if state else None},
            usage=usage_record(copy.meter.uses),
            timings_ms={**(state["timings_ms"] if state else {}), "total": outcome.total_ms},
            degraded=list(state["degraded"]) if state else [],
            abstained=bool(state and state.get("abstained", False)),
            error=outcome.error,
            source_overlap=_overlap(found, request.chunk_ids),
            same_answer=bool(state) and copy.answer == request.answer,
        )

    def _drop(self, copy: _Copy) -> None:
        self._dropped[copy.request.tenant_id, copy.candidate.experiment_id] += 1


def _overlap(found: frozenset[UUID], others: frozenset[UUID]) -> float:
    """Jaccard's index; 1 where neither has any."""
    either = found | others
    return len(found & others) / len(either) if either else 1.0
