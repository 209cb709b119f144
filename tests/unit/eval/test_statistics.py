import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metrics import Interval
from eval.statistics import (
    cases_needed,
    holm,
    is_non_inferior,
    mean_interval,
    minimum_detectable_effect,
    paired_interval,
    permutation_test,
    wilson_interval,
)

SCORES = st.lists(st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 1), min_size=1, max_size=40)


@given(SCORES)
def test_the_interval_holds_the_mean_and_stays_within_the_values(scores: list[float]) -> None:
    interval = mean_interval(scores, resamples=1000)
    assert interval.value == pytest.approx(np.mean(scores))
    assert min(scores) - 1e-9 <= interval.low <= interval.value + 1e-9
    assert interval.value - 1e-9 <= interval.high <= max(scores) + 1e-9


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    scores = np.random.default_rng(0).random(50)
    assert mean_interval(scores, seed=1) == mean_interval(scores, seed=1)
    assert mean_interval(scores, seed=1) != mean_interval(scores, seed=2)


def test_values_that_are_all_the_same_have_no_spread() -> None:
    assert mean_interval([0.5] * 10) == Interval(0.5, 0.5, 0.5)


def test_of_many_normal_values_it_is_the_textbook_interval() -> None:
    scores = np.random.default_rng(3).normal(0, 1, 2000)
    half = 1.96 * scores.std(ddof=1) / math.sqrt(2000)
    interval = mean_interval(scores)
    assert interval.low == pytest.approx(scores.mean() - half, abs=0.004)
    assert interval.high == pytest.approx(scores.mean() + half, abs=0.004)


def test_the_interval_leans_towards_the_long_tail() -> None:
    skewed = np.r_[np.zeros(90), np.ones(10)]
    interval = mean_interval(skewed, resamples=20_000)
    assert interval.high - interval.value > (interval.value - interval.low) + 0.01


def test_it_is_second_order_correct() -> None:
    """Both bounds move by (2 z² + 1) · skewness / 6 √n standard errors (Hall, Annals of Statistics 1988)."""
    skewed = -np.log((np.arange(400) + 0.5) / 400)
    deviations = skewed - skewed.mean()
    acceleration = float((deviations**3).mean() / (deviations**2).mean() ** 1.5 / 6 / math.sqrt(400))
    error = float(skewed.std()) / math.sqrt(400)
    interval = mean_interval(skewed, resamples=50_000)
    shift = (2 * 1.96**2 + 1) * acceleration
    assert (interval.low - skewed.mean()) / error == pytest.approx(-1.96 + shift, abs=0.03)
    assert (interval.high - skewed.mean()) / error == pytest.approx(1.96 + shift, abs=0.03)


def test_bca_covers_the_mean_of_skewed_scores_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    covered = 0
    for at in range(300):
        interval = mean_interval(random.beta(0.8, 4, 40), resamples=1000, seed=at)
        covered += interval.low <= 0.8 / 4.8 <= interval.high
    assert covered / 300 >= 0.91


def test_pairs_are_compared_case_by_case() -> None:
    random = np.random.default_rng(0)
    before = random.random(200)
    interval = paired_interval(before, before - 0.01)
    assert interval.value == pytest.approx(-0.01)
    assert interval.high < 0  # though the scores themselves spread over all of 0 to 1


@pytest.mark.parametrize(("baseline", "candidate"), [([], []), ([0.5], [0.1, 0.2, 0.3]), ([[1.0]], [[1.0]])])
def test_what_has_no_pairs_is_refused(baseline: list[float], candidate: list[float]) -> None:
    with pytest.raises(ValueError, match=r"at least one value|not pairs"):
        paired_interval(baseline, candidate)


def test_the_permutation_test_agrees_with_counting_all_signs() -> None:
    differences = np.array([-0.5, -0.25, 0.1, -0.75, -0.3, 0.2, -0.6])
    sums = [abs(np.dot(signs, differences)) for signs in product([-1, 1], repeat=7)]
    exact = np.mean([total >= abs(differences.sum()) - 1e-12 for total in sums])
    assert permutation_test(differences, resamples=50_000) == pytest.approx(exact, abs=0.005)


def test_cases_without_a_difference_do_not_count() -> None:
    assert permutation_test([0.0] * 20) == 1.0
    changed = [-1.0, -1.0, -1.0, -1.0]
    assert permutation_test(changed + [0.0] * 300) == permutation_test(changed)


def test_few_changed_cases_can_not_be_significant() -> None:
    four_of_300 = [-1.0] * 4 + [0.0] * 296
    assert mean_interval(four_of_300).high < 0  # which the bootstrap alone would take for a drop
    assert permutation_test(four_of_300) == pytest.approx(2 / 2**4, abs=0.02)


def test_no_p_value_is_zero() -> None:
    assert permutation_test([-1.0] * 60, resamples=999) == 1 / 1000


def test_holm_multiplies_by_what_is_left_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.01 * 3, 0.03 * 2, 0.03 * 2))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_lowers_no_p(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(after >= before for before, after in zip(p_values, adjusted, strict=True))
    assert all(after <= 1 for after in adjusted)
    by_size = sorted(range(len(p_values)), key=lambda at: p_values[at])
    assert [adjusted[at] for at in by_size] == sorted(adjusted)


def test_non_inferior_is_what_rules_the_margin_out() -> None:
    assert is_non_inferior(Interval(-0.01, -0.04, 0.02), 0.05)
    assert not is_non_inferior(Interval(-0.01, -0.05, 0.03), 0.05)


def test_the_detectable_effect_is_the_textbook_formula() -> None:
    assert minimum_detectable_effect(300, 0.3) == pytest.approx(
        (1.95996 + 0.84162) * 0.3 / math.sqrt(300), rel=1e-4
    )
    assert cases_needed(0.05, 0.3) == math.ceil(((1.95996 + 0.84162) * 0.3 / 0.05) ** 2)
    assert minimum_detectable_effect(cases_needed(0.05, 0.3), 0.3) <= 0.05


def test_wilsons_interval_is_that_of_the_tables() -> None:
    interval = wilson_interval(5, 50)
    assert (interval.low, interval.high) == pytest.approx((0.0435, 0.2136), abs=1e-4)
    none = wilson_interval(0, 100)
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(0.0370, abs=1e-4)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="successes of"):
        wilson_interval(successes, trials)
