from math import sqrt

import numpy as np
import pytest
from scipy import stats

from feedback.experiments.sequential import always_valid, boundary, likelihood_ratio

ALPHA = 0.05


def test_the_interval_ends_where_the_likelihood_ratio_reaches_one_in_alpha() -> None:
    for information in (0.01, 0.3, 1, 4, 100):
        k = boundary(information, ALPHA)
        assert likelihood_ratio(k, information, ALPHA) == pytest.approx(1 / ALPHA, rel=1e-9)


def test_the_mixture_is_that_of_its_two_parts() -> None:
    """Against numerical integration over the half-normal distribution."""
    z, information, c = 2.3, 0.7, sqrt(2 * np.log(1 / (0.8 * ALPHA)))
    effects = (np.arange(200_000) + 0.5) * 1e-4
    density = 2 * stats.norm.pdf(effects, 0, 4)
    ratios = np.exp(effects * sqrt(information) * z - effects**2 * information / 2)
    point = np.exp(c * sqrt(information) * z - c**2 * information / 2)
    expected = 0.8 * point + 0.2 * float((density * ratios).sum() * 1e-4)
    assert likelihood_ratio(z, information, ALPHA) == pytest.approx(expected, rel=1e-6)


def test_a_true_value_is_seldom_left_out_at_any_of_300_looks() -> None:
    """Also far beyond the plan, on each side. The bound for a single look is left out far more often."""
    random, looks = np.random.default_rng(0), np.arange(1, 301) / 30
    walks = np.cumsum(random.normal(0, sqrt(1 / 30), (4000, 300)), axis=1) / np.sqrt(looks)
    k = np.array([boundary(float(information), ALPHA) for information in looks])
    assert np.mean((walks > k).any(axis=1)) < ALPHA
    assert np.mean((walks < -k).any(axis=1)) < ALPHA
    assert np.mean((walks > stats.norm.ppf(1 - ALPHA)).any(axis=1)) > 3 * ALPHA


def test_it_is_tightest_at_the_plan_and_useful_far_from_it() -> None:
    assert boundary(1, ALPHA) == pytest.approx(2.50, abs=0.01)
    assert boundary(1, ALPHA) < min(boundary(0.5, ALPHA), boundary(2, ALPHA))
    assert boundary(1 / 30, ALPHA) < 5
    assert boundary(50, ALPHA) < 4


def test_the_p_value_is_below_twice_alpha_where_the_interval_leaves_out_0() -> None:
    for difference in (0.8, 1.2, 1.249, 1.251, 3):
        valid = always_valid(difference, 0.25, planned_variance=0.25, alpha=ALPHA)
        assert (valid.p_value < 2 * ALPHA) is (valid.difference.low > 0)


def test_sides_are_alike() -> None:
    up = always_valid(0.03, 1e-4, planned_variance=5e-5, alpha=ALPHA)
    down = always_valid(-0.03, 1e-4, planned_variance=5e-5, alpha=ALPHA)
    assert (up.p_value, up.difference.low) == (down.p_value, -down.difference.high)


def test_huge_differences_are_told() -> None:
    assert always_valid(1e6, 1e-6, planned_variance=1e-6, alpha=ALPHA).p_value < 1e-200


@pytest.mark.parametrize(
    ("variance", "planned", "alpha"), [(0, 1, 0.05), (1, 0, 0.05), (1, 1, 0), (1, 1, 0.5)]
)
def test_nothing_is_valid_without_variance_or_alpha(variance: float, planned: float, alpha: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        always_valid(0, variance, planned_variance=planned, alpha=alpha)
