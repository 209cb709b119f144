import math
from uuid import UUID

import numpy as np
import pytest

from eval.tune_fusion import GRID, JudgedPool, Metric, Tuning, best_row, find_hits, tune_fusion
from rag.candidates import CandidateChunk, CandidatePool
from rag.errors import InvalidInputError
from rag.fuse import Candidate, Fusion, FusionMethod

NDCG = Metric.parse("ndcg@10")
RECALL = Metric.parse("recall@5")
CURRENT = Fusion(FusionMethod.BOUNDED, 0.45)


def chunk(number: int, legs: Candidate | None = None, *, source: str | None = None) -> CandidateChunk:
    return CandidateChunk(
        number, UUID(int=number), source or f"doc-{number}", legs or Candidate(), fingerprint=number
    )


def judged(seed: int, *, cosine: float = 0.0, words: float = 0.0) -> JudgedPool:
    """Thirty chunks with random scores, of which the first is relevant.

    Args:
        seed: Of the scores.
        cosine: How much higher the relevant one's cosine is, in spreads of the others'.
        words: The same of BM25.
    """
    random = np.random.default_rng(seed)
    cosines, bm25 = random.normal(0, 1, 30), random.normal(0, 1, 30)
    cosines[0] += cosine
    bm25[0] += words
    by_cosine, by_words = ranks(cosines), ranks(bm25)
    chunks = tuple(
        chunk(n, Candidate(by_cosine[n], by_words[n], 0.4 + 0.05 * float(cosines[n]), 8 + 2 * float(bm25[n])))
        for n in range(30)
    )
    return JudgedPool(CandidatePool(chunks, 20.0, near_kept=2, near_places=4), frozenset(["doc-0"]))


def ranks(scores: "np.typing.NDArray[np.float64]") -> list[int]:
    return [int(rank) + 1 for rank in np.argsort(np.argsort(-scores))]


def test_a_fusion_that_is_planted_as_the_best_is_found_and_recommended() -> None:
    questions = [judged(seed, words=3.0) for seed in range(80)]
    tuning = tune_fusion(questions, Fusion(FusionMethod.CONVEX, 1.0), NDCG)
    assert tuning.best.vector_weight <= 0.25
    assert all(fusion.vector_weight <= 0.35 for fusion in tuning.chosen)
    assert tuning.recommended
    assert tuning.gain.low > 0.2
    assert tuning.held_out - tuning.current_mean == pytest.approx(tuning.gain.value)


def test_where_both_legs_tell_something_a_weight_in_between_is_found() -> None:
    questions = [judged(seed, cosine=1.5, words=1.5) for seed in range(200)]
    tuning = tune_fusion(questions, Fusion(FusionMethod.CONVEX, 1.0), NDCG)
    assert tuning.recommended
    assert tuning.best_mean > tune_fusion(questions, Fusion(FusionMethod.CONVEX, 0.0), NDCG).current_mean
    share = tuning.best.vector_weight
    if tuning.best.method is FusionMethod.BOUNDED:  # spreads of 0.05 and of 2 / 20
        share = 0.05 * share / (0.05 * share + 0.1 * (1 - share))
    assert 0.3 <= share <= 0.7


@pytest.mark.parametrize("metric", [NDCG, RECALL], ids=str)
def test_noise_is_hardly_ever_recommended(metric: Metric) -> None:
    tunings = [
        tune_fusion([judged(1000 * seed + n) for n in range(40)], CURRENT, metric, seed=seed)
        for seed in range(10)
    ]
    assert sum(tuning.best_mean > tuning.current_mean for tuning in tunings) >= 9, "the best looks better"
    assert sum(tuning.recommended for tuning in tunings) <= 1


def test_a_current_fusion_that_is_as_good_as_any_stays() -> None:
    only = JudgedPool(CandidatePool((chunk(1),), 1.0, near_kept=2, near_places=4), frozenset(["doc-1"]))
    tuning = tune_fusion([only] * 10, CURRENT, NDCG)
    assert (tuning.best, tuning.chosen) == (CURRENT, (CURRENT,) * 5)
    assert (tuning.current_mean, tuning.held_out, tuning.gain.value) == (1.0, 1.0, 0.0)
    assert not tuning.recommended


def test_the_current_fusion_needs_no_place_in_the_grid() -> None:
    current = Fusion(FusionMethod.BOUNDED, 0.333)
    assert tune_fusion([judged(n) for n in range(10)], current, NDCG).current == current


def test_the_same_seed_gives_the_same_result_and_another_one_another_division() -> None:
    questions = [judged(seed, cosine=0.5, words=1.0) for seed in range(30)]

    def tuned(seed: int) -> Tuning:
        return tune_fusion(questions, CURRENT, NDCG, seed=seed)

    assert tuned(1) == tuned(1)
    assert tuned(1).gain != tuned(2).gain


@pytest.mark.parametrize("folds", [0, 1, 4])
def test_folds_that_do_not_fit_are_refused(folds: int) -> None:
    with pytest.raises(InvalidInputError, match="3 questions"):
        tune_fusion([judged(n) for n in range(3)], CURRENT, NDCG, folds=folds)


def test_of_equal_rows_the_first_of_all_stays_else_the_middle_one_is_chosen() -> None:
    assert best_row(np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])) == 0
    assert best_row(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.2, 0.2]])) == 2


def test_the_grid_has_every_method_at_every_twentieth() -> None:
    assert len(GRID) == 3 * 21
    assert Fusion(FusionMethod.RECIPROCAL_RANK, 0.6) in GRID
    assert CURRENT in GRID


def test_a_source_counts_once_and_a_chunk_by_its_id() -> None:
    ranking = [chunk(1, source="a"), chunk(2, source="a"), chunk(3, source="b"), chunk(4, source="c")]
    assert find_hits(ranking, {"a", "c"}) == [True, False, False, True]
    assert find_hits(ranking, {str(UUID(int=2))}) == [False, True, False, False]
    assert find_hits(ranking, {"a", str(UUID(int=1))}) == [True, True, False, False]
    assert find_hits(ranking, {"z"}) == [False] * 4


def test_a_metric_measures_the_first_places() -> None:
    ranking = [chunk(1), chunk(2), chunk(3)]
    relevant = {"doc-1", "doc-3", "doc-9"}
    ideal = 1 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert NDCG.of(ranking, relevant) == (1 / math.log2(2) + 1 / math.log2(4)) / ideal
    assert Metric.parse("ndcg@1").of(ranking, relevant) == 1.0
    assert RECALL.of(ranking, relevant) == 2 / 3
    assert Metric.parse("recall@2").of(ranking, relevant) == 1 / 3
    assert (str(NDCG), str(RECALL)) == ("ndcg@10", "recall@5")


@pytest.mark.parametrize("name", ["", "ndcg", "ndcg@0", "ndcg@51", "recall@-1", "map@10", "ndcg@10 "])
def test_a_metric_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="is no metric"):
        Metric.parse(name)
