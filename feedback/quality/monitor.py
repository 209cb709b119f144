"""Looks at answers that were given, behind them: a share is scored, and all tell whether something drifts.

Nobody waits for it: an answer is offered after it was stored, waits in a bounded queue, and is dropped and
counted where that is full. One answer is looked at at a time.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import asyncpg
import numpy as np
import structlog

from db.pool import Database
from db.repositories import quality
from db.repositories.quality import QualityCounts
from eval.groundedness import GroundednessScorer
from feedback.quality.drift import LOW_GROUNDEDNESS, Alarm, Monitored, Observation
from feedback.quality.projection import project
from feedback.quality.storage import dump, load
from rag.errors import GroundworkError
from rag.models.local import LOCAL_EMBEDDINGS
from rag.models.minilm import MiniLMEmbeddings
from rag.retrieve import QuestionVector

log = structlog.get_logger(__name__)

WAITING = 200  # answers; each is held with the texts of its sources, some 20 KB
TOGETHER = 50  # observations of a transaction
PAUSE_S = 2.0  # in which answers gather, so that fewer transactions are needed


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
    """An answer as it is looked at.

    Attributes:
        question: As models saw it.
        vector: The question's, if it was searched by one.
        answer: None for an abstention, and for what no model wrote: it is not scored.
        sources: Texts of the prompt.
        score: Cosine similarity of the best of them; None where there is none.
    """

    tenant_id: UUID
    question: str
    vector: QuestionVector | None
    answer: str | None
    sources: tuple[str, ...]
    score: float | None


class QualityListener(Protocol):
    """Hears what is found out; for metrics. It has no tenant: labels stay few."""

    def scored(self, groundedness: float) -> None: ...

    def alarmed(self, monitored: Monitored) -> None: ...


class Observer(Protocol):
    """Takes answers that were given."""

    def offer(self, given: GivenAnswer) -> None:
        """Take it, or not; at once, and without failing."""
        ...


class OnlineQuality:
    """Scores a sample of answers and watches for drift. Is an `Observer`.

    Args:
        database: Keeps each tenant's state.
        encoder: Gives the local model's encoder, whatever model searches use.
        sample: Share of answers that are scored, 0 to 1.
        waiting: Answers that may wait.
        listener: Hears of scores and alarms.
    """

    def __init__(
        self,
        database: Database,
        encoder: Callable[[], MiniLMEmbeddings],
        *,
        sample: float,
        waiting: int = WAITING,
        listener: QualityListener | None = None,
    ) -> None:
        self._database = database
        self._encoder = encoder
        self._sample = sample
        self._listener = listener
        self._waiting: asyncio.Queue[GivenAnswer] = asyncio.Queue(waiting)
        self._observed: dict[UUID, list[Observation]] = {}
        self.dropped = 0

    def offer(self, given: GivenAnswer) -> None:
        try:
            self._waiting.put_nowait(given)
        except asyncio.QueueFull:
            self.dropped += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work in the background. At the end, what was observed is stored, and what waits is dropped."""
        work = asyncio.create_task(self._work())
        try:
            yield
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await self._store_all()

    async def _work(self) -> None:
        while True:
            await self._take(await self._waiting.get())
            for _ in range(TOGETHER - 1):
                if self._waiting.empty():
                    break
                await self._take(self._waiting.get_nowait())
            await self._store_all()
            if self._waiting.empty():
                await asyncio.sleep(PAUSE_S)

    async def _take(self, given: GivenAnswer) -> None:
        try:
            one = await asyncio.to_thread(self._look_at, given, is_scored=self._draws(given))
        except GroundworkError:
            log.warning("answer_not_looked_at", exc_info=True)
            return
        self._observed.setdefault(given.tenant_id, []).append(one)

    def _draws(self, given: GivenAnswer) -> bool:
        return given.answer is not None and random.random() < self._sample  # noqa: S311 - a sample

    def _look_at(self, given: GivenAnswer, *, is_scored: bool) -> Observation:
        encoder = self._encoder()
        if given.vector is not None and given.vector.model == LOCAL_EMBEDDINGS:
            values = given.vector.values
        else:
            values = encoder.embed_query(given.question)
        vector = np.array([values], np.float32)
        groundedness = None
        if is_scored and given.answer is not None:
            groundedness = GroundednessScorer(encoder).score(given.answer, given.sources).score
        return Observation(project(vector)[0], given.score, groundedness)

    async def _store_all(self) -> None:
        """Store what was observed; what can't be stored now is lost, and said to be."""
        observed, self._observed = self._observed, {}
        for tenant_id, observations in observed.items():
            try:
                alarms = await self._store(tenant_id, observations)
            except (GroundworkError, asyncpg.PostgresError):
                log.warning("quality_not_stored", tenant_id=str(tenant_id), exc_info=True)
                continue
            self._tell(tenant_id, observations, alarms)

    async def _store(self, tenant_id: UUID, observations: list[Observation]) -> list[Alarm]:
        scores = [one.groundedness for one in observations if one.groundedness is not None]
        async with self._database.tenant(tenant_id) as connection:
            state = load(await quality.hold(connection, tenant_id))
            alarms = state.observe(observations)
            low = sum(score < LOW_GROUNDEDNESS for score in scores)
            more = QualityCounts(len(observations), len(scores), low, len(alarms))
            await quality.save(connection, tenant_id, dump(state), more)
        return alarms

    def _tell(self, tenant_id: UUID, observations: list[Observation], alarms: list[Alarm]) -> None:
        for alarm in alarms:
            log.warning(
                "quality_alarm",
                tenant_id=str(tenant_id),
                monitored=alarm.monitored.value,
                statistic=round(alarm.statistic, 2),
                value=round(alarm.value, 4),
                usual=round(alarm.usual, 4),
                questions=alarm.questions,
            )
        if self._listener is None:
            return
        for one in observations:
            if one.groundedness is not None:
                self._listener.scored(one.groundedness)
        for alarm in alarms:
            self._listener.alarmed(alarm.monitored)
