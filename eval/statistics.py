"""Statistics of scores that were measured case by case. Pure: the same seed gives the same figures.

Scores of answers are bounded and mostly tied at 0 and 1, so nothing here assumes a normal distribution but
the minimum detectable effect, which is about means of many cases.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.metrics import Interval

RESAMPLES = 5000
_BLOCK = 2_000_000  # random numbers held at a time
_SAME = 1e-12  # means that differ by less are equal, but for rounding
_NORMAL = NormalDist()

Scores = NDArray[np.float64]


def mean_interval(
    values: ArrayLike, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Mean with its bias-corrected and accelerated bootstrap interval (Efron, JASA 1987: BCa).

    bounds = quantiles of the resampled means at Φ(z₀ + (z₀ + z) / (1 − a (z₀ + z))), where z₀ is what the
    share of resampled means below the mean corresponds to, and a a sixth of the mean's skewness.

    Raises:
        ValueError: There are no values.
    """
    scores = _one_or_more(values)
    mean = float(scores.mean())
    if np.ptp(scores) < _SAME:
        return Interval(mean, mean, mean)
    means = _resampled_means(scores, resamples, seed)
    below = np.mean(means < mean - _SAME) + np.mean(np.abs(means - mean) <= _SAME) / 2
    bias = _NORMAL.inv_cdf(float(np.clip(below, 1 / (resamples + 1), resamples / (resamples + 1))))
    deviations = scores - mean
    acceleration = float((deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5))
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [_bca_level(bias, acceleration, p) for p in (tail, 1 - tail)])
    return Interval(mean, float(low), float(high))


def paired_interval(
    baseline: ArrayLike,
    candidate: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Mean of candidate less baseline, case by case, with its BCa interval over the cases.

    Raises:
        ValueError: They aren't of one length, or empty.
    """
    before, after = _one_or_more(baseline), _one_or_more(candidate)
    if before.size != after.size:
        raise ValueError(f"{before.size} and {after.size} values are not pairs")
    return mean_interval(after - before, confidence=confidence, resamples=resamples, seed=seed)


def permutation_test(differences: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """Two-sided p-value of paired differences by random signs (Fisher, The Design of Experiments, 1935).

    If the two runs were exchangeable, each difference could as well have the other sign. The signs observed
    count as one of the draws, so that p is never 0 (Phipson and Smyth, 2010).
    """
    values = _one_or_more(differences)
    changed = values[values != 0]
    if changed.size == 0:
        return 1.0
    least = abs(float(changed.sum())) - _SAME
    drawn = _blocks(2, resamples, changed.size, seed)
    extreme = sum(int(np.sum(np.abs((2 * signs - 1) @ changed) >= least)) for signs in drawn)
    return (extreme + 1) / (resamples + 1)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values, in the order given: p₍ᵢ₎ (m − i + 1), never falling, at most 1 (Holm, 1979)."""
    order = np.argsort(p_values, kind="stable")
    scaled = (min(1.0, p_values[at] * (len(order) - place)) for place, at in enumerate(order))
    adjusted = np.empty(len(order))
    adjusted[order] = list(accumulate(scaled, max))
    return tuple(float(p) for p in adjusted)


def is_non_inferior(difference: Interval, margin: float) -> bool:
    """Whether a drop of `margin` or more is ruled out: the interval lies above −margin.

    Piaggio et al., "Reporting of noninferiority and equivalence randomized trials", JAMA 2012.
    """
    return difference.low > -margin


def minimum_detectable_effect(
    cases: int, deviation: float, *, confidence: float = 0.95, power: float = 0.8
) -> float:
    """The smallest true change of a mean that is found with this chance: (z₁₋α⁄₂ + z_power) · s / √n.

    Card et al., "With Little Power Comes Great Responsibility", EMNLP 2020.

    Args:
        cases: How many pairs there are.
        deviation: Standard deviation of their differences.
        confidence: Of the interval that must leave out zero.
        power: The chance.
    """
    return _quantiles(confidence, power) * deviation / sqrt(cases)


def cases_needed(effect: float, deviation: float, *, confidence: float = 0.95, power: float = 0.8) -> int:
    """How many pairs make `effect` the minimum detectable one."""
    return ceil((_quantiles(confidence, power) * deviation / effect) ** 2)


def wilson_interval(successes: int, trials: int, *, confidence: float = 0.95) -> Interval:
    """Share of successes with its score interval (Wilson, JASA 1927), which also holds near 0 and 1.

    Raises:
        ValueError: There are no trials, or fewer than successes.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} successes of {trials} trials")
    z, share = _NORMAL.inv_cdf((1 + confidence) / 2), successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def _one_or_more(values: ArrayLike) -> Scores:
    scores = np.asarray(values, float)
    if scores.ndim != 1 or scores.size == 0:
        raise ValueError("statistics need a row of at least one value")
    return scores


def _blocks(below: int, rows: int, columns: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Rows of whole numbers from 0, as many at a time as fit into memory."""
    random = np.random.default_rng(seed)
    step = max(1, _BLOCK // columns)
    for start in range(0, rows, step):
        yield random.integers(0, below, (min(step, rows - start), columns))


def _resampled_means(scores: Scores, resamples: int, seed: int) -> Scores:
    drawn = _blocks(scores.size, resamples, scores.size, seed)
    return np.concatenate([scores[at].mean(axis=1) for at in drawn])


def _bca_level(bias: float, acceleration: float, level: float) -> float:
    shifted = bias + _NORMAL.inv_cdf(level)
    return _NORMAL.cdf(bias + shifted / (1 - acceleration * shifted))


def _quantiles(confidence: float, power: float) -> float:
    return _NORMAL.inv_cdf((1 + confidence) / 2) + _NORMAL.inv_cdf(power)
