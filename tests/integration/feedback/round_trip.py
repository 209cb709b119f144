"""From questions that went wrong to a gate that fails for them: with a configuration that is bad on purpose.

The bad configuration abstains wherever the nearest passage is not very near. Users of it ask; a script that
knows the answers downvotes some of what went wrong; those become cases, which the script annotates and
promotes to a set of questions that the bad configuration answers right.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from app.evaluation.evaluator import EvaluationOrder
from app.services import Services
from eval.baseline import Baseline
from eval.cases import EvaluationCase, EvaluationSet, read_cases, write_cases
from eval.gate import GateReport, Verdict, run_gate
from eval.gate_settings import settings_for
from eval.report.results import CaseResult, RunResults
from feedback.triage.cases import UnannotatedCase, read_unannotated
from feedback.triage.export import ExportLimits, ExportOutcome
from scripts import annotate, promote_cases
from tests.integration.feedback.loop import KnownQuestion, ask, downvote, is_right

BAD_FLOOR = 0.5  # of the nearest passage's cosine; every fourth question is then refused


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """What came of it.

    Attributes:
        before: The bad configuration's gate on the set without the promoted cases.
        bad, fixed: Gates on the set with them.
        promoted: Ids of the promoted cases.
        worse: Ids of the cases that the bad configuration answers worse than the good one.
    """

    asked: int
    right: int
    downvoted: int
    outcome: ExportOutcome
    before: GateReport
    bad: GateReport
    fixed: GateReport
    promoted: frozenset[str]
    worse: frozenset[str]


async def make_round_trip(
    bad: Services, fixed: Services, questions: Sequence[KnownQuestion], folder: Path, *, downvotes: int
) -> RoundTrip:
    """Ask, downvote, export, annotate, promote, and judge both configurations."""
    right, wrong = await _ask_all(bad, questions)
    complaints = list(wrong.items())[:downvotes]
    for request_id, question in complaints:
        await downvote(bad, request_id, labels=("answer_wrong",), correction=question.answers[0])
    dataset = folder / "set.jsonl"
    dataset.write_bytes(write_cases([_case(question) for question in right]))

    limits = ExportLimits(fewest=1, most=1000, within=bad.feedback_export.limits.within)
    outcome = await bad.feedback_export.export(bad.default_identity.scope(), limits)
    assert outcome.artifact is not None
    exported = folder / Path(outcome.artifact).name
    exported.write_bytes(await bad.artifacts.read(outcome.artifact))
    annotated = _annotate(exported, dict(complaints))
    assert promote_cases.main([str(annotated), "--dataset", str(dataset)]) == 0

    grown = read_cases(dataset)
    promoted = frozenset(case.id for case in grown.cases if case.source == "feedback")
    old = frozenset(case.id for case in grown.cases) - promoted
    good = await _run(fixed, grown)
    bad_run = await _run(bad, grown)
    return RoundTrip(
        asked=len(questions),
        right=len(right),
        downvoted=len(complaints),
        outcome=outcome,
        before=_judge(_only(bad_run, old), _only(good, old)),
        bad=_judge(bad_run, good),
        fixed=_judge(await _run(fixed, grown), good),
        promoted=promoted,
        worse=_worse(bad_run, good),
    )


async def _ask_all(
    services: Services, questions: Sequence[KnownQuestion]
) -> tuple[list[KnownQuestion], dict[str, KnownQuestion]]:
    """Those that were answered right, and the others by their requests' ids."""
    right, wrong = [], {}
    for question in questions:
        answer = await ask(services, question.text)
        if is_right(question, answer):
            right.append(question)
        else:
            wrong[answer.request_id] = question
    return right, wrong


def _case(question: KnownQuestion) -> EvaluationCase:
    return EvaluationCase(
        query=question.text, expected_answer=list(question.answers), ground_truth_docs=[question.document]
    )


def _annotate(exported: Path, known: dict[str, KnownQuestion]) -> Path:
    """By the script, as somebody who knows the answers would; what nobody complained about is discarded."""
    decisions = exported.with_name("decisions.jsonl")
    lines = (json.dumps(_decision(case, known)) for case in read_unannotated(exported))
    decisions.write_text("\n".join(lines), encoding="utf-8")
    assert annotate.main([str(exported), "--decisions", str(decisions)]) == 0
    return exported.with_name(exported.name.replace("unannotated", "annotated"))


def _decision(case: UnannotatedCase, known: dict[str, KnownQuestion]) -> dict[str, object]:
    question = known.get(case.metadata.request_id)
    if question is None:
        return {"id": case.id, "decision": "discard"}
    return {
        "id": case.id,
        "decision": "answer",
        "expected_answer": list(question.answers),
        "gold_docs": [question.document],
    }


async def _run(services: Services, dataset: EvaluationSet) -> RunResults:
    order = EvaluationOrder(
        run_id=uuid4(), dataset=dataset, model_version="one", scope=services.default_identity.scope()
    )
    return await services.evaluator.evaluate(order, keep=_keep_nothing)


async def _keep_nothing(result: CaseResult) -> None:
    pass


def _judge(run: RunResults, good: RunResults) -> GateReport:
    return run_gate(run, Baseline(run=good, history=()), settings_for(run.metric_names))


def _only(run: RunResults, cases: frozenset[str]) -> RunResults:
    return replace(run, cases=tuple(case for case in run.cases if case.id in cases))


def _worse(run: RunResults, good: RunResults) -> frozenset[str]:
    scores = {case.id: case.metrics["answer_correctness"] or 0 for case in good.cases}
    return frozenset(
        case.id for case in run.cases if (case.metrics["answer_correctness"] or 0) < scores[case.id]
    )


def verdict_on(report: GateReport, metric: str = "answer_correctness") -> Verdict:
    """Of the metric's change against the baseline."""
    return next(check.verdict for check in report.checks if check.name == f"{metric}, change")
