from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from rag.fuse import reciprocal_rank_fusion
from rag.ports import Match
from tests.unit.rag.passages import make_passage

A, B, C = (UUID(int=n) for n in (1, 2, 3))


def hit(chunk_id: UUID, score: float = 1.0) -> Match:
    return Match(make_passage("text", number=chunk_id.int), score)


def test_scores_are_the_weighted_sum_of_reciprocal_ranks() -> None:
    fused = reciprocal_rank_fusion([hit(A, 0.9), hit(B, 0.8)], [hit(B, 12.0), hit(C, 3.0)])
    assert [(match.chunk_id, match.score) for match in fused] == [
        (B, 0.6 / (60 + 2) + 0.4 / (60 + 1)),
        (A, 0.6 / (60 + 1)),
        (C, 0.4 / (60 + 2)),
    ]


def test_ranks_and_scores_of_both_legs_are_kept() -> None:
    best = reciprocal_rank_fusion([hit(A, 0.9)], [hit(B, 12.0), hit(A, 3.0)])[0]
    assert (best.chunk_id, best.vector_rank, best.lexical_rank) == (A, 1, 2)
    assert (best.vector_score, best.lexical_score) == (0.9, 3.0)


def test_a_single_leg_keeps_its_order() -> None:
    fused = reciprocal_rank_fusion([], [hit(C, 2.0), hit(A, 1.0)])
    assert [match.chunk_id for match in fused] == [C, A]


ids = st.lists(st.integers(0, 30).map(lambda n: UUID(int=n)), unique=True, max_size=20)


@given(ids, ids)
def test_every_chunk_of_either_leg_appears_once_and_best_first(vector: list[UUID], words: list[UUID]) -> None:
    fused = reciprocal_rank_fusion([hit(i) for i in vector], [hit(i) for i in words])
    assert sorted(match.chunk_id for match in fused) == sorted(set(vector) | set(words))
    assert [match.score for match in fused] == sorted((match.score for match in fused), reverse=True)
