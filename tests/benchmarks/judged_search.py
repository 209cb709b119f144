"""Asking a judged set's questions of the product's search, and measuring what it finds."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from eval.metrics import ndcg, recall
from rag.analysis import analyse
from rag.fuse import Fusion
from rag.models.local import LOCAL_FUSION
from rag.ports import SearchQuery, SearchScope
from rag.retrieve import CANDIDATES, Strategy
from tests.benchmarks.judged_sets import JudgedQuestion, JudgedSet, chunk_vectors, question_vectors
from tests.benchmarks.search_database import SearchDatabase, open_search_database

TOP_K = 10
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a question.

    Attributes:
        sources: The source of each passage found, best first, so that one can occur several times.
        lexemes: The question's words as they were looked up.
    """

    sources: tuple[str, ...]
    lexemes: tuple[str, ...] = ()

    def documents(self, passages: int | None = None) -> list[str]:
        """The distinct sources of the best passages (of all, by default): each where its best one stands."""
        return list(dict.fromkeys(self.sources[:passages]))


@dataclass(frozen=True, slots=True, eq=False)
class JudgedCorpus:
    """A judged set in its database; `vectors` are its questions', None where words alone are searched."""

    judged: JudgedSet
    vectors: NDArray[np.float32] | None
    database: SearchDatabase

    async def ask(
        self, strategy: Strategy, *, fusion: Fusion = LOCAL_FUSION, limit: int = CANDIDATES
    ) -> list[Found]:
        """Every question once. By default as many passages as a leg gives, for ten distinct documents."""
        return [
            await self._ask(question, at, strategy, fusion, limit)
            for at, question in enumerate(self.judged.questions)
        ]

    async def _ask(
        self, question: JudgedQuestion, at: int, strategy: Strategy, fusion: Fusion, limit: int
    ) -> Found:
        vector = None if self.vectors is None or strategy is Strategy.LEXICAL else self.vectors[at].tolist()
        words = None if strategy is Strategy.VECTOR else analyse(question.text)
        query = SearchQuery(vector, words, limit=limit, candidates=CANDIDATES, fusion=fusion)
        found = await self.database.search.search(SearchScope(self.database.tenant_id), query)
        sources = tuple(item.passage.source_document_id for item in found.passages)
        return Found(sources, found.plan.lexemes)


@asynccontextmanager
async def open_judged(judged: JudgedSet, *, vectors: bool = True) -> AsyncIterator[JudgedCorpus]:
    """The set in a database of its own, with vectors or for lexical search only."""
    name = f"judged_{judged.name.lower().replace(' ', '_')}"
    embedded = chunk_vectors(judged.chunks) if vectors else None
    asked = question_vectors(judged.questions) if vectors else None
    async with open_search_database(name, judged.chunks, embedded) as database:
        yield JudgedCorpus(judged, asked, database)


def ndcgs(judged: JudgedSet, found: Sequence[Found], *, passages: int | None = None) -> Scores:
    """Each question's nDCG@10 of documents, whose best passage counts; out of so many passages, or all."""
    return _each(judged, [item.documents(passages) for item in found], partial(ndcg, depth=TOP_K))


def recalls(judged: JudgedSet, found: Sequence[Found], depth: int) -> Scores:
    """Each question's recall of documents."""
    return _each(judged, [item.documents() for item in found], partial(recall, depth=depth))


def _each(
    judged: JudgedSet, ranked: Sequence[Sequence[str]], measure: Callable[[Sequence[bool], int], float]
) -> Scores:
    return np.array(
        [
            measure([document in question.relevant for document in documents], len(question.relevant))
            for documents, question in zip(ranked, judged.questions, strict=True)
        ]
    )
