"""Hybrid retrieval: both legs side by side, fused; one leg alone when the other fails."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

import structlog
from langchain_core.embeddings import Embeddings

from rag.errors import GroundworkError, ModelError
from rag.fuse import FusedMatch, reciprocal_rank_fusion
from rag.ports import ChunkSearch, Match, Passage, SearchScope

log = structlog.get_logger(__name__)
T = TypeVar("T")

CANDIDATES = 50  # a leg: deep enough for fusion to see what only one leg found


class Strategy(StrEnum):
    """Which legs search. `auto` is today's best choice, `hybrid`."""

    AUTO = "auto"
    HYBRID = "hybrid"
    VECTOR = "vector"
    LEXICAL = "lexical"


class Leg(StrEnum):
    VECTOR = "vector"
    LEXICAL = "lexical"


LEGS = {
    Strategy.AUTO: frozenset(Leg),
    Strategy.HYBRID: frozenset(Leg),
    Strategy.VECTOR: frozenset({Leg.VECTOR}),
    Strategy.LEXICAL: frozenset({Leg.LEXICAL}),
}


@dataclass(frozen=True, slots=True)
class RetrievedPassage:
    """A passage with how it was found."""

    passage: Passage
    match: FusedMatch


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Passages, best first, and the legs that failed on the way."""

    passages: list[RetrievedPassage]
    degraded: list[str]


class Retriever:
    """Finds passages for a question.

    Args:
        search: The two legs.
        embeddings: Must be the model of the space that `search` looks into.
    """

    def __init__(self, search: ChunkSearch, embeddings: Embeddings) -> None:
        self._search = search
        self._embeddings = embeddings

    async def retrieve(
        self, question: str, scope: SearchScope, *, strategy: Strategy = Strategy.AUTO, top_k: int = 8
    ) -> Retrieval:
        """At most `top_k` passages, best first.

        Raises:
            GroundworkError: No leg worked; the error is the first leg's.
        """
        wanted = LEGS[strategy]
        searches: dict[Leg, Awaitable[list[Match]]] = {}
        if Leg.VECTOR in wanted:
            searches[Leg.VECTOR] = self._by_vector(question, scope)
        if Leg.LEXICAL in wanted:
            searches[Leg.LEXICAL] = self._search.by_words(scope, question, CANDIDATES)
        found, failed = await _gather(searches)
        found = newest_versions(found)
        passages = {match.passage.chunk_id: match.passage for leg in found.values() for match in leg}
        fused = reciprocal_rank_fusion(found.get(Leg.VECTOR, []), found.get(Leg.LEXICAL, []))[:top_k]
        return Retrieval(
            passages=[RetrievedPassage(passages[match.chunk_id], match) for match in fused],
            degraded=[f"retrieve:{leg}" for leg in failed],
        )

    async def _by_vector(self, question: str, scope: SearchScope) -> list[Match]:
        vector = await embed_query(self._embeddings, question)
        return await self._search.by_vector(scope, vector, CANDIDATES)


def newest_versions(found: dict[Leg, list[Match]]) -> dict[Leg, list[Match]]:
    """The matches without those of a version that one leg saw just before the other saw its successor."""
    newest: dict[UUID, int] = {}
    for match in (match for leg in found.values() for match in leg):
        document_id, version = match.passage.document_id, match.passage.version
        newest[document_id] = max(version, newest.get(document_id, version))
    return {
        leg: [match for match in matches if match.passage.version == newest[match.passage.document_id]]
        for leg, matches in found.items()
    }


async def embed_query(embeddings: Embeddings, question: str) -> Sequence[float]:
    """The question's vector.

    Raises:
        ModelError: The model failed, for whatever reason its SDK gives.
    """
    try:
        return await embeddings.aembed_query(question)
    except GroundworkError:
        raise
    except Exception as exc:  # SDKs share no base class; what they raise is a failed leg
        raise ModelError("the embedding model failed") from exc


async def _gather(searches: dict[Leg, Awaitable[list[Match]]]) -> tuple[dict[Leg, list[Match]], list[Leg]]:
    results = await asyncio.gather(*searches.values(), return_exceptions=True)
    found: dict[Leg, list[Match]] = {}
    failures: dict[Leg, GroundworkError] = {}
    for leg, result in zip(searches, results, strict=True):
        if isinstance(result, GroundworkError):
            failures[leg] = result
            log.warning("retrieval_leg_failed", leg=leg, exc_info=result)
        elif isinstance(result, BaseException):
            raise result
        else:
            found[leg] = result
    if not found and failures:
        raise next(iter(failures.values()))
    return found, list(failures)
