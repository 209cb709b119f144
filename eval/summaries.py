"""Figures of many cases. A value of None is one that could not be measured; NaN is refused."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one metric.

    Attributes:
        mean: None if nothing was measured.
        std: Standard deviation of the sample (n − 1 below); 0 of a single value, None of none.
        n: Values measured.
        n_missing: Values that could not be measured.
    """

    mean: float | None
    std: float | None
    n: int
    n_missing: int


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Of the answers' times in milliseconds; None if none was measured. Percentiles are interpolated."""

    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    n: int
    n_missing: int


@dataclass(frozen=True, slots=True)
class CostSummary:
    """Of the answers' cost in US dollars; `mean_usd` is None if none is known."""

    total_usd: float
    mean_usd: float | None
    n: int
    n_missing: int


@dataclass(frozen=True, slots=True)
class AbstentionSummary:
    """How well abstaining fits the questions that the documents don't answer.

    Attributes:
        precision: The share of the questions abstained on that have no answer; None if there were none.
        recall: The share of the questions without an answer that were abstained on; None likewise.
        answered: The share of the questions with an answer that got one; None likewise.
    """

    precision: float | None
    recall: float | None
    answered: float | None
    n: int


def summarise(values: Sequence[float | None]) -> Summary:
    """Mean and spread.

    Raises:
        ValueError: A value is not finite.
    """
    known = _known(values)
    if not known:
        return Summary(None, None, 0, len(values))
    std = float(np.std(known, ddof=1)) if len(known) > 1 else 0.0
    return Summary(float(np.mean(known)), std, len(known), len(values) - len(known))


def summarise_metrics(cases: Iterable[Mapping[str, float | None]]) -> dict[str, Summary]:
    """Each metric's summary; a case without a metric is one that it doesn't apply to."""
    values: dict[str, list[float | None]] = {}
    for case in cases:
        for name, value in case.items():
            values.setdefault(name, []).append(value)
    return {name: summarise(listed) for name, listed in values.items()}


def summarise_latency(milliseconds: Sequence[float | None]) -> LatencySummary:
    """Raises ValueError as `summarise` does."""
    known = _known(milliseconds)
    missing = len(milliseconds) - len(known)
    if not known:
        return LatencySummary(None, None, None, None, None, 0, missing)
    p50, p95, p99 = (float(value) for value in np.percentile(known, [50, 95, 99]))
    return LatencySummary(float(np.mean(known)), p50, p95, p99, max(known), len(known), missing)


def summarise_cost(dollars: Sequence[float | None]) -> CostSummary:
    """Raises ValueError as `summarise` does."""
    known = _known(dollars)
    total = math.fsum(known)
    return CostSummary(total, total / len(known) if known else None, len(known), len(dollars) - len(known))


def summarise_abstention(answerable: Sequence[bool], abstained: Sequence[bool]) -> AbstentionSummary:
    """Of each case, whether its question has an answer, and whether the service declined to give one."""
    cases = list(zip(answerable, abstained, strict=True))
    return AbstentionSummary(
        precision=_share([not has_answer for has_answer, declined in cases if declined]),
        recall=_share([declined for has_answer, declined in cases if not has_answer]),
        answered=_share([not declined for has_answer, declined in cases if has_answer]),
        n=len(cases),
    )


def _known(values: Sequence[float | None]) -> list[float]:
    known = [value for value in values if value is not None]
    if not all(map(math.isfinite, known)):
        raise ValueError("a value is not finite")
    return known


def _share(marks: Sequence[bool]) -> float | None:
    return sum(marks) / len(marks) if marks else None
