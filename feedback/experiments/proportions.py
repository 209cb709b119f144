"""Two proportions beside each other, such as the shares of subjects who converted."""

from dataclasses import dataclass
from math import asin, hypot, sqrt

from eval.metrics import Interval
from eval.statistics import wilson_interval
from feedback.experiments.distributions import normal_tails


@dataclass(frozen=True, slots=True)
class Share:
    """Successes of trials.

    Raises:
        ValueError: There are no trials, or fewer than successes.
    """

    successes: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.trials or self.trials == 0:
            raise ValueError(f"{self.successes} successes of {self.trials} trials")

    @property
    def value(self) -> float:
        return self.successes / self.trials


@dataclass(frozen=True, slots=True)
class ProportionTest:
    """The z statistic and its two-sided p-value."""

    statistic: float
    p_value: float


def two_proportion_test(control: Share, challenger: Share) -> ProportionTest:
    """Whether two proportions differ: z = (p₂ − p₁) / √(p (1 − p) (1/n₁ + 1/n₂)), p that of both together.

    Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, 3.1. Without the correction for
    continuity. If nobody or everybody converted, nothing differs: z is 0 and p is 1.
    """
    trials = control.trials + challenger.trials
    pooled = (control.successes + challenger.successes) / trials
    error = sqrt(pooled * (1 - pooled) * (1 / control.trials + 1 / challenger.trials))
    z = (challenger.value - control.value) / error if error else 0.0
    return ProportionTest(z, normal_tails(z))


def newcombe_interval(control: Share, challenger: Share, *, confidence: float = 0.95) -> Interval:
    """p₂ − p₁ with its hybrid score interval (Newcombe, Statistics in Medicine 1998, method 10).

    low = d − √((p₂ − l₂)² + (u₁ − p₁)²), high = d + √((u₂ − p₂)² + (p₁ − l₁)²), with l and u the bounds of
    Wilson's interval of each proportion. It never leaves −1 to 1, and holds its level with few successes.
    """
    first = wilson_interval(control.successes, control.trials, confidence=confidence)
    second = wilson_interval(challenger.successes, challenger.trials, confidence=confidence)
    difference = second.value - first.value
    below = hypot(second.value - second.low, first.high - first.value)
    above = hypot(second.high - second.value, first.value - first.low)
    return Interval(difference, difference - below, difference + above)


def cohens_h(control: float, challenger: float) -> float:
    """Effect size of two proportions: 2 asin √p₂ − 2 asin √p₁; 0.2 is small, 0.5 medium, 0.8 large.

    Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, 6.2.
    """
    return 2 * asin(sqrt(challenger)) - 2 * asin(sqrt(control))
