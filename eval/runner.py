"""Asking all questions of an evaluation set and measuring the answers: several at a time, resumable."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from eval.case_metrics import CaseMetrics
from eval.cases import EvaluationCase, EvaluationSet
from eval.graph_answers import CaseAnswer
from eval.judge.types import Judge, Judgement
from eval.report.results import CaseResult
from rag.errors import GroundworkError

log = structlog.get_logger(__name__)

Answer = Callable[[EvaluationCase], Awaitable[CaseAnswer]]
Keep = Callable[[CaseResult], Awaitable[None]]


class DegradedError(GroundworkError):
    """A stage failed and was done without: what came of it says nothing about the answers' quality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiner:
    """Makes a result of a case.

    Attributes:
        answer: Gives the service's answer.
        metrics: Measure it.
        judge: Judges it, too, if there is one.
        unknown_documents: Names in the set that the corpus doesn't have: what ranks them can't be measured.
        wanted: Metrics to keep; None for all.
    """

    answer: Answer
    metrics: CaseMetrics
    judge: Judge | None = None
    unknown_documents: Collection[str] = ()
    wanted: Collection[str] | None = None

    async def examine(self, case: EvaluationCase) -> CaseResult:
        """The case's result, whatever happens: what kept it from being measured is said in it."""
        try:
            found = await self.answer(case)
            if found.degraded:
                raise DegradedError(f"done without {', '.join(found.degraded)}")
            scores = await asyncio.to_thread(self.metrics.measure, case, found.answered)
        except (GroundworkError, TimeoutError) as exc:
            log.warning("case_failed", case=case.id, exc_info=True)
            return await asyncio.to_thread(self._failed, case, str(exc) or "it took too long")
        judgement = await self.judge.judge(case, found.answered) if self.judge else Judgement(scores={})
        return self._result(case, found, scores, judgement)

    def _result(
        self, case: EvaluationCase, found: CaseAnswer, scores: Mapping[str, float], judgement: Judgement
    ) -> CaseResult:
        unknown = self._unmeasurable(case, scores)
        metrics = {name: None if name in unknown else score for name, score in scores.items()}
        result = replace(
            _asked(case),
            metrics=metrics | dict(judgement.scores),
            not_measured=unknown | dict(judgement.not_measured),
            spread=judgement.spread,
            answer=found.answered.answer,
            retrieved_ids=found.retrieved_ids,
            citations=found.citations,
            latency_ms=found.latency_ms,
            cost_usd=_sum(found.cost_usd, judgement.cost_usd),
        )
        return self._kept(result)

    def _unmeasurable(self, case: EvaluationCase, scores: Mapping[str, float]) -> dict[str, str]:
        """Of the metrics, those that need a document which isn't there, and why."""
        missing = [name for name in case.judgments if name in self.unknown_documents]
        if not missing:
            return {}
        reason = f"the corpus has no document {missing[0]!r}"
        return {name: reason for name in scores if "@" in name or name == "answer_correctness"}

    def _failed(self, case: EvaluationCase, error: str) -> CaseResult:
        names = [*self.metrics.applicable(case), *(self.judge.applicable(case) if self.judge else ())]
        reasons = dict.fromkeys(names, error)
        result = replace(_asked(case), metrics=dict.fromkeys(names), not_measured=reasons, error=error)
        return self._kept(result)

    def _kept(self, result: CaseResult) -> CaseResult:
        wanted = self.wanted
        if wanted is None:
            return result
        metrics = {name: score for name, score in result.metrics.items() if name in wanted}
        reasons = {name: reason for name, reason in result.not_measured.items() if name in wanted}
        spread = {name: width for name, width in result.spread.items() if name in wanted}
        return replace(result, metrics=metrics, not_measured=reasons, spread=spread)


def _asked(case: EvaluationCase) -> CaseResult:
    """The result before there is an answer."""
    expected = " / ".join(case.expected_answers) or None
    return CaseResult(id=case.id, question=case.query, tags=tuple(case.tags), metrics={}, expected=expected)


def _sum(answer: float | None, judge: float | None) -> float | None:
    return None if answer is None or judge is None else answer + judge


async def examine_all(
    examiner: Examiner,
    cases: Sequence[EvaluationCase],
    *,
    concurrency: int,
    keep: Keep,
    done: Mapping[str, CaseResult] | None = None,
) -> tuple[CaseResult, ...]:
    """Results of the cases, in their order.

    Args:
        examiner: Makes each of them.
        cases: With ids of their own.
        concurrency: Cases at a time.
        keep: Awaited with each result as it is there, so that another run can go on from it.
        done: Results of an earlier run. Those that couldn't be answered are asked again.
    """
    results = {case_id: result for case_id, result in (done or {}).items() if result.error is None}
    waiting = iter([case for case in cases if case.id not in results])

    async def work() -> None:
        for case in waiting:  # shared: each worker takes the next
            result = await examiner.examine(case)
            results[case.id] = result
            await keep(result)

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())
    return tuple(results[case.id] for case in cases)


def sample_cases(dataset: EvaluationSet, size: int | None, *, seed: int) -> tuple[EvaluationCase, ...]:
    """So many of the cases, in the set's order; all if it has no more."""
    if size is None or size >= len(dataset.cases):
        return dataset.cases
    chosen = random.Random(seed).sample(range(len(dataset.cases)), size)  # noqa: S311 - not a secret
    return tuple(dataset.cases[at] for at in sorted(chosen))
