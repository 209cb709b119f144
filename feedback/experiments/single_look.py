"""The classical test of a metric, for who looks once, and the effect's size."""

from dataclasses import dataclass
from math import sqrt

from eval.metrics import Interval
from feedback.experiments.distributions import normal_tails
from feedback.experiments.means import cohens_d, welch_test
from feedback.experiments.metrics import Kind
from feedback.experiments.proportions import Share, cohens_h, newcombe_interval, two_proportion_test
from feedback.experiments.ratios import Sums, bootstrap_difference, ratio_of_sums


@dataclass(frozen=True, slots=True)
class SingleLook:
    """The classical test, right only if it is the one time that anybody looks."""

    method: str
    statistic: float
    p_value: float
    difference: Interval


@dataclass(frozen=True, slots=True)
class Level:
    """Confidence of the interval; how often a ratio's subjects are drawn, and from which seed."""

    confidence: float
    resamples: int
    seed: int


def single_look(kind: Kind | None, control: Sums, challenger: Sums, level: Level) -> SingleLook | None:
    """Challenger less control; None for a mean or ratio that varies in neither arm."""
    is_constant = not any(ratio_of_sums(sums).variance for sums in (control, challenger))
    match kind:
        case Kind.MEAN | Kind.RATIO if is_constant:
            return None
        case Kind.PROPORTION:
            return _proportions(share_of(control), share_of(challenger), level.confidence)
        case Kind.RATIO:
            return _ratios(control, challenger, level)
        case _:
            test = welch_test(control.numerators, challenger.numerators, confidence=level.confidence)
            return SingleLook("Welch's t", test.statistic, test.p_value, test.difference)


def effect_size(kind: Kind | None, control: Sums, challenger: Sums) -> float | None:
    """Cohen's h of a proportion, d of a mean; a ratio has none."""
    match kind:
        case Kind.PROPORTION:
            return cohens_h(share_of(control).value, share_of(challenger).value)
        case Kind.RATIO:
            return None
        case _:
            return cohens_d(control.numerators, challenger.numerators)


def share_of(sums: Sums) -> Share:
    """The ones among zeros and ones."""
    return Share(round(float(sums.numerators.sum())), sums.subjects)


def _proportions(control: Share, challenger: Share, confidence: float) -> SingleLook:
    test = two_proportion_test(control, challenger)
    interval = newcombe_interval(control, challenger, confidence=confidence)
    return SingleLook("two-proportion z, Newcombe's interval", test.statistic, test.p_value, interval)


def _ratios(control: Sums, challenger: Sums, level: Level) -> SingleLook:
    first, second = ratio_of_sums(control), ratio_of_sums(challenger)
    z = (second.value - first.value) / sqrt(first.variance + second.variance)
    interval = bootstrap_difference(
        control,
        challenger,
        confidence=level.confidence,
        resamples=level.resamples,
        seed=level.seed,
    )
    return SingleLook("delta-method z, bootstrap interval", z, normal_tails(z), interval)
