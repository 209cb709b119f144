"""How a judge is asked."""

from dataclasses import dataclass
from pathlib import Path

from eval.judge.criteria import Criterion
from rag.errors import InvalidInputError

FAITHFULNESS = "faithfulness"
CONTEXTUAL_RELEVANCY = "contextual_relevancy"
CONTEXTUAL_PRECISION = "contextual_precision"
CONTEXTUAL_RECALL = "contextual_recall"
ANSWER_RELEVANCY = "answer_relevancy"
JUDGED_METRICS = (
    FAITHFULNESS,
    CONTEXTUAL_RELEVANCY,
    CONTEXTUAL_PRECISION,
    CONTEXTUAL_RECALL,
    ANSWER_RELEVANCY,
)
MOST_CALLS = 4  # more at a time only meet the quotas that providers set for large models
MOST_REPETITIONS = 9
JUDGE_ANSWER_TOKENS = 4096  # a verdict with its reason on each statement of the sources is long


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSettings:
    """What a judge is asked, how often and for how much.

    Attributes:
        metrics: Of `JUDGED_METRICS`.
        criteria: Further metrics, by G-Eval.
        concurrency: Calls at a time.
        repetitions: Verdicts on each metric of a case; the score is their median.
        max_cost_usd: By list prices, for all that the judge is asked; nothing further is measured once it is
            reached. The calls that run then may exceed it. None for no cap.
        cache: Folder of verdicts, which are never asked for twice; None for none.

    Raises:
        InvalidInputError: Something of it can't be; the message says what.
    """

    metrics: tuple[str, ...] = JUDGED_METRICS
    criteria: tuple[Criterion, ...] = ()
    concurrency: int = 3
    repetitions: int = 1
    max_cost_usd: float | None = None
    cache: Path | None = None

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.metrics) - set(JUDGED_METRICS)):
            known = ", ".join(JUDGED_METRICS)
            raise InvalidInputError(f"no judged metric is called {unknown[0]!r}: there are {known}")
        if taken := sorted(set(JUDGED_METRICS) & {criterion.name for criterion in self.criteria}):
            raise InvalidInputError(f"a criterion can't be called {taken[0]!r}: a judged metric is")
        if not 1 <= self.concurrency <= MOST_CALLS:
            raise InvalidInputError(
                f"a judge takes 1 to {MOST_CALLS} calls at a time, not {self.concurrency}"
            )
        if not 1 <= self.repetitions <= MOST_REPETITIONS:
            raise InvalidInputError(
                f"1 to {MOST_REPETITIONS} repetitions are possible, not {self.repetitions}"
            )
        if self.max_cost_usd is not None and not self.max_cost_usd > 0:
            raise InvalidInputError(f"a cost cap is more than $0, not {self.max_cost_usd}")
