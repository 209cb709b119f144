import math

import pytest

from eval.summaries import (
    AbstentionSummary,
    CostSummary,
    LatencySummary,
    Summary,
    summarise,
    summarise_abstention,
    summarise_cost,
    summarise_latency,
    summarise_metrics,
)


def test_a_summary_counts_what_is_missing() -> None:
    assert summarise([1.0, None, 0.0, 0.5]) == Summary(0.5, 0.5, 3, 1)
    assert summarise([0.7]) == Summary(0.7, 0.0, 1, 0)
    assert summarise([None]) == Summary(None, None, 0, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        summarise([1.0, value])


def test_metrics_that_do_not_apply_are_left_out() -> None:
    summaries = summarise_metrics([{"f1": 1.0, "hit@5": None}, {"f1": 0.0}, {}])
    assert summaries == {
        "f1": Summary(0.5, math.sqrt(0.5), 2, 0),
        "hit@5": Summary(None, None, 0, 1),
    }


def test_latency() -> None:
    times = [float(ms) for ms in range(101)]
    assert summarise_latency([*times, None]) == LatencySummary(50.0, 50.0, 95.0, 99.0, 100.0, 101, 1)
    assert summarise_latency([]).p50_ms is None


def test_cost() -> None:
    assert summarise_cost([0.1] * 10 + [None]) == CostSummary(1.0, 0.1, 10, 1)
    assert summarise_cost([None]) == CostSummary(0.0, None, 0, 1)


def test_abstention_is_measured_from_both_sides() -> None:
    answerable = [True, True, True, False, False]
    abstained = [True, False, False, True, False]
    assert summarise_abstention(answerable, abstained) == AbstentionSummary(1 / 2, 1 / 2, 2 / 3, 5)
    assert summarise_abstention([True], [False]) == AbstentionSummary(None, None, 1.0, 1)
