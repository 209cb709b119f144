"""Decides whether a run's answers are good enough, and whether a change made them worse.

A mean below its floor fails. Against a baseline, one primary metric can fail the gate; the others, corrected
for their number, only warn. Too little that was measured is inconclusive: neither pass nor fail.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from eval.baseline import (
    Baseline,
    MetricChange,
    Pairs,
    check_comparable,
    compare_pairs,
    measured_scores,
    pair_scores,
)
from eval.gate_settings import GateSettings
from eval.metrics import Interval
from eval.report.results import RunResults
from eval.statistics import cases_needed, holm, is_non_inferior, mean_interval

FEWEST_NON_INFERIOR = (
    100  # pairs; with 40, the interval missed a drop of the margin in 12 % of simulated runs
)
_ROUNDING = 1e-9  # a mean that is its floor but for rounding is not below it


class Verdict(StrEnum):
    """From good to bad."""

    PASS = "pass"  # noqa: S105 - not a password
    WARN = "warn"
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"


EXIT_CODES = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.WARN: 2, Verdict.INCONCLUSIVE: 3}
USAGE_ERROR = 4
_GRAVITY = list(Verdict)


@dataclass(frozen=True, slots=True)
class Check:
    """One question that the gate asked, and its answer in a sentence."""

    name: str
    metric: str
    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """A metric of one run; `mean` is None when no case was measured."""

    metric: str
    measured: int
    applicable: int
    mean: Interval | None
    reasons: Mapping[str, int]

    @property
    def share(self) -> float:
        return self.measured / self.applicable if self.applicable else 0.0


@dataclass(frozen=True, slots=True)
class GateReport:
    """What the gate found.

    Attributes:
        changes: Against the baseline, the primary metric's first.
        adjusted: Holm's p-values of the other metrics.
    """

    candidate: RunResults
    baseline: Baseline | None
    settings: GateSettings
    summaries: tuple[MetricSummary, ...]
    changes: tuple[MetricChange, ...]
    adjusted: Mapping[str, float]
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """The gravest of the checks' verdicts."""
        return max((check.verdict for check in self.checks), key=_GRAVITY.index)

    @property
    def gravest_first(self) -> list[Check]:
        """The checks, those that decide first."""
        return sorted(self.checks, key=lambda check: -_GRAVITY.index(check.verdict))


def run_gate(
    candidate: RunResults,
    baseline: Baseline | None = None,
    settings: GateSettings | None = None,
    *,
    fail_on_regression: bool = True,
) -> GateReport:
    """Judge a run.

    Args:
        candidate: The run.
        baseline: What to compare it with; None judges the floors alone.
        settings: How strictly.
        fail_on_regression: Whether a drop of the primary metric fails, rather than warns.

    Raises:
        InvalidInputError: The baseline can't be compared with the run.
    """
    settings = settings or GateSettings()
    names = tuple(dict.fromkeys((*settings.gated_metrics, *candidate.metric_names)))
    summaries = tuple(summarise(candidate, name, settings) for name in names)
    checks = [_check_floor(s, settings) for s in summaries if s.metric in settings.gated_metrics]
    if baseline is None:
        return GateReport(candidate, None, settings, summaries, (), {}, tuple(checks))
    check_comparable(baseline.run, candidate)
    names = tuple(dict.fromkeys((*names, *baseline.run.metric_names)))
    primary = settings.primary_metric
    pairs = {name: pair_scores(name, baseline.run, candidate, conditional=name != primary) for name in names}
    changes = {n: _compare(p, settings) for n, p in pairs.items() if _too_few(p, settings) is None}
    adjusted = _adjust([c for n, c in changes.items() if n != primary])
    regression = Verdict.FAIL if fail_on_regression else Verdict.WARN
    for name in names:
        if name not in changes:
            checks.append(_check_too_few(pairs[name], settings))
        elif name == primary:
            checks.append(_check_primary(changes[name], settings, regression))
        else:
            checks.append(_check_other(changes[name], settings, adjusted[name]))
    return GateReport(
        candidate, baseline, settings, summaries, tuple(changes.values()), adjusted, tuple(checks)
    )


def summarise(run: RunResults, metric: str, settings: GateSettings) -> MetricSummary:
    """The metric's mean over the cases that were measured, and why the others were not."""
    scores = measured_scores(run, metric)
    interval = None
    if scores.size:
        interval = mean_interval(
            scores, confidence=settings.confidence, resamples=settings.resamples, seed=settings.seed
        )
    reasons = Counter(case.not_measured[metric] for case in run.cases if metric in case.not_measured)
    return MetricSummary(metric, scores.size, len(run.scores(metric)), interval, dict(reasons.most_common()))


def _check_floor(summary: MetricSummary, settings: GateSettings) -> Check:
    verdict, detail = _judge_mean(summary, settings)
    return Check(f"{summary.metric}, mean", summary.metric, verdict, detail)


def _judge_mean(summary: MetricSummary, settings: GateSettings) -> tuple[Verdict, str]:
    if summary.mean is None or summary.share < settings.min_measured_share:
        most = next((f"; most often: {reason}" for reason in summary.reasons), "")
        return Verdict.INCONCLUSIVE, (
            f"measured on {summary.measured} of {summary.applicable} cases, "
            f"and {settings.min_measured_share:.0%} are needed{most}"
        )
    mean = summary.mean.value
    threshold = settings.thresholds.get(summary.metric)
    if threshold is None:
        return Verdict.PASS, f"{mean:.3f}, without a floor"
    if mean < threshold.fail - _ROUNDING:
        return Verdict.FAIL, f"{mean:.4f} is below {threshold.fail:g}"
    if mean < threshold.warn - _ROUNDING:
        return Verdict.WARN, f"{mean:.4f} is below {threshold.warn:g}; {threshold.fail:g} would fail"
    return Verdict.PASS, f"{mean:.3f} is at least {threshold.warn:g}"


def _compare(pairs: Pairs, settings: GateSettings) -> MetricChange:
    return compare_pairs(
        pairs, confidence=settings.confidence, resamples=settings.resamples, seed=settings.seed
    )


def _adjust(changes: list[MetricChange]) -> dict[str, float]:
    p_values = holm([change.p_value for change in changes])
    return {change.metric: p for change, p in zip(changes, p_values, strict=True)}


def _too_few(pairs: Pairs, settings: GateSettings) -> str | None:
    """Why the pairs can't be compared, if so."""
    count = len(pairs.case_ids)
    if count < settings.min_measured_share * pairs.applicable or pairs.applicable == 0:
        share = f"{settings.min_measured_share:.0%}"
        return f"both runs measured {count} of {pairs.applicable} cases, and {share} are needed"
    if count < settings.min_pairs:
        return f"both runs measured {count} cases, and {settings.min_pairs} are needed"
    return None


def _check_too_few(pairs: Pairs, settings: GateSettings) -> Check:
    metric = pairs.metric
    if not pairs.in_baseline and metric != settings.primary_metric:
        return _change_check(metric, Verdict.WARN, "the baseline does not have this metric")
    gated = metric in settings.gated_metrics
    verdict = Verdict.INCONCLUSIVE if gated else Verdict.WARN
    return _change_check(metric, verdict, _too_few(pairs, settings) or "")


def _check_primary(change: MetricChange, settings: GateSettings, regression: Verdict) -> Check:
    if change.has_dropped(settings.confidence):
        return _change_check(change.metric, regression, f"answers are worse: {_described(change)}")
    if change.difference.high < 0:
        detail = f"may be worse, but only {change.changed} cases differ: {_described(change)}"
        return _change_check(change.metric, Verdict.WARN, detail)
    return _check_non_inferior(change, settings)


def _check_other(change: MetricChange, settings: GateSettings, adjusted: float) -> Check:
    if change.difference.value < 0 and adjusted <= 1 - settings.confidence:
        detail = f"is worse: {_described(change)}; Holm's p {adjusted:.3g}"
        return _change_check(change.metric, Verdict.WARN, detail)
    if change.metric in settings.gated_metrics:
        return _check_non_inferior(change, settings)
    if change.has_dropped(settings.confidence):
        detail = (
            f"a drop that may be chance among so many metrics: {_described(change)}; Holm's p {adjusted:.3g}"
        )
        return _change_check(change.metric, Verdict.PASS, detail)
    return _change_check(change.metric, Verdict.PASS, f"no drop was found: {_described(change)}")


def _check_non_inferior(change: MetricChange, settings: GateSettings) -> Check:
    margin = settings.non_inferiority_margin
    enough = change.pairs >= FEWEST_NON_INFERIOR or _none_changed(change, settings)
    if enough and is_non_inferior(change.difference, margin):
        detail = f"a drop of {margin:g} is ruled out: {_described(change)}"
        return _change_check(change.metric, Verdict.PASS, detail)
    detail = f"no drop was found, but one of {margin:g} is not ruled out: {_described(change)}"
    return _change_check(change.metric, Verdict.WARN, f"{detail}. {_more_cases(change, settings)}")


def _none_changed(change: MetricChange, settings: GateSettings) -> bool:
    """Whether so many cases without a change rule out that a share of the margin would change.

    A drop of the margin takes at least that share of the cases, as none can lose more than 1 (Clopper and
    Pearson, Biometrika 1934).
    """
    luck: float = (1 - settings.non_inferiority_margin) ** change.pairs
    return change.changed == 0 and luck <= (1 - settings.confidence) / 2


def _more_cases(change: MetricChange, settings: GateSettings) -> str:
    margin = settings.non_inferiority_margin
    needed = cases_needed(margin, change.deviation, confidence=settings.confidence)
    return f"That takes about {max(needed, FEWEST_NON_INFERIOR)} cases"


def _described(change: MetricChange) -> str:
    if change.changed == 0:
        return f"none of {change.pairs} cases has changed"
    d = change.difference
    return (
        f"{d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}] on {change.pairs} cases, p {change.p_value:.3g}; "
        f"a drop of {change.detectable:.3f} would be found 4 times in 5"
    )


def _change_check(metric: str, verdict: Verdict, detail: str) -> Check:
    return Check(f"{metric}, change", metric, verdict, detail)
