"""What to do with a challenger."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from eval.metrics import Interval
from feedback.experiments.comparison import Comparison, Evidence
from feedback.experiments.metrics import Direction
from feedback.experiments.sample_ratio import SampleRatio


class Recommendation(StrEnum):
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"
    CONTINUE = "continue"
    INVALID = "invalid"  # the figures can't be trusted: find out why first


@dataclass(frozen=True, slots=True)
class Decision:
    """A recommendation and what speaks for it."""

    recommendation: Recommendation
    reasons: tuple[str, ...]


def decide(primary: Comparison, guardrails: Sequence[Comparison], ratio: SampleRatio) -> Decision:
    """Promote only if the primary metric is better, and every guardrail is measured and not worse.

    A guardrail with a margin must besides be known not to lose as much (non-inferiority; Schultzberg et al.,
    "Risk-aware product decisions in A/B tests with multiple metrics", 2024).
    """
    if ratio.is_mismatch:
        return Decision(Recommendation.INVALID, (_mismatch(ratio),))
    worse = [c for c in (primary, *guardrails) if c.evidence is Evidence.WORSE]
    if worse:
        return Decision(Recommendation.ROLL_BACK, tuple(map(describe, worse)))
    doubts = tuple(doubt for guard in guardrails if (doubt := _doubt(guard)))
    if primary.evidence is Evidence.BETTER and not doubts:
        return Decision(Recommendation.PROMOTE, (describe(primary),))
    return Decision(Recommendation.CONTINUE, (describe(primary), *doubts))


def describe(comparison: Comparison) -> str:
    """A metric's figures in a sentence."""
    name, difference = comparison.metric.name, comparison.difference
    if difference is None:
        return f"{name} is not compared: {comparison.note}"
    bounds = f"{difference.value:+.4g} [{difference.low:+.4g}, {difference.high:+.4g}]"
    lift = f", {comparison.lift.value:+.1%}" if comparison.lift else ""
    if comparison.evidence is Evidence.UNCLEAR:
        return f"{name} may be the same or worse or better: {bounds}{lift}"
    return f"{name} is {comparison.evidence}: {bounds}{lift}"


def _doubt(guard: Comparison) -> str:
    """Why a guardrail forbids a promotion though it isn't known to be worse; empty if it doesn't."""
    margin = guard.metric.margin
    if guard.difference is None:
        return describe(guard)
    if margin is None or guard.difference == Interval(0, 0, 0) or _loss(guard) < margin:
        return ""
    return f"a loss of {margin:.3g} of the control's is not ruled out: {describe(guard)}"


def _loss(guard: Comparison) -> float:
    """The largest relative loss that the always-valid interval leaves open."""
    if guard.lift is None:
        return inf
    return guard.lift.high if guard.metric.direction is Direction.LOWER else -guard.lift.low


def _mismatch(ratio: SampleRatio) -> str:
    arms = ", ".join(f"{name} {ratio.counts[name]} instead of {e:.0f}" for name, e in ratio.expected.items())
    return f"the subjects do not split as weighted (p {ratio.p_value:.2g}): {arms}"
