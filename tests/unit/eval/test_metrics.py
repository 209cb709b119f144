import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from eval.bm25 import bm25_scores
from eval.metrics import auroc, bootstrap_interval, contains_answer, ndcg, normalise_answer, recall


def test_normalisation_drops_case_punctuation_and_articles() -> None:
    assert normalise_answer("The  U.S. Navy, a fleet") == "us navy fleet"


def test_a_quote_contains_any_of_the_gold_answers() -> None:
    assert contains_answer("It was built by the Tull family.", ["Agnes", "Tull Family"])
    assert not contains_answer("It was built in 1843.", ["1844"])
    assert not contains_answer("It was built.", ["the", ""])
    assert not contains_answer("It was built.", [])


def test_auroc_counts_pairs() -> None:
    # Pairs (positive, negative): .9>.5, .9>.1, .5=.5, .5>.1
    assert auroc([0.9, 0.5, 0.5, 0.1], [True, True, False, False]) == (1 + 1 + 0.5 + 1) / 4


def test_auroc_needs_both_kinds() -> None:
    with pytest.raises(ValueError, match="positives and negatives"):
        auroc([0.1, 0.2], [True, True])


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=30))
def test_auroc_of_opposite_scores_is_its_complement(items: list[tuple[int, bool]]) -> None:
    labels = [label for _, label in items]
    if len(set(labels)) == 1:
        return
    scores = [float(score) for score, _ in items]
    assert auroc(scores, labels) + auroc([-s for s in scores], labels) == pytest.approx(1)


def test_ndcg_discounts_by_place_and_is_1_for_the_best_ranking_there_can_be() -> None:
    hits = [False, True, False, True]
    ideal = 1 / math.log2(2) + 1 / math.log2(3)
    assert ndcg(hits, 2, depth=10) == (1 / math.log2(3) + 1 / math.log2(5)) / ideal
    assert ndcg(hits, 2, depth=2) == 1 / math.log2(3) / ideal
    assert ndcg([True, True, False], 2, depth=10) == 1.0
    assert ndcg([True] * 3, 9, depth=3) == 1.0, "no more fit in"
    assert ndcg([], 2, depth=10) == 0.0


def test_recall_is_the_share_found() -> None:
    assert recall([False, True, False, True], 3, depth=10) == 2 / 3
    assert recall([False, True, False, True], 3, depth=2) == 1 / 3


def test_bootstrap_interval_holds_the_figure_and_is_repeatable() -> None:
    values = np.arange(100) % 10

    def mean(drawn: NDArray[np.intp]) -> float:
        return float(values[drawn].mean())

    interval = bootstrap_interval(mean, len(values), resamples=200)

    assert interval.low < interval.value == 4.5 < interval.high
    assert interval == bootstrap_interval(mean, len(values), resamples=200)


def test_bm25_prefers_the_document_with_the_rare_word() -> None:
    scores = bm25_scores(["a red boat", "a red lamp", "a red mill"], ["the red lamp"])

    assert scores.shape == (1, 3)
    assert scores[0].argmax() == 1
    assert scores[0, 0] == scores[0, 2]
