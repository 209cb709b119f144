"""What the runner asks of a judge, so that it needs no judge's library."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from eval.case_metrics import AnsweredCase
from eval.cases import EvaluationCase


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A judge's verdicts on one answered case.

    Attributes:
        scores: From 0 to 1 for each metric that applies, by its name; None where it could not be measured.
        not_measured: Why, for each None.
        cost_usd: Of the calls that were made for it, which is 0 if all came from the cache; None if unknown.
        spread: Of each metric that was judged more than once, the greatest score less the smallest.
    """

    scores: Mapping[str, float | None]
    not_measured: Mapping[str, str] = field(default_factory=dict)
    cost_usd: float | None = 0.0
    spread: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = {name for name, score in self.scores.items() if score is None}
        if odd := sorted(missing ^ set(self.not_measured)):
            raise ValueError(f"{odd[0]}: a score is None exactly if not_measured says why")


class Judge(Protocol):
    """Scores answers by a model's reading of them."""

    @property
    def model_name(self) -> str:
        """Of the model that judges, as configured."""

    def applicable(self, case: EvaluationCase) -> Collection[str]:
        """Names of the metrics that an answer to the case would have."""

    async def judge(self, case: EvaluationCase, answered: AnsweredCase) -> Judgement:
        """Verdicts on one case; what keeps one from being reached is said in it, not raised."""
