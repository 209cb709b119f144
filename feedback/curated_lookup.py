"""Whether somebody has pinned an answer to a question. Without any such answer, nothing is looked up."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from db.pool import Database
from db.repositories import curated
from db.repositories.curated import CuratedRow, Near, Standing
from feedback.curated_match import may_ask
from feedback.curated_vectors import CuratedSpace, fill_vectors
from graph.events import AnswerEvent, Finished, Released, SourcesChosen
from rag.cite import Citation, verify_sentence
from rag.errors import GroundworkError
from rag.filters import Condition, Operator, SourceField
from rag.ports import RetrievedPassage, SearchScope
from rag.retrieve import PassageRetriever, QuestionVector, Strategy, embed_query
from rag.safety.characters import words

log = structlog.get_logger(__name__)

LASTS_S = 1.0  # half of what another replica's change may take to be heard of
MAX_TENANTS = 10_000  # remembered; then all are forgotten
TRIED = 5  # nearest ones: one may have a threshold of its own, or a source that is closed


@dataclass(frozen=True, slots=True)
class Served:
    """A curated answer to the question that was asked.

    Attributes:
        sources: Of each document that it names, the passage that supports it best.
        citations: Of those sources that hold what the answer says, by the rules of every other answer.
    """

    id: UUID
    answer: str
    similarity: float
    sources: list[RetrievedPassage]
    citations: tuple[Citation, ...]
    took_ms: float

    async def events(self, question: str, *, strategy: Strategy, top_k: int) -> AsyncIterator[AnswerEvent]:
        """What a run of the answer graph would tell."""
        yield SourcesChosen(self.sources)
        yield Released(self.answer, self.citations)
        yield Finished(
            {
                "question": question,
                "strategy": strategy,
                "top_k": top_k,
                "sources": self.sources,
                "degraded": [],
                "timings_ms": {"curated": self.took_ms},
            }
        )


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of looking.

    Attributes:
        served: The answer, if there is one.
        vector: The question's, where it was needed.
    """

    served: Served | None = None
    vector: QuestionVector | None = None


NOTHING = Looked()


class CuratedLookup:
    """Finds curated answers of all tenants.

    Args:
        database: Where they are.
        current: Gives the active embedding space.
        threshold: Least cosine similarity of a question to one that has an answer.
        lasts_s: How long it is believed that a tenant has none.
    """

    def __init__(
        self,
        database: Database,
        current: Callable[[], CuratedSpace],
        *,
        threshold: float,
        lasts_s: float = LASTS_S,
    ) -> None:
        self._database = database
        self._current = current
        self._threshold = threshold
        self._lasts_s = lasts_s
        self._standings: dict[tuple[UUID, int], tuple[float, Standing]] = {}
        self._filling: dict[tuple[UUID, int], asyncio.Task[None]] = {}

    async def find(self, scope: SearchScope, question: str, *, suppressed: Sequence[str] = ()) -> Looked:
        """The curated answer to a question for those who may be told it and may read all its sources.

        Raises:
            GroundworkError: The question can't be embedded, or the database not be reached.
        """
        began, current = time.perf_counter(), self._current()
        standing = await self._standing(scope.tenant_id, current.space.id)
        if standing.missing:
            self._fill_in_background(scope.tenant_id, current)
        if standing.entries == standing.missing:
            return NOTHING
        values = await embed_query(current.model.embeddings, question)
        vector = QuestionVector(current.model.name, values)
        for near in await self._nearest(scope, current.space.id, values):
            if not self._matches(near, question) or _holds(near.row.answer, suppressed):
                continue
            sources = await self._sources(scope, current.retriever, values, near.row)
            if sources is not None:
                took = round((time.perf_counter() - began) * 1000, 2)
                return Looked(_served(near, sources, took), vector)
        return Looked(None, vector)

    def forget(self, tenant_id: UUID) -> None:
        """Look anew at the next question: something of the tenant's has changed."""
        for key in [key for key in self._standings if key[0] == tenant_id]:
            del self._standings[key]

    async def close(self) -> None:
        """Stop what goes on in the background."""
        tasks = list(self._filling.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _standing(self, tenant_id: UUID, space_id: int) -> Standing:
        key, now = (tenant_id, space_id), time.monotonic()
        known = self._standings.get(key)
        if known is not None and now < known[0]:
            return known[1]
        async with self._database.tenant(tenant_id) as connection:
            standing = await curated.standing(connection, tenant_id, space_id)
        if len(self._standings) >= MAX_TENANTS:
            self._standings.clear()
        self._standings[key] = (now + self._lasts_s, standing)
        return standing

    async def _nearest(self, scope: SearchScope, space_id: int, vector: Sequence[float]) -> list[Near]:
        async with self._database.tenant(scope.tenant_id) as connection:
            return await curated.nearest(
                connection, scope.tenant_id, scope.groups, space_id, vector, limit=TRIED
            )

    def _matches(self, near: Near, question: str) -> bool:
        own = near.row.threshold
        threshold = self._threshold if own is None else own
        return near.similarity >= threshold and may_ask(question, near.row.question)

    async def _sources(
        self, scope: SearchScope, retriever: PassageRetriever, values: Sequence[float], row: CuratedRow
    ) -> list[RetrievedPassage] | None:
        """A passage of each document; None if one is gone, or closed to whoever asks."""
        if not row.document_ids:
            return []
        async with self._database.tenant(scope.tenant_id) as connection:
            names = await curated.sources(connection, scope.tenant_id, scope.groups, row.document_ids)
        found: list[RetrievedPassage] = []
        for document_id in row.document_ids:
            if document_id not in names:
                return None
            only = replace(scope, filter=_named(names[document_id]))
            # Nearest to the question, and with most of the answer's words.
            best = await retriever.retrieve(row.answer, only, top_k=1, vector=values)
            found += best.passages
        return found if len(found) == len(row.document_ids) else None

    def _fill_in_background(self, tenant_id: UUID, current: CuratedSpace) -> None:
        key = (tenant_id, current.space.id)
        if key not in self._filling:
            task = self._filling[key] = asyncio.create_task(self._fill(tenant_id, current))
            task.add_done_callback(lambda _: self._filling.pop(key))

    async def _fill(self, tenant_id: UUID, current: CuratedSpace) -> None:
        try:
            await fill_vectors(self._database, tenant_id, current)
        except GroundworkError:
            log.warning("curated_answers_not_embedded", exc_info=True)
        self.forget(tenant_id)


def _named(source_document_id: str) -> Condition:
    return Condition(SourceField.SOURCE_DOCUMENT_ID, Operator.EQ, (source_document_id,))


def _holds(answer: str, suppressed: Sequence[str]) -> bool:
    """Whether one of the phrases that no answer may hold is in it, be it inside a word."""
    return any(phrase in words(answer) for phrase in map(words, suppressed) if phrase)


def _served(near: Near, sources: list[RetrievedPassage], took_ms: float) -> Served:
    passages = [source.passage for source in sources]
    citations = [
        citation
        for index in range(1, len(passages) + 1)
        for citation in verify_sentence(f"{near.row.answer} [{index}]", passages).citations
        if citation.index == index
    ]
    return Served(near.row.id, near.row.answer, near.similarity, sources, tuple(citations), took_ms)
