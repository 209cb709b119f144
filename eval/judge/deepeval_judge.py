"""Judges answers by DeepEval's metrics. It imports that large library: see `open_judge`."""

import asyncio
import statistics
from dataclasses import dataclass, replace
from importlib.metadata import version

import structlog

from eval.case_metrics import AnsweredCase
from eval.cases import EvaluationCase
from eval.deepeval_library import LLMTestCase
from eval.deepeval_metrics import as_test_case
from eval.judge.cache import StoredVerdict, VerdictCache, verdict_key
from eval.judge.criteria import Part
from eval.judge.metrics import JudgedMetric, judged_metrics
from eval.judge.model import JudgeModel, NotMeasuredError
from eval.judge.settings import JudgeSettings
from eval.judge.types import Judgement
from rag.cite import MARKERS
from rag.errors import GroundworkError
from rag.models.types import ChatModel
from rag.models.usage import cost_usd, metering

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Of all repetitions of a metric: a score and how far they spread, or why there is none."""

    score: float | None
    reason: str = ""
    spread: float = 0.0


class DeepEvalJudge:
    """A `Judge`.

    Args:
        chat: The model that judges.
        settings: What it is asked, and how often.

    Raises:
        InvalidInputError: There is no price for the model, but a cost cap, or no folder for the verdicts.
    """

    def __init__(self, chat: ChatModel, settings: JudgeSettings) -> None:
        self.model_name = chat.name
        self._settings = settings
        self._metrics = judged_metrics(settings.metrics, settings.criteria)
        self._cache = VerdictCache(settings.cache) if settings.cache else None
        self._model = JudgeModel(chat, concurrency=settings.concurrency, max_cost_usd=settings.max_cost_usd)
        if self._cache:
            self._cache.open()

    async def judge(self, case: EvaluationCase, answered: AnsweredCase) -> Judgement:
        """Verdicts by all metrics that apply; what keeps one from being reached is said in it, not raised."""
        asked = [metric for metric in self._metrics if applies(metric, case, answered)]
        shown = _shown(case, answered)
        with metering() as meter:
            found = await asyncio.gather(*(self._outcome(metric, shown) for metric in asked))
        outcomes = dict(zip((metric.name for metric in asked), found, strict=True))
        measured = {name: outcome for name, outcome in outcomes.items() if outcome.score is not None}
        repeated = measured if self._settings.repetitions > 1 else {}
        return Judgement(
            scores={name: outcome.score for name, outcome in outcomes.items()},
            not_measured={name: found.reason for name, found in outcomes.items() if found.score is None},
            cost_usd=cost_usd(meter.uses),
            spread={name: outcome.spread for name, outcome in repeated.items()},
        )

    def applicable(self, case: EvaluationCase) -> tuple[str, ...]:
        """Names of the metrics that an answer to the case would have; without one they are not measured."""
        given = AnsweredCase(answer="!", abstained=False, sources=("!",), documents=("!",), retrieved=())
        return tuple(metric.name for metric in self._metrics if applies(metric, case, given))

    async def _outcome(self, metric: JudgedMetric, shown: LLMTestCase) -> _Outcome:
        """The median: a judge that contradicts itself once in three times is outvoted."""
        count = self._settings.repetitions
        verdicts = await asyncio.gather(*(self._verdict(metric, shown, at) for at in range(count)))
        failed = [verdict for verdict in verdicts if isinstance(verdict, str)]
        scores = [verdict for verdict in verdicts if not isinstance(verdict, str)]
        if failed:
            which = f"{len(failed)} of {count} repetitions: " if count > 1 else ""
            return _Outcome(None, which + failed[0])
        return _Outcome(statistics.median(scores), spread=max(scores) - min(scores))

    async def _verdict(self, metric: JudgedMetric, shown: LLMTestCase, repetition: int) -> float | str:
        """The score, or why there is none. Only scores are kept."""
        key = self._key(metric, shown, repetition)
        if self._cache and (known := await self._cache.read(key)) is not None:
            return known
        try:
            score = await metric.measure(self._model, shown)
        except (NotMeasuredError, GroundworkError) as exc:
            return str(exc)
        except Exception as exc:
            # Neither DeepEval nor the SDKs have one base class, and a verdict that failed is not the run.
            log.warning("verdict_failed", metric=metric.name, judge=self.model_name, exc_info=True)
            return f"the judge failed with {type(exc).__name__}"
        if self._cache:
            stored = StoredVerdict(metric=metric.name, judge=self.model_name, score=score)
            await self._cache.write(key, stored)
        return score

    def _key(self, metric: JudgedMetric, shown: LLMTestCase, repetition: int) -> str:
        return verdict_key(
            {
                "judge": self.model_name,
                "metric": metric.name,
                "definition": metric.definition,
                "deepeval": version("deepeval"),
                "question": shown.input,
                "answer": shown.actual_output,
                "expected": shown.expected_output,
                "contexts": shown.retrieval_context,
                "repetition": repetition,
            }
        )


def _shown(case: EvaluationCase, answered: AnsweredCase) -> LLMTestCase:
    """What the judge reads: without citation markers, and nothing but text."""
    shown = as_test_case(case, replace(answered, answer=MARKERS.sub("", answered.answer).strip()))
    shown.multimodal = False  # a document that writes DeepEval's sign of a picture would be refused for it
    return shown


def applies(metric: JudgedMetric, case: EvaluationCase, answered: AnsweredCase) -> bool:
    """Whether the case has what the metric reads.

    Who abstained gave no answer that could be judged; what was found for it still can. Where documents hold
    no answer, nothing that was found could be right, so only an answer is judged.
    """
    if Part.ANSWER in metric.parts:
        if answered.abstained:
            return False
    elif not case.answerable:
        return False
    return Part.EXPECTED_ANSWER not in metric.parts or bool(case.answerable and case.expected_answers)
