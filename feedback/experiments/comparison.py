"""One metric of a challenger beside the control's."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from math import exp, log, sqrt
from statistics import NormalDist

import numpy as np

from eval.metrics import Interval
from eval.statistics import wilson_interval
from feedback.experiments.distributions import student_quantile
from feedback.experiments.metrics import Direction, Kind, Metric
from feedback.experiments.ratios import Estimate, Sums, ratio_of_sums
from feedback.experiments.sequential import AlwaysValid, always_valid, boundary
from feedback.experiments.single_look import Level, SingleLook, effect_size, share_of, single_look
from feedback.experiments.subjects import Sample, day_of

POWER = 0.8


class Evidence(StrEnum):
    """Where the always-valid interval lies, seen in the metric's direction."""

    BETTER = "better"
    WORSE = "worse"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How metrics are compared.

    Attributes:
        alpha: Chance that a bound of the always-valid interval is ever wrong.
        control_progress: Share of the control's planned subjects that have come.
        challenger_progress: Of the challenger's.
        minimum_subjects: Fewer in an arm are not compared: the normal approximation wouldn't hold.
        single_look: Of the tests that are looked at once.
    """

    alpha: float
    control_progress: float
    challenger_progress: float
    minimum_subjects: int
    single_look: Level


@dataclass(frozen=True, slots=True)
class Arm:
    """A variant's own figure, with the interval of a single look; None where it can't be told."""

    variant: str
    subjects: int
    figure: Interval | None


@dataclass(frozen=True, slots=True)
class Look:
    """What an analysis at the end of a day would have said."""

    day: str
    subjects: int
    difference: Interval
    lift: Interval | None
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Comparison:
    """Challenger less control.

    Attributes:
        evidence: What the always-valid interval says.
        difference: With the always-valid interval.
        p_value: Always valid.
        adjusted_p_value: The same after Holm's correction over the metrics or segments that inform.
        lift: Relative difference with its always-valid interval, if both figures are above 0.
        effect_size: Cohen's h of a proportion, d of a mean; a ratio has none.
        smallest_effect: The difference that is found 4 times in 5 when all planned subjects have come.
        looks: Day by day.
        note: Why it isn't compared.
    """

    metric: Metric
    control: Arm
    challenger: Arm
    evidence: Evidence = Evidence.UNCLEAR
    difference: Interval | None = None
    p_value: float | None = None
    adjusted_p_value: float | None = None
    lift: Interval | None = None
    effect_size: float | None = None
    smallest_effect: float | None = None
    single_look: SingleLook | None = None
    looks: tuple[Look, ...] = ()
    note: str = ""


def compare(metric: Metric, control: Sample, challenger: Sample, settings: Settings) -> Comparison:
    """Everything that is said of a metric; a note instead of figures where too little was measured."""
    arms = _arm(metric, control, settings), _arm(metric, challenger, settings)
    if note := _obstacle(metric, control, challenger, settings):
        return Comparison(metric, arms[0], arms[1], note=note)
    first, second = _estimates(metric, control.sums, challenger.sums)
    valid = _valid(first, second, settings)
    return Comparison(
        metric,
        arms[0],
        arms[1],
        evidence=evidence_of(valid.difference, metric.direction),
        difference=valid.difference,
        p_value=valid.p_value,
        lift=relative_lift(first, second, valid.standard_errors),
        effect_size=effect_size(metric.kind, control.sums, challenger.sums),
        smallest_effect=_smallest_effect(first, second, settings),
        single_look=single_look(metric.kind, control.sums, challenger.sums, settings.single_look),
        looks=tuple(_looks(metric, control, challenger, settings)),
    )


def evidence_of(difference: Interval, direction: Direction) -> Evidence:
    """Significance with its direction: an interval on the wrong side of 0 is never good news."""
    if difference.low <= 0 <= difference.high:
        return Evidence.UNCLEAR
    is_better = (difference.low > 0) is (direction is Direction.HIGHER)
    return Evidence.BETTER if is_better else Evidence.WORSE


def relative_lift(control: Estimate, challenger: Estimate, standard_errors: float) -> Interval | None:
    """R₂ / R₁ − 1 with its interval on the logarithm, whose variance is v₁ / R₁² + v₂ / R₂² (delta method).

    Katz et al., Biometrics 1978, for proportions. None unless both figures are above 0.
    """
    if control.value <= 0 or challenger.value <= 0:
        return None
    centre = log(challenger.value / control.value)
    error = sqrt(sum(figure.variance / figure.value**2 for figure in (control, challenger)))
    half = standard_errors * error
    return Interval(exp(centre) - 1, exp(centre - half) - 1, exp(min(centre + half, 700)) - 1)


def _obstacle(metric: Metric, control: Sample, challenger: Sample, settings: Settings) -> str:
    for sample in (control, challenger):
        measured = sample.sums.subjects
        if measured < settings.minimum_subjects:
            return f"{measured} subjects of {sample.variant} measured, below {settings.minimum_subjects}"
        if not sample.sums.denominators.any():
            return f"{metric.denominator} is 0 for every subject of {sample.variant}"
    return ""


def _estimates(metric: Metric, control: Sums, challenger: Sums) -> tuple[Estimate, Estimate]:
    """Of both arms; where neither varies by itself, they vary as both together: not at all if they agree."""
    first, second = _estimate(metric, control), _estimate(metric, challenger)
    if first.variance or second.variance:
        return first, second
    both = ratio_of_sums(control.joined(challenger))
    spread = both.variance * both.subjects
    return replace(first, variance=spread / first.subjects), replace(
        second, variance=spread / second.subjects
    )


def _estimate(metric: Metric, sums: Sums) -> Estimate:
    """A proportion's variance counts one more success and failure: few of either would look too certain.

    Agresti and Caffo, The American Statistician 2000.
    """
    figure = ratio_of_sums(sums)
    if metric.kind is not Kind.PROPORTION:
        return figure
    size = sums.subjects + 2
    share = (float(sums.numerators.sum()) + 1) / size
    return replace(figure, variance=share * (1 - share) / size)


def _planned_variance(control: Estimate, challenger: Estimate, settings: Settings) -> float:
    """Of the difference, when all the planned subjects have come and are measured as often as so far."""
    return control.variance * settings.control_progress + challenger.variance * settings.challenger_progress


def _valid(control: Estimate, challenger: Estimate, settings: Settings) -> AlwaysValid:
    variance = control.variance + challenger.variance
    if variance == 0:  # every subject of both has the same value
        return AlwaysValid(Interval(0.0, 0.0, 0.0), 1.0, 0.0)
    return always_valid(
        challenger.value - control.value,
        variance,
        planned_variance=_planned_variance(control, challenger, settings),
        alpha=settings.alpha,
    )


def _smallest_effect(control: Estimate, challenger: Estimate, settings: Settings) -> float:
    standard_errors = boundary(1.0, settings.alpha) + NormalDist().inv_cdf(POWER)
    return standard_errors * sqrt(_planned_variance(control, challenger, settings))


def _looks(metric: Metric, control: Sample, challenger: Sample, settings: Settings) -> Iterator[Look]:
    """Of the subjects exposed by the end of each day, with what is known of them now."""
    for day in np.unique(np.concatenate([control.days, challenger.days])).tolist():
        first, second = control.until(day), challenger.until(day)
        then = replace(
            settings,
            control_progress=settings.control_progress * first.sums.subjects / control.sums.subjects,
            challenger_progress=settings.challenger_progress
            * second.sums.subjects
            / challenger.sums.subjects,
        )
        if not _obstacle(metric, first, second, then):
            yield _look(metric, first, second, then)


def _look(metric: Metric, control: Sample, challenger: Sample, settings: Settings) -> Look:
    first, second = _estimates(metric, control.sums, challenger.sums)
    valid = _valid(first, second, settings)
    day = max(int(sample.days[-1]) for sample in (control, challenger))
    return Look(
        day=day_of(day),
        subjects=first.subjects + second.subjects,
        difference=valid.difference,
        lift=relative_lift(first, second, valid.standard_errors),
        evidence=evidence_of(valid.difference, metric.direction),
    )


def _arm(metric: Metric, sample: Sample, settings: Settings) -> Arm:
    sums = sample.sums
    if not sums.denominators.any():
        return Arm(sample.variant, sums.subjects, None)
    if metric.kind is Kind.PROPORTION:
        share = share_of(sums)
        figure = wilson_interval(share.successes, share.trials, confidence=settings.single_look.confidence)
        return Arm(sample.variant, sums.subjects, figure)
    estimate = ratio_of_sums(sums)
    if estimate.subjects == 1:
        return Arm(sample.variant, 1, None)
    half = student_quantile(settings.single_look.confidence, estimate.subjects - 1) * sqrt(estimate.variance)
    figure = Interval(estimate.value, estimate.value - half, estimate.value + half)
    return Arm(sample.variant, sums.subjects, figure)
