"""Which cases of a run are worth a look, and figures of all of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.baseline import Baseline
from eval.report.results import CaseResult, RunResults

WORST = 10


@dataclass(frozen=True, slots=True)
class ScoredCase:
    """A case with its score, and the baseline's if that has one."""

    case: CaseResult
    score: float
    before: float | None

    @property
    def change(self) -> float:
        return 0.0 if self.before is None else self.score - self.before


def score_cases(run: RunResults, baseline: Baseline | None, metric: str) -> tuple[ScoredCase, ...]:
    """The cases that the metric was measured on."""
    before = baseline.run.scores(metric) if baseline else {}
    return tuple(
        ScoredCase(case, score, before.get(case.id))
        for case in run.cases
        if (score := case.metrics.get(metric)) is not None
    )


def dropped_most(cases: Sequence[ScoredCase], limit: int = WORST) -> list[ScoredCase]:
    return sorted((c for c in cases if c.change < 0), key=lambda c: (c.change, c.score))[:limit]


def lowest(cases: Sequence[ScoredCase], limit: int = WORST) -> list[ScoredCase]:
    return sorted((c for c in cases if c.score < 1), key=lambda c: (c.score, c.change))[:limit]


def tags(run: RunResults) -> list[str]:
    """The most frequent first."""
    return [tag for tag, _ in Counter(tag for case in run.cases for tag in set(case.tags)).most_common()]


def figures(run: RunResults) -> dict[str, str]:
    """Latency, cost and errors, as text; without those that no case tells."""
    latencies = [case.latency_ms for case in run.cases if case.latency_ms is not None]
    costs = [case.cost_usd for case in run.cases if case.cost_usd is not None]
    found = {"cases": str(len(run.cases)), "errors": str(sum(case.error is not None for case in run.cases))}
    if latencies:
        middle, late = np.quantile(latencies, [0.5, 0.95])
        found["latency"] = f"{middle:,.0f} ms, 95 % within {late:,.0f} ms"
    if costs:
        found["cost"] = f"${sum(costs):,.4f}"
    return found
