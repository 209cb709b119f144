"""Fusion of the legs of hybrid search into one score for each candidate.

Reciprocal rank fusion: Cormack, Clarke, Büttcher: "Reciprocal Rank Fusion outperforms Condorcet and
individual Rank Learning Methods", SIGIR 2009. Convex combinations, with scores normalised by the candidates'
extremes or by the scores' theoretical bounds: Bruch, Gai, Ingber: "An Analysis of Fusion Functions for Hybrid
Retrieval", ACM TOIS 2023. Unlike there, every candidate has both scores, whichever leg found it.

The search statement computes the same in the database (`db.repositories.search`); this is the written form,
which tuning uses and tests compare with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

RANK_CONSTANT = 60  # the paper's k: damps the lead of the very first ranks


class FusionMethod(StrEnum):
    """Reciprocal ranks; a convex combination of min-max normalised scores; or one of bounded scores.

    `bounded` compares scores across questions, so that a strong match is told from the best of a weak list.
    It is the best of the three where the weight suits the embedding model; the other two suit any model.
    """

    RECIPROCAL_RANK = "rrf"
    CONVEX = "convex"
    BOUNDED = "bounded"


@dataclass(frozen=True, slots=True)
class Fusion:
    """How two legs become one ranking: `vector_weight` of the vector leg's score, the rest the lexical's."""

    method: FusionMethod
    vector_weight: float


DEFAULT_FUSION = Fusion(FusionMethod.CONVEX, 0.5)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the legs say of a chunk: its rank from 1 where a leg found it, its score where that is known."""

    vector_rank: int | None = None
    lexical_rank: int | None = None
    vector_score: float | None = None
    lexical_score: float | None = None


def fuse(candidates: Sequence[Candidate], fusion: Fusion, *, lexical_bound: float) -> list[float]:
    """A score for each candidate, higher is better.

    - rrf: `weight / (k + rank)`, summed over the legs that found the candidate.
    - convex: `weight * (score - min) / (max - min)`, summed over both legs; min and max are the candidates'.
    - bounded: `weight * cosine + (1 - weight) * BM25 / lexical_bound`.

    A chunk without a word of the question has BM25 score 0, one without a vector the least cosine.

    Args:
        candidates: The union of what the legs found.
        fusion: Method and weight.
        lexical_bound: The sum of the inverse document frequencies of the question's lexemes, which no BM25
            score reaches.
    """
    weight = fusion.vector_weight
    if fusion.method is FusionMethod.RECIPROCAL_RANK:
        return [
            _share_of_rank(weight, c.vector_rank) + _share_of_rank(1 - weight, c.lexical_rank)
            for c in candidates
        ]
    vector = [c.vector_score for c in candidates]
    lexical = [c.lexical_score or 0.0 for c in candidates]
    if fusion.method is FusionMethod.CONVEX:
        shares = zip(_normalised(vector), _normalised(lexical), strict=True)
    else:
        least = min((score for score in vector if score is not None), default=0.0)
        shares = zip(
            [least if score is None else score for score in vector],
            [score / lexical_bound if lexical_bound else 0.0 for score in lexical],
            strict=True,
        )
    return [weight * v + (1 - weight) * w for v, w in shares]


def _share_of_rank(weight: float, rank: int | None) -> float:
    return 0.0 if rank is None else weight / (RANK_CONSTANT + rank)


def _normalised(scores: Sequence[float | None]) -> list[float]:
    """Scores moved to 0 to 1. Where all are the same, they say nothing, and are 0."""
    known = [score for score in scores if score is not None]
    least, most = min(known, default=0.0), max(known, default=0.0)
    spread = most - least
    return [(score - least) / spread if score is not None and spread else 0.0 for score in scores]
