"""Two means beside each other, of values that vary differently in the two arms."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from eval.metrics import Interval
from eval.statistics import Scores
from feedback.experiments.distributions import student_quantile, student_tails
from feedback.experiments.ratios import Sums, ratio_of_sums


@dataclass(frozen=True, slots=True)
class WelchTest:
    """Welch's t, its degrees of freedom, the two-sided p-value, and the difference of means."""

    statistic: float
    degrees: float
    p_value: float
    difference: Interval


def welch_test(control: ArrayLike, challenger: ArrayLike, *, confidence: float = 0.95) -> WelchTest:
    """Whether two means differ: t = (m₂ − m₁) / √(s₁²/n₁ + s₂²/n₂).

    Welch, Biometrika 1947, with the degrees of freedom of Satterthwaite, Biometrics Bulletin 1946:
    ν = (v₁ + v₂)² / (v₁² / (n₁ − 1) + v₂² / (n₂ − 1)), v = s²/n.

    Raises:
        ValueError: An arm has fewer than two values, or neither arm varies.
    """
    first, second = _two_or_more(control), _two_or_more(challenger)
    v1, v2 = (ratio_of_sums(Sums.of_values(x)).variance for x in (first, second))
    if v1 + v2 == 0:
        raise ValueError("the values vary in neither arm")
    difference, error = float(second.mean() - first.mean()), sqrt(v1 + v2)
    # Shares, since squares of very small variances would round to 0.
    a, b = v1 / (v1 + v2), v2 / (v1 + v2)
    degrees = 1 / (a**2 / (first.size - 1) + b**2 / (second.size - 1))
    half = student_quantile(confidence, degrees) * error
    p_value = student_tails(difference / error, degrees)
    interval = Interval(difference, difference - half, difference + half)
    return WelchTest(difference / error, degrees, p_value, interval)


def cohens_d(control: ArrayLike, challenger: ArrayLike) -> float | None:
    """Effect size of two means, (m₂ − m₁) / s with s² pooled; None if neither arm varies.

    0.2 is small, 0.5 medium, 0.8 large: Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988,
    2.5.
    """
    first, second = _two_or_more(control), _two_or_more(challenger)
    squares = float(first.var() * first.size + second.var() * second.size)
    if squares == 0:
        return None
    deviation = sqrt(squares / (first.size + second.size - 2))
    return float(second.mean() - first.mean()) / deviation


def _two_or_more(values: ArrayLike) -> Scores:
    scores = np.asarray(values, float)
    if scores.ndim != 1 or scores.size < 2:  # noqa: PLR2004 - a variance needs two
        raise ValueError("each arm needs a row of at least two values")
    return scores
