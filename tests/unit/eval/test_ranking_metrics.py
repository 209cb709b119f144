"""Against trec_eval, by way of ir-measures."""

import math

import ir_measures
import numpy as np
import pytest
from ir_measures import RR, P, R, Success, nDCG

from eval.metrics import (
    gains,
    graded_ndcg,
    hit_rate,
    precision,
    rank_by_score,
    recall,
    reciprocal_rank,
)

RANKINGS = 1000
DEPTHS = (1, 3, 10)
DOCUMENTS = [f"d{n}" for n in range(30)]


def draw(draws: np.random.Generator) -> tuple[dict[str, int], dict[str, float]]:
    """Graded judgments of some documents, and scores with ties of others; either may lack the other's."""
    judged = draws.choice(DOCUMENTS, draws.integers(1, 15), replace=False)
    judgments = {str(name): int(draws.integers(0, 4)) for name in judged}
    judgments[str(judged[0])] = int(draws.integers(1, 4))
    found = draws.choice(DOCUMENTS, draws.integers(0, 20), replace=False)
    return judgments, {str(name): float(draws.integers(0, 6)) / 2 for name in found}


def measured(judgments: dict[str, int], scores: dict[str, float]) -> dict[str, float]:
    found = gains(rank_by_score(scores), judgments)
    relevant = sum(grade > 0 for grade in judgments.values())
    values = {"RR": reciprocal_rank(found, depth=len(DOCUMENTS))}
    for depth in DEPTHS:
        values[f"Success@{depth}"] = hit_rate(found, depth=depth)
        values[f"R@{depth}"] = recall(found, relevant, depth=depth)
        values[f"P@{depth}"] = precision(found, depth=depth)
        values[f"nDCG@{depth}"] = graded_ndcg(found, judgments.values(), depth=depth)
    return values


def test_a_thousand_random_rankings_agree_with_trec_eval() -> None:
    draws = np.random.default_rng(0)
    drawn = {str(at): draw(draws) for at in range(RANKINGS)}
    wanted = [RR, *(m @ depth for m in (Success, R, P, nDCG) for depth in DEPTHS)]
    qrels = {query: judgments for query, (judgments, _) in drawn.items()}
    run = {query: scores for query, (_, scores) in drawn.items() if scores}
    theirs = {
        (metric.query_id, str(metric.measure)): metric.value
        for metric in ir_measures.pytrec_eval.iter_calc(wanted, qrels, run)
    }

    assert len(run) < RANKINGS, "some found nothing"
    for query, (judgments, scores) in drawn.items():
        for name, value in measured(judgments, scores).items():
            assert value == pytest.approx(theirs.get((query, name), 0.0), abs=1e-6), (query, name)


def test_equal_scores_are_ranked_by_name_from_the_last() -> None:
    assert rank_by_score({"b": 1.0, "a": 1.0, "c": 0.5, "d": 2.0}) == ["d", "b", "a", "c"]


def test_a_document_counts_once_and_an_unjudged_one_not_at_all() -> None:
    assert gains(["a", "x", "a", "b"], {"a": 2, "b": 1, "c": -1}) == [2, 0, 1]


def test_graded_ndcg_is_visible_arithmetic() -> None:
    ideal = 3 / math.log2(2) + 1 / math.log2(3)
    assert graded_ndcg([1, 0, 3], [3, 1, 0], depth=10) == (1 / math.log2(2) + 3 / math.log2(4)) / ideal
    assert graded_ndcg([1, 0, 3], [3, 1, 0], depth=1) == 1 / 3
    assert graded_ndcg([], [1], depth=3) == 0.0


def test_places_and_shares() -> None:
    hits = [False, True, True]
    assert reciprocal_rank(hits, depth=3) == 1 / 2
    assert reciprocal_rank(hits, depth=1) == 0.0
    assert precision(hits, depth=5) == 2 / 5
    assert hit_rate(hits, depth=1) == 0.0
    assert hit_rate(hits, depth=2) == 1.0
