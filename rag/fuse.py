"""Reciprocal rank fusion.

Cormack, Clarke, Büttcher: "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
Methods", SIGIR 2009.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from rag.ports import Match

RANK_CONSTANT = 60  # the paper's k: damps the lead of the very first ranks
VECTOR_WEIGHT = 0.6
LEXICAL_WEIGHT = 0.4


@dataclass(frozen=True, slots=True)
class FusedMatch:
    """A chunk with its fused score, and its rank (from 1) and score in each leg that found it."""

    chunk_id: UUID
    score: float
    vector_rank: int | None = None
    lexical_rank: int | None = None
    vector_score: float | None = None
    lexical_score: float | None = None


def reciprocal_rank_fusion(vector: Sequence[Match], lexical: Sequence[Match]) -> list[FusedMatch]:
    """Both legs in one ranking, best first: score = sum over the legs of `weight / (k + rank)`.

    Args:
        vector: Matches of the vector leg, best first.
        lexical: Matches of the lexical leg, best first.
    """
    vector_ranks = {match.passage.chunk_id: rank for rank, match in enumerate(vector, start=1)}
    lexical_ranks = {match.passage.chunk_id: rank for rank, match in enumerate(lexical, start=1)}
    vector_scores = {match.passage.chunk_id: match.score for match in vector}
    lexical_scores = {match.passage.chunk_id: match.score for match in lexical}
    fused = [
        FusedMatch(
            chunk_id=chunk_id,
            score=_share(VECTOR_WEIGHT, vector_ranks.get(chunk_id))
            + _share(LEXICAL_WEIGHT, lexical_ranks.get(chunk_id)),
            vector_rank=vector_ranks.get(chunk_id),
            lexical_rank=lexical_ranks.get(chunk_id),
            vector_score=vector_scores.get(chunk_id),
            lexical_score=lexical_scores.get(chunk_id),
        )
        for chunk_id in dict.fromkeys([*vector_ranks, *lexical_ranks])
    ]
    return sorted(fused, key=lambda match: (-match.score, str(match.chunk_id)))


def _share(weight: float, rank: int | None) -> float:
    return 0.0 if rank is None else weight / (RANK_CONSTANT + rank)
