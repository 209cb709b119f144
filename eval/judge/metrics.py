"""The metrics that a model judges: which cases each applies to, how it is asked, and whether it judged all.

DeepEval scores the verdicts that a model gives, even if it gives none: no verdict on five claims would be a
score of 1. So each metric counts, and a verdict too few or too many is none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eval.deepeval_library import (
    AnswerRelevancyMetric,
    BaseMetric,
    ContextualPrecisionMetric,
    ContextualRecallMetric,
    ContextualRelevancyMetric,
    FaithfulnessMetric,
    GEval,
    LLMTestCase,
    SingleTurnParams,
)
from eval.judge.criteria import Criterion, Part
from eval.judge.model import JudgeModel, NotMeasuredError
from eval.judge.settings import (
    ANSWER_RELEVANCY,
    CONTEXTUAL_PRECISION,
    CONTEXTUAL_RECALL,
    CONTEXTUAL_RELEVANCY,
    FAITHFULNESS,
)

PARAMS = {
    Part.QUESTION: SingleTurnParams.INPUT,
    Part.ANSWER: SingleTurnParams.ACTUAL_OUTPUT,
    Part.EXPECTED_ANSWER: SingleTurnParams.EXPECTED_OUTPUT,
    Part.SOURCES: SingleTurnParams.RETRIEVAL_CONTEXT,
}
Check = Callable[[Any, LLMTestCase], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedMetric:
    """One metric.

    Attributes:
        name: Its own.
        parts: What of a case it reads. It applies to cases that have them all.
        build: Makes DeepEval's metric, which holds the state of one measurement.
        check: Raises NotMeasuredError if the measured metric lacks verdicts.
        definition: What it asks beyond its name and DeepEval's version, for the cache.
    """

    name: str
    parts: frozenset[Part]
    build: Callable[[JudgeModel], BaseMetric]
    check: Check
    definition: str = ""

    async def measure(self, model: JudgeModel, test_case: LLMTestCase) -> float:
        """The score.

        Raises:
            NotMeasuredError: The model gave no whole verdict.
            GroundworkError: The model failed.
            Exception: Whatever DeepEval raises.
        """
        if Part.SOURCES in self.parts and not test_case.retrieval_context:
            return 0.0  # nothing was found, and nothing supports the answer
        metric = self.build(model)
        await metric.a_measure(test_case, _show_indicator=False)
        self.check(metric, test_case)
        score = metric.score
        if score is None or not 0 <= score <= 1:
            raise NotMeasuredError(f"the judge's score is out of range: {score}")
        return float(score)


def judged_metrics(names: tuple[str, ...], criteria: tuple[Criterion, ...]) -> tuple[JudgedMetric, ...]:
    """Of these names, which must be in `JUDGED_METRICS`, and of the criteria."""
    return tuple(_DEEPEVAL[name] for name in names) + tuple(map(_g_eval, criteria))


def _counted(verdicts: list[Any], expected: int, noun: str) -> None:
    if expected == 0:
        raise NotMeasuredError(f"the judge found no {noun}s")
    if len(verdicts) != expected:
        raise NotMeasuredError(f"the judge gave {len(verdicts)} verdicts on {expected} {noun}s")


def _check_claims(metric: FaithfulnessMetric, test_case: LLMTestCase) -> None:
    _counted(metric.verdicts, len(metric.claims), "claim")


def _check_statements(metric: AnswerRelevancyMetric, test_case: LLMTestCase) -> None:
    _counted(metric.verdicts, len(metric.statements), "statement")


def _check_sources(metric: ContextualPrecisionMetric, test_case: LLMTestCase) -> None:
    _counted(metric.verdicts, len(test_case.retrieval_context or ()), "source")


def _check_any(metric: ContextualRecallMetric, test_case: LLMTestCase) -> None:
    if not metric.verdicts:
        raise NotMeasuredError("the judge gave no verdicts")


def _check_each(metric: ContextualRelevancyMetric, test_case: LLMTestCase) -> None:
    if not all(verdicts.verdicts for verdicts in metric.verdicts_list):
        raise NotMeasuredError("the judge gave no verdicts on a source")


def _check_nothing(metric: GEval, test_case: LLMTestCase) -> None:
    """Its only verdict is the score."""


def _of_deepeval(name: str, kind: type[Any], check: Check, *parts: Part) -> JudgedMetric:
    def build(model: JudgeModel) -> BaseMetric:
        # A reason is one more call for a text that nobody reads; `llm`: no setting chooses another judge.
        metric: BaseMetric = kind(model=model, include_reason=False, eval_mode="llm")
        return metric

    return JudgedMetric(name=name, parts=frozenset(parts), build=build, check=check)


def _g_eval(criterion: Criterion) -> JudgedMetric:
    def build(model: JudgeModel) -> BaseMetric:
        return GEval(
            name=criterion.name,
            criteria=criterion.criteria,
            evaluation_steps=list(criterion.steps) if criterion.steps else None,
            evaluation_params=[PARAMS[part] for part in criterion.parts],
            model=model,
        )

    return JudgedMetric(
        name=criterion.name,
        parts=frozenset(criterion.parts),
        build=build,
        check=_check_nothing,
        definition=criterion.model_dump_json(),
    )


_DEEPEVAL = {
    metric.name: metric
    for metric in (
        _of_deepeval(FAITHFULNESS, FaithfulnessMetric, _check_claims, Part.ANSWER, Part.SOURCES),
        _of_deepeval(
            CONTEXTUAL_RELEVANCY, ContextualRelevancyMetric, _check_each, Part.QUESTION, Part.SOURCES
        ),
        _of_deepeval(
            CONTEXTUAL_PRECISION,
            ContextualPrecisionMetric,
            _check_sources,
            Part.QUESTION,
            Part.EXPECTED_ANSWER,
            Part.SOURCES,
        ),
        _of_deepeval(
            CONTEXTUAL_RECALL, ContextualRecallMetric, _check_any, Part.EXPECTED_ANSWER, Part.SOURCES
        ),
        _of_deepeval(ANSWER_RELEVANCY, AnswerRelevancyMetric, _check_statements, Part.QUESTION, Part.ANSWER),
    )
}
