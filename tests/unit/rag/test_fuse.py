import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.fuse import FEEDBACK, Candidate, Fusion, FusionMethod, fuse

RRF, CONVEX, BOUNDED = FusionMethod.RECIPROCAL_RANK, FusionMethod.CONVEX, FusionMethod.BOUNDED

BOTH = Candidate(vector_rank=2, lexical_rank=1, vector_score=0.6, lexical_score=9.0)
VECTOR_ONLY = Candidate(vector_rank=1, vector_score=0.8)
LEXICAL_ONLY = Candidate(lexical_rank=2, vector_score=0.2, lexical_score=3.0)
CANDIDATES = [BOTH, VECTOR_ONLY, LEXICAL_ONLY]


def test_reciprocal_ranks_are_weighted_and_added() -> None:
    assert fuse(CANDIDATES, Fusion(RRF, 0.6), lexical_bound=12) == pytest.approx(
        [0.6 / (60 + 2) + 0.4 / (60 + 1), 0.6 / (60 + 1), 0.4 / (60 + 2)]
    )


def test_convex_shares_lie_between_the_candidates_extremes() -> None:
    assert fuse(CANDIDATES, Fusion(CONVEX, 0.6), lexical_bound=12) == pytest.approx(
        [0.6 * (0.6 - 0.2) / (0.8 - 0.2) + 0.4 * 9 / 9, 0.6 * 1.0 + 0.4 * 0.0, 0.6 * 0.0 + 0.4 * 3 / 9]
    )


def test_bounded_shares_are_the_cosine_and_the_part_of_the_highest_bm25_there_can_be() -> None:
    assert fuse(CANDIDATES, Fusion(BOUNDED, 0.6), lexical_bound=12) == pytest.approx(
        [0.6 * 0.6 + 0.4 * 9 / 12, 0.6 * 0.8, 0.6 * 0.2 + 0.4 * 3 / 12]
    )


def test_bounded_moves_the_question_towards_its_best_match() -> None:
    """Of two equally far from the question, the one on the best match's side is the nearer."""

    def at(degrees: float, bm25: float = 0.0) -> Candidate:
        angle = math.radians(degrees)
        return Candidate(
            vector_score=math.cos(angle),
            lexical_score=bm25,
            vector=(3 * math.cos(angle), 3 * math.sin(angle)),
        )

    def moved(degrees: float) -> float:
        angle = math.radians(30)
        question = math.atan2(FEEDBACK * math.sin(angle), 1 + FEEDBACK * math.cos(angle))
        return math.cos(math.radians(degrees) - question)

    found = fuse([at(50), at(30, 6.0), at(-50)], Fusion(BOUNDED, 0.5), lexical_bound=12)
    assert found == pytest.approx([0.5 * moved(50), 0.5 * moved(30) + 0.5 * 0.5, 0.5 * moved(-50)])
    assert found[0] > found[2]
    (unknown,) = fuse([at(30, 6.0), Candidate(vector_score=0.1)], Fusion(BOUNDED, 1.0), lexical_bound=12)[1:]
    assert unknown == pytest.approx(moved(30)), "as the farthest of those whose vector is known"


def test_a_candidate_without_a_vector_counts_as_the_farthest() -> None:
    unseen = Candidate(lexical_rank=1, lexical_score=6.0)
    assert fuse([BOTH, unseen], Fusion(BOUNDED, 0.5), lexical_bound=12) == pytest.approx(
        [0.5 * 0.6 + 0.5 * 9 / 12, 0.5 * 0.6 + 0.5 * 6 / 12]
    )


@pytest.mark.parametrize("method", list(FusionMethod))
def test_scores_that_are_all_the_same_say_nothing(method: FusionMethod) -> None:
    same = Candidate(vector_score=0.5)
    first, second = fuse([same, same], Fusion(method, 0.5), lexical_bound=0)
    assert first == second


scores = st.floats(-1, 1) | st.none()
candidates = st.lists(
    st.builds(
        Candidate,
        vector_rank=st.integers(1, 50) | st.none(),
        lexical_rank=st.integers(1, 50) | st.none(),
        vector_score=scores,
        lexical_score=st.floats(0, 40) | st.none(),
    ),
    max_size=20,
)
fusions = st.builds(Fusion, st.sampled_from(FusionMethod), st.floats(0, 1))


@given(candidates, fusions)
def test_each_candidate_gets_a_score_that_hangs_on_the_set_and_not_on_its_order(
    found: list[Candidate], fusion: Fusion
) -> None:
    forward = fuse(found, fusion, lexical_bound=40)
    backward = fuse(found[::-1], fusion, lexical_bound=40)
    assert forward == pytest.approx(backward[::-1])
    assert len(forward) == len(found)


@given(candidates, fusions)
def test_a_candidate_that_is_better_in_both_legs_is_never_below(
    found: list[Candidate], fusion: Fusion
) -> None:
    best = Candidate(vector_rank=1, lexical_rank=1, vector_score=1.0, lexical_score=40.0)
    first, *others = fuse([best, *found], fusion, lexical_bound=40)
    assert all(first >= other - 1e-12 for other in others)
