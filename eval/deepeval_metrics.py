"""Our deterministic metrics as DeepEval's, for its `assert_test`, its `evaluate` and its command.

| of `LLMTestCase` | is |
|---|---|
| `input` | the question |
| `actual_output` | the answer with its markers |
| `expected_output` | the first expected answer |
| `retrieval_context` | texts of the sources; `[n]` names the n-th |
| `metadata` | what else `EvaluationCase` and `AnsweredCase` say, by their names; it may be left out |
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from eval.case_metrics import AnsweredCase, CaseMetrics
from eval.cases import EvaluationCase
from eval.deepeval_library import BaseMetric, LLMTestCase, MissingTestCaseParamsError

KEPT = 512  # cases whose scores are kept for the other metrics: a few MB


def as_test_case(case: EvaluationCase, answered: AnsweredCase) -> LLMTestCase:
    """What both say, as the table above has it."""
    return LLMTestCase(
        input=case.query,
        actual_output=answered.answer,
        expected_output=next(iter(case.expected_answers), None),
        retrieval_context=list(answered.sources),
        metadata={
            "expected_answers": list(case.expected_answers),
            "ground_truth_docs": dict(case.judgments),
            "answerable": case.answerable,
            "abstained": answered.abstained,
            "documents": list(answered.documents),
            "retrieved": list(answered.retrieved),
        },
        name=case.id or None,
        tags=case.tags or None,
    )


def read_test_case(test_case: LLMTestCase) -> tuple[EvaluationCase, AnsweredCase]:
    """The other way round.

    Raises:
        MissingTestCaseParamsError: Too little is said to measure anything, or something of it is wrong.
    """
    said: Mapping[str, Any] = test_case.metadata or {}
    expected = said.get("expected_answers") or test_case.expected_output
    try:
        case = EvaluationCase(
            query=test_case.input,
            expected_answer=expected,
            ground_truth_docs=said.get("ground_truth_docs") or [],
            answerable=said.get("answerable", True),
        )
    except ValidationError as exc:
        raise MissingTestCaseParamsError(exc.errors()[0]["msg"].removeprefix("Value error, ")) from exc
    return case, AnsweredCase(
        answer=test_case.actual_output or "",
        abstained=said.get("abstained", not test_case.actual_output),
        sources=tuple(map(str, test_case.retrieval_context or ())),
        documents=tuple(said.get("documents") or ()),
        retrieved=tuple(said.get("retrieved") or ()),
    )


class CaseScores:
    """All scores of a case at once, kept a while: each metric asks for its own.

    Args:
        metrics: Measures.
    """

    def __init__(self, metrics: CaseMetrics) -> None:
        self._metrics = metrics
        self._of_text = lru_cache(maxsize=KEPT)(self._measured)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all metrics that there are."""
        case = EvaluationCase(query="?", expected_answer="!", ground_truth_docs=["!"])
        return self._metrics.applicable(case)

    def of(self, test_case: LLMTestCase) -> dict[str, float]:
        """Raises: MissingTestCaseParamsError, as `read_test_case`."""
        return self._of_text(test_case.model_dump_json(exclude={"name", "tags"}))

    def _measured(self, text: str) -> dict[str, float]:
        case, answered = read_test_case(LLMTestCase.model_validate_json(text))
        return self._metrics.measure(case, answered)


class DeterministicMetric(BaseMetric):  # type: ignore[no-untyped-call]  # DeepEval's
    """One of the metrics of `CaseMetrics`.

    Args:
        metric_name: Its name there.
        scores: Shared by all metrics of the same cases.
        threshold: The least score that passes; None only reports.
    """

    evaluation_model = None
    using_native_model = True  # nothing is paid for

    def __init__(self, metric_name: str, scores: CaseScores, threshold: float | None = None) -> None:
        # DeepEval copies a metric by its arguments' names.
        self.metric_name = metric_name
        self.scores = scores
        self.threshold = threshold
        self.verbose_mode = False

    def measure(self, test_case: LLMTestCase, *args: Any, **kwargs: Any) -> float:
        """Raises: MissingTestCaseParamsError where the metric doesn't apply, which DeepEval can skip."""
        self.score = self.success = self.reason = self.error = None
        found = self.scores.of(test_case)
        if self.metric_name not in found:
            self.error = f"{self.metric_name} does not apply to this case"
            raise MissingTestCaseParamsError(self.error)
        self.score = found[self.metric_name]
        self.reason = f"{self.metric_name} is {self.score:.3f}"
        self.is_successful()
        return self.score

    async def a_measure(self, test_case: LLMTestCase, *args: Any, **kwargs: Any) -> float:
        """The same in a thread: encoding takes its time."""
        return await asyncio.to_thread(self.measure, test_case)

    @property
    def __name__(self) -> str:
        return self.metric_name


def deterministic_metrics(
    metrics: CaseMetrics,
    thresholds: Mapping[str, float] | None = None,
    *,
    names: Sequence[str] | None = None,
) -> list[BaseMetric]:
    """A DeepEval metric for each of `names`, by default for all that there are.

    Raises:
        ValueError: There is no metric of such a name.
    """
    scores, limits = CaseScores(metrics), thresholds or {}
    if unknown := sorted({*(names or ()), *limits} - set(scores.names)):
        raise ValueError(f"there is no deterministic metric {unknown[0]!r}")
    return [DeterministicMetric(name, scores, limits.get(name)) for name in names or scores.names]
