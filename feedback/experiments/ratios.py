"""Ratios of sums over subjects, such as cost per answer: Σ cost / Σ answers.

A subject's answers depend on one another, so the subject is what is drawn, never the answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike

from eval.metrics import Interval
from eval.statistics import Scores

RESAMPLES = 2000
_ROUNDING = 1e-12
_BLOCK = 2_000_000  # random numbers held at a time
_GROUPS = 5000  # more subjects are drawn in this many random groups: their sums vary as much, at less work


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean or ratio over subjects, and the variance of that figure."""

    value: float
    variance: float
    subjects: int


@dataclass(frozen=True, slots=True)
class Sums:
    """Each subject's numerator and denominator, one arm's.

    Raises:
        ValueError: They aren't of one length, or a denominator is negative.
    """

    numerators: Scores
    denominators: Scores

    def __post_init__(self) -> None:
        if self.numerators.ndim != 1 or self.numerators.shape != self.denominators.shape:
            raise ValueError("a ratio needs one numerator and one denominator for each subject")
        if self.denominators.size and self.denominators.min() < 0:
            raise ValueError("denominators must be 0 or more")

    @classmethod
    def of_values(cls, values: ArrayLike) -> "Sums":
        """A mean is the ratio to a count of one for each subject."""
        numerators = np.asarray(values, float)
        return cls(numerators, np.ones_like(numerators))

    def joined(self, other: "Sums") -> "Sums":
        """The subjects of both."""
        mine, theirs = (self.numerators, self.denominators), (other.numerators, other.denominators)
        parts = [np.concatenate(pair) for pair in zip(mine, theirs, strict=True)]
        return Sums(parts[0], parts[1])

    @property
    def subjects(self) -> int:
        return int(self.numerators.size)


def ratio_of_sums(sums: Sums) -> Estimate:
    """R = Σy / Σx with the variance of the delta method: s²(y − R x) / (n x̄²); s²/n for a mean.

    Deng, Knoblich and Lu, "Applying the Delta Method in Metric Analytics", KDD 2018.

    Raises:
        ValueError: There are no subjects, or all denominators are 0.
    """
    if not sums.denominators.any():
        raise ValueError("a ratio needs a subject with a denominator above 0")
    mean = float(sums.denominators.mean())
    ratio = float(sums.numerators.mean()) / mean
    residuals = sums.numerators - ratio * sums.denominators
    largest = float(np.abs(sums.numerators).max())
    # Equal numbers differ from their mean by rounding, which must not pass for variance.
    is_constant = float(np.abs(residuals).max()) <= _ROUNDING * largest
    spread = 0.0 if is_constant else float(residuals.var(ddof=1))
    return Estimate(ratio, spread / (sums.subjects * mean**2), sums.subjects)


def bootstrap_difference(
    control: Sums,
    challenger: Sums,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """R₂ − R₁ with its percentile interval over subjects drawn with replacement, in each arm by itself.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. The same seed gives the same
    bounds.
    """
    random = np.random.default_rng(seed)
    drawn = [_resampled(arm, resamples, random) for arm in (control, challenger)]
    differences = drawn[1] - drawn[0]
    tail = (1 - confidence) / 2
    # A draw of subjects whose denominators are all 0 has no ratio.
    low, high = np.nanquantile(differences, [tail, 1 - tail])
    value = ratio_of_sums(challenger).value - ratio_of_sums(control).value
    return Interval(value, float(low), float(high))


def _resampled(sums: Sums, resamples: int, random: np.random.Generator) -> Scores:
    grouped = _grouped(sums, random)
    blocks = _blocks(resamples, grouped.subjects, random)
    ratios = [_ratios(grouped, at) for at in blocks]
    return np.concatenate(ratios)


def _ratios(sums: Sums, drawn: np.ndarray) -> Scores:
    below = sums.denominators[drawn].sum(axis=1)
    ratios: Scores = sums.numerators[drawn].sum(axis=1) / np.where(below > 0, below, nan)
    return ratios


def _grouped(sums: Sums, random: np.random.Generator) -> Sums:
    if sums.subjects <= _GROUPS:
        return sums
    group = random.permutation(sums.subjects) % _GROUPS
    parts = (sums.numerators, sums.denominators)
    totals = [np.bincount(group, part, _GROUPS).astype(float) for part in parts]
    return Sums(totals[0], totals[1])


def _blocks(rows: int, columns: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    step = max(1, _BLOCK // columns)
    for start in range(0, rows, step):
        yield random.integers(0, columns, (min(step, rows - start), columns))
