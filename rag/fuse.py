"""Fusion of the legs of hybrid search into one score for each candidate.

Reciprocal rank fusion: Cormack, Clarke, Büttcher: "Reciprocal Rank Fusion outperforms Condorcet and
individual Rank Learning Methods", SIGIR 2009. Convex combinations, with scores normalised by the candidates'
extremes or by the scores' theoretical bounds: Bruch, Gai, Ingber: "An Analysis of Fusion Functions for Hybrid
Retrieval", ACM TOIS 2023. Unlike there, every candidate has both scores, whichever leg found it.
Pseudo-relevance feedback: Rocchio, 1971; on vectors, Li et al.: "Pseudo Relevance Feedback with Deep Language
Models and Dense Retrievers", ACM TOIS 2023. Here it moves the question towards the best candidate of both
legs.

The search statement computes the same in the database (`db.repositories.search`); this is the written form,
which tuning uses and tests compare with.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

RANK_CONSTANT = 60  # the paper's k: damps the lead of the very first ranks
FEEDBACK = 0.4  # length of the best candidate's part of the moved question, to the question's own


class FusionMethod(StrEnum):
    """Reciprocal ranks; a convex combination of min-max normalised scores; or one of bounded scores.

    `bounded` compares scores across questions, so that a strong match is told from the best of a weak list,
    and reads the question once more in the light of its best match.
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
    """What the legs say of a chunk: its rank from 1 where a leg found it, its score where that is known.

    `vector` is the chunk's own, of any length, where that is known.
    """

    vector_rank: int | None = None
    lexical_rank: int | None = None
    vector_score: float | None = None
    lexical_score: float | None = None
    vector: tuple[float, ...] | None = None


def fuse(candidates: Sequence[Candidate], fusion: Fusion, *, lexical_bound: float) -> list[float]:
    """A score for each candidate, higher is better.

    - rrf: `weight / (k + rank)`, summed over the legs that found the candidate.
    - convex: `weight * (score - min) / (max - min)`, summed over both legs; min and max are the candidates'.
    - bounded: `weight * cosine + (1 - weight) * BM25 / lexical_bound`; then the same with cosines to the
      question moved towards the best candidate by that score, if that one's vector is known.

    A chunk without a word of the question has BM25 score 0, one without a vector the least cosine.

    Args:
        candidates: The union of what the legs found; of two that are equally good, the first is the better.
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
        return _combined(weight, _normalised(vector), _normalised(lexical))
    words = [score / lexical_bound if lexical_bound else 0.0 for score in lexical]
    once = _combined(weight, _filled(vector), words)
    return _combined(weight, _filled(_moved(candidates, once)), words)


def _combined(weight: float, vector: Sequence[float], lexical: Sequence[float]) -> list[float]:
    return [weight * v + (1 - weight) * w for v, w in zip(vector, lexical, strict=True)]


def _filled(scores: Sequence[float | None]) -> list[float]:
    """The least score where none is known."""
    least = min((score for score in scores if score is not None), default=0.0)
    return [least if score is None else score for score in scores]


def _moved(candidates: Sequence[Candidate], scores: Sequence[float]) -> list[float | None]:
    """Cosines to the question moved towards the candidate with the best score."""
    cosines = [c.vector_score for c in candidates]
    best = max(range(len(scores)), key=scores.__getitem__, default=0)
    if not candidates or candidates[best].vector is None or (to_question := cosines[best]) is None:
        return cosines
    towards = _direction(candidates[best])
    length = math.sqrt(1 + FEEDBACK**2 + 2 * FEEDBACK * to_question)
    return [
        None
        if c.vector_score is None or c.vector is None
        else (c.vector_score + FEEDBACK * float(_direction(c) @ towards)) / length
        for c in candidates
    ]


def _direction(candidate: Candidate) -> NDArray[np.float64]:
    vector = np.array(candidate.vector, dtype=np.float64)
    return vector / np.linalg.norm(vector)


def _share_of_rank(weight: float, rank: int | None) -> float:
    return 0.0 if rank is None else weight / (RANK_CONSTANT + rank)


def _normalised(scores: Sequence[float | None]) -> list[float]:
    """Scores moved to 0 to 1. Where all are the same, they say nothing, and are 0."""
    known = [score for score in scores if score is not None]
    least, most = min(known, default=0.0), max(known, default=0.0)
    spread = most - least
    return [(score - least) / spread if score is not None and spread else 0.0 for score in scores]
