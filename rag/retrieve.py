"""Hybrid retrieval: one search over a question's vector and its words, over one when the other fails."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import structlog
from langchain_core.embeddings import Embeddings

from rag.analysis import analyse
from rag.errors import GroundworkError, InvalidInputError, ModelError
from rag.fuse import DEFAULT_FUSION, Fusion
from rag.models.resilience.deadline import deadline
from rag.ports import ChunkSearch, RetrievedPassage, SearchPlan, SearchQuery, SearchScope

log = structlog.get_logger(__name__)

EMBEDDING_S = 8.0  # for a question's vector; the words alone are worth more than a longer wait
CANDIDATES = 50  # a leg: deep enough for fusion to see what only one leg found


class Strategy(StrEnum):
    """Which legs search. `auto` is today's best choice, `hybrid`."""

    AUTO = "auto"
    HYBRID = "hybrid"
    VECTOR = "vector"
    LEXICAL = "lexical"


@dataclass(frozen=True, slots=True)
class QuestionVector:
    """A question's vector, and the name of the model that made it."""

    model: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Passages, best first; the legs that failed on the way; how the search went, in milliseconds each.

    Attributes:
        vector: The question's; None where only words were searched.
    """

    passages: list[RetrievedPassage]
    degraded: list[str]
    plan: SearchPlan
    timings_ms: dict[str, float]
    vector: QuestionVector | None


class PassageRetriever(Protocol):
    """What an answer is found by; `Retriever` says what each argument is."""

    async def retrieve(
        self,
        question: str,
        scope: SearchScope,
        *,
        strategy: Strategy = Strategy.AUTO,
        top_k: int = 8,
        vector: Sequence[float] | QuestionVector | None = None,
        exact: bool = False,
    ) -> Retrieval: ...


class Retriever:
    """Finds passages for a question.

    Args:
        search: Where to look.
        embeddings: Must be the model of the space that `search` looks into.
        model: Its name.
        dimensions: Of that space.
        fusion: How the legs become one ranking, for tenants without a setting of their own.
    """

    def __init__(
        self,
        search: ChunkSearch,
        embeddings: Embeddings,
        *,
        model: str,
        dimensions: int,
        fusion: Fusion = DEFAULT_FUSION,
    ) -> None:
        self._search = search
        self._embeddings = embeddings
        self._model = model
        self._dimensions = dimensions
        self._fusion = fusion

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
        """At most `top_k` passages, best first.

        Args:
            question: In natural language.
            scope: Whose passages, and which of them.
            strategy: Which legs search.
            top_k: Most passages to return.
            vector: The question's vector, where the caller has it already; not used if another model made it.
            exact: Whether to compare all passages, and so find the same each time.

        Raises:
            InvalidInputError: The vector has not as many dimensions as the corpus' vectors.
            GroundworkError: The search failed; or the embedding model, and no other leg was asked for.
        """
        began = time.perf_counter()
        degraded: list[str] = []
        if isinstance(vector, QuestionVector):
            vector = vector.values if vector.model == self._model else None
        if strategy is Strategy.LEXICAL:
            vector = None
        elif vector is None:
            vector = await self._embed(question, degraded, alone=strategy is Strategy.VECTOR)
        elif len(vector) != self._dimensions:
            raise InvalidInputError(
                f"the vector has {len(vector)} dimensions; the corpus' vectors have {self._dimensions}"
            )
        else:
            vector = _unit(vector)
        embedded = time.perf_counter()
        # Some are copies of others, and left out.
        candidates = 2 * top_k if strategy is Strategy.VECTOR else max(CANDIDATES, 2 * top_k)
        query = SearchQuery(
            vector=vector,
            words=None if strategy is Strategy.VECTOR else analyse(question),
            limit=top_k,
            candidates=candidates,
            fusion=self._fusion,
            exact=exact,
        )
        found = await self._search.search(scope, query)
        timings = {"embed": embedded - began, "search": time.perf_counter() - embedded}
        return Retrieval(
            found.passages,
            degraded,
            found.plan,
            {name: round(s * 1000, 2) for name, s in timings.items()},
            QuestionVector(self._model, vector) if vector is not None else None,
        )

    async def _embed(self, question: str, degraded: list[str], *, alone: bool) -> Sequence[float] | None:
        """The question's vector; None, and a note in `degraded`, when words alone have to do."""
        try:
            return await embed_query(self._embeddings, question)
        except GroundworkError:
            if alone:
                raise
            log.warning("retrieval_leg_failed", leg="vector", exc_info=True)
            degraded.append("retrieve:vector")
            return None


@dataclass(frozen=True, slots=True)
class EmbeddedQuestion:
    """A `PassageRetriever` that knows the vector of one question.

    Args:
        retriever: Searches.
        question: The one.
        vector: Its vector.
    """

    retriever: PassageRetriever
    question: str
    vector: QuestionVector

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
        if vector is None and question == self.question:
            vector = self.vector
        return await self.retriever.retrieve(
            question, scope, strategy=strategy, top_k=top_k, vector=vector, exact=exact
        )


def candidates_for(top_k: int) -> int:
    """How many passages each leg contributes to so many results: some are copies of others, and left out."""
    return max(CANDIDATES, 2 * top_k)


def _unit(vector: Sequence[float]) -> list[float]:
    """The vector at length 1, so that half precision neither cuts it off nor loses it."""
    length = math.hypot(*vector)
    if not 0 < length < math.inf:
        raise InvalidInputError("the vector points nowhere")
    return [value / length for value in vector]


async def embed_query(embeddings: Embeddings, question: str) -> Sequence[float]:
    """The question's vector.

    Raises:
        ModelError: The model failed, for whatever reason its SDK gives.
        UnavailableError: It is too busy.
    """
    try:
        with deadline(EMBEDDING_S):
            return await embeddings.aembed_query(question)
    except GroundworkError:
        raise
    except Exception as exc:  # SDKs share no base class; what they raise is a failed leg
        raise ModelError("the embedding model failed") from exc
