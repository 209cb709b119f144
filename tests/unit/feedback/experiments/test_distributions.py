from math import sqrt

import pytest
from scipy import stats

from feedback.experiments.distributions import (
    chi_squared_tail,
    normal_below,
    normal_tails,
    root,
    student_quantile,
    student_tails,
)

DEGREES = [1, 1.7, 2, 5, 9.99, 30, 99, 199.5, 201, 1000, 19_998, 1e6]


@pytest.mark.parametrize("degrees", DEGREES)
@pytest.mark.parametrize("t", [1e-9, 0.01, 0.5, 1, -1.96, 3, 8, 30])
def test_students_tails_are_scipys(t: float, degrees: float) -> None:
    expected = 2 * stats.t.sf(abs(t), degrees)
    if expected > 1e-250:
        assert student_tails(t, degrees) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("degrees", DEGREES)
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_students_quantiles_are_scipys(confidence: float, degrees: float) -> None:
    expected = stats.t.ppf((1 + confidence) / 2, degrees)
    assert student_quantile(confidence, degrees) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("x", [0, 1e-6, 0.5, 3.84, 12, 60, 400])
def test_chi_squared_tails_are_scipys(x: float, degrees: int) -> None:
    assert chi_squared_tail(x, degrees) == pytest.approx(stats.chi2.sf(x, degrees), rel=1e-9)


@pytest.mark.parametrize("z", [0, 0.3, -1.96, 5, 20])
def test_normal_tails_are_scipys(z: float) -> None:
    assert normal_tails(z) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-9)
    assert normal_below(z) == pytest.approx(stats.norm.cdf(z), rel=1e-9)


def test_no_deviation_has_all_of_the_distribution_beyond_it() -> None:
    assert student_tails(0, 5) == 1


def test_a_root_is_found_to_the_last_digits() -> None:
    assert root(lambda x: x * x - 2) == pytest.approx(sqrt(2), rel=1e-14)
    assert root(lambda x: x - 1e6) == pytest.approx(1e6, rel=1e-14)
