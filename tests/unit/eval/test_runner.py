import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from eval.case_metrics import AnsweredCase, CaseMetrics
from eval.cases import EvaluationCase, EvaluationSet
from eval.graph_answers import CaseAnswer
from eval.groundedness import GroundednessScorer
from eval.judge.types import Judgement
from eval.report.results import CaseResult, CitedSource
from eval.runner import Answer, Examiner, examine_all, sample_cases
from rag.errors import ModelError
from rag.models.minilm import MiniLMEmbeddings

TEXT = "Backups are kept for 35 days."
CASE = EvaluationCase(
    query="How long are backups kept?",
    expected_answer="35 days",
    ground_truth_docs=["backups.md"],
    id="backups",
    tags=["fact"],
)
ANSWER = CaseAnswer(
    answered=AnsweredCase(
        answer=f"{TEXT} [1]",
        abstained=False,
        sources=(TEXT,),
        documents=("backups.md",),
        retrieved=("backups.md",),
    ),
    retrieved_ids=("c1",),
    citations=(CitedSource(id="c1", title="Backups", quote=TEXT),),
    degraded=(),
    latency_ms=12.5,
    cost_usd=0.25,
)


@pytest.fixture(scope="module")
def metrics() -> CaseMetrics:
    encoder = MiniLMEmbeddings.load(threads=1)
    return CaseMetrics(GroundednessScorer(encoder), encoder.encode, depths=(1,))


async def right(case: EvaluationCase) -> CaseAnswer:
    return ANSWER


async def forget(result: CaseResult) -> None:
    pass


def cases(count: int) -> tuple[EvaluationCase, ...]:
    return tuple(CASE.model_copy(update={"id": f"q{number}"}) for number in range(count))


async def test_a_case_is_answered_and_measured(metrics: CaseMetrics) -> None:
    result = await Examiner(answer=right, metrics=metrics).examine(CASE)

    assert (result.id, result.question, result.tags) == ("backups", CASE.query, ("fact",))
    assert (result.answer, result.expected) == (f"{TEXT} [1]", "35 days")
    assert (result.latency_ms, result.cost_usd, result.retrieved_ids) == (12.5, 0.25, ("c1",))
    assert result.metrics["answer_correctness"] == 1.0
    assert result.metrics["recall@1"] == 1.0
    assert result.error is None


@pytest.mark.parametrize("error", [ModelError("the model is down"), TimeoutError()])
async def test_an_error_leaves_what_would_apply_unmeasured(metrics: CaseMetrics, error: Exception) -> None:
    async def fail(case: EvaluationCase) -> CaseAnswer:
        raise error

    answered = await Examiner(answer=right, metrics=metrics).examine(CASE)
    result = await Examiner(answer=fail, metrics=metrics).examine(CASE)

    assert set(result.metrics) == set(answered.metrics)
    assert set(result.metrics.values()) == {None}
    assert set(result.not_measured.values()) == {result.error} == {str(error) or "it took too long"}


async def test_what_was_answered_with_less_than_the_service_has_is_not_measured(metrics: CaseMetrics) -> None:
    async def degraded(case: EvaluationCase) -> CaseAnswer:
        return replace(ANSWER, degraded=("rerank",))

    result = await Examiner(answer=degraded, metrics=metrics).examine(CASE)
    assert result.error == "done without rerank"


async def test_ranks_of_a_document_that_is_not_there_are_not_measured(metrics: CaseMetrics) -> None:
    examiner = Examiner(answer=right, metrics=metrics, unknown_documents={"backups.md"})
    result = await examiner.examine(CASE)

    assert result.metrics["recall@1"] is None
    assert result.metrics["answer_correctness"] is None
    assert result.not_measured["recall@1"] == "the corpus has no document 'backups.md'"
    assert result.metrics["token_f1"] is not None


class Stern:
    """A judge that finds fault."""

    model_name = "test:stern"

    def applicable(self, case: EvaluationCase) -> tuple[str, ...]:
        return ("faithfulness", "contextual_recall")

    async def judge(self, case: EvaluationCase, answered: AnsweredCase) -> Judgement:
        return Judgement(
            scores={"faithfulness": 0.25, "contextual_recall": None},
            not_measured={"contextual_recall": "the judge timed out"},
            cost_usd=0.5,
            spread={"faithfulness": 0.125},
        )


async def test_a_judges_verdicts_stand_beside_the_others(metrics: CaseMetrics) -> None:
    result = await Examiner(answer=right, metrics=metrics, judge=Stern()).examine(CASE)

    assert result.metrics["faithfulness"] == 0.25
    assert result.not_measured == {"contextual_recall": "the judge timed out"}
    assert result.cost_usd == 0.75
    assert result.spread == {"faithfulness": 0.125}


async def test_what_was_not_answered_is_missed_by_the_judge_too(metrics: CaseMetrics) -> None:
    async def fail(case: EvaluationCase) -> CaseAnswer:
        raise ModelError("the model is down")

    result = await Examiner(answer=fail, metrics=metrics, judge=Stern()).examine(CASE)
    assert result.not_measured["faithfulness"] == "the model is down"


async def test_only_wanted_metrics_are_kept(metrics: CaseMetrics) -> None:
    examiner = Examiner(answer=right, metrics=metrics, judge=Stern(), wanted={"token_f1", "faithfulness"})
    assert set((await examiner.examine(CASE)).metrics) == {"token_f1", "faithfulness"}


class Counting:
    """Answers, and knows how many questions it had at once."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.most = 0
        self._now = 0

    async def __call__(self, case: EvaluationCase) -> CaseAnswer:
        self.asked.append(case.id)
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(0.001)
        self._now -= 1
        return ANSWER


async def run(answer: Answer, metrics: CaseMetrics, asked: Sequence[EvaluationCase]) -> list[str]:
    examiner = Examiner(answer=answer, metrics=metrics)
    found = await examine_all(examiner, asked, concurrency=3, keep=forget)
    return [result.id for result in found]


async def test_several_questions_are_asked_at_once_and_results_keep_their_order(metrics: CaseMetrics) -> None:
    counting = Counting()
    assert await run(counting, metrics, cases(9)) == [f"q{number}" for number in range(9)]
    assert sorted(counting.asked) == sorted(f"q{number}" for number in range(9))
    assert counting.most == 3


async def test_what_is_done_is_not_asked_again_but_what_failed_is(metrics: CaseMetrics) -> None:
    examiner = Examiner(answer=right, metrics=metrics)
    first, second, third = [await examiner.examine(case) for case in cases(3)]
    failed = replace(second, error="the model is down")
    counting, kept = Counting(), list[str]()

    async def keep(result: CaseResult) -> None:
        kept.append(result.id)

    found = await examine_all(
        Examiner(answer=counting, metrics=metrics),
        cases(3),
        concurrency=2,
        keep=keep,
        done={"q0": first, "q1": failed, "q2": third},
    )
    assert counting.asked == kept == ["q1"]
    assert [result.error for result in found] == [None, None, None]


def test_samples_follow_the_seed_and_the_sets_order() -> None:
    whole = EvaluationSet("set", cases(50))
    drawn = [tuple(case.id for case in sample_cases(whole, 10, seed=seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert list(drawn[0]) == sorted(drawn[0], key=lambda name: int(name[1:]))
    assert sample_cases(whole, 50, seed=1) == sample_cases(whole, None, seed=1) == whole.cases
