"""Whether a candidate may meet users: it and today's ranking of the same passages, by evaluation's gate."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from langchain_core.documents.compressor import BaseDocumentCompressor

from eval.baseline import Baseline, MetricChange
from eval.case_metrics import DEPTHS, ranking_metrics
from eval.cases import EvaluationCase, EvaluationSet
from eval.gate import GateReport, run_gate
from eval.gate_settings import GateSettings
from eval.report.results import CaseResult, Configuration, DatasetVersion, RunResults
from eval.statistics import is_non_inferior
from rag.errors import InvalidInputError, ModelError
from rag.ports import RetrievedPassage
from rag.rerank import DEPTH, rerank

MRR = f"mrr@{max(DEPTHS)}"
LEAST_GAIN = 1.02
MARGIN = 0.02  # the drop of a metric that must be ruled out
# Those that margins hold for. What stands at the first place alone is in MRR already.
GUARDED = ("ndcg@10", "recall@5", "recall@10", "hit@5")

Search = Callable[[EvaluationCase], Awaitable[list[RetrievedPassage]]]
"""What a search finds for a case's question, best first: at least as many as a reranker sees."""


@dataclass(frozen=True, slots=True)
class PromotionRule:
    """What it takes.

    Attributes:
        least_gain: The candidate's mean reciprocal rank over today's.
        margin: Drop of each guarded metric that the paired interval must rule out. For the reciprocal rank
            itself it must rule out any: a gain that may be chance is none.
        fewest_cases: Pairs that a decision takes.
    """

    least_gain: float = LEAST_GAIN
    margin: float = MARGIN
    fewest_cases: int = 30


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a comparison.

    Attributes:
        changes: Of each metric, that of the reciprocal rank first.
        gain: The candidate's mean reciprocal rank over today's.
        refusals: Why it may not be promoted; none if it may.
        cases: How many questions were compared.
        dataset: Name and version of the golden set.
    """

    changes: tuple[MetricChange, ...]
    gain: float
    refusals: tuple[str, ...]
    cases: int
    dataset: tuple[str, str]

    @property
    def is_promoted(self) -> bool:
        return not self.refusals


async def rank_golden(
    golden: EvaluationSet, search: Search, rerankers: Mapping[str, BaseDocumentCompressor | None]
) -> dict[str, RunResults]:
    """A run for each reranker, over the same passages of each golden question that names documents.

    Raises:
        InvalidInputError: No question does.
        ModelError: A reranker failed.
        GroundworkError: The search failed.
    """
    cases = [case for case in golden.cases if any(grade > 0 for grade in case.judgments.values())]
    if not cases:
        raise InvalidInputError(f"no case of {golden.name} names documents that hold its answer")
    results: dict[str, list[CaseResult]] = {name: [] for name in rerankers}
    for case in cases:
        passages = await search(case)
        for name, reranker in rerankers.items():
            results[name].append(await _result(case, passages, reranker))
    return {name: _run(name, golden, tuple(found)) for name, found in results.items()}


async def _result(
    case: EvaluationCase, passages: Sequence[RetrievedPassage], reranker: BaseDocumentCompressor | None
) -> CaseResult:
    ranked = await rerank(reranker, case.query, passages, top_k=max(DEPTH, len(passages)))
    if ranked.degraded:
        raise ModelError("a reranker failed: nothing can be said of it")
    documents = [found.passage.source_document_id for found in ranked.passages]
    metrics = ranking_metrics(documents, case.judgments, DEPTHS)
    return CaseResult(id=case.id, question=case.query, metrics=metrics)


def _run(name: str, golden: EvaluationSet, cases: tuple[CaseResult, ...]) -> RunResults:
    return RunResults(
        id=name,
        created_at=datetime.now(UTC),
        dataset=DatasetVersion(name=golden.name, sha256=golden.version),
        configuration=Configuration(
            models={"rerank": name}, prompt_version="", index_version="", strategy=""
        ),
        git_revision="none",
        seed=0,
        cases=cases,
    )


def judge(current: RunResults, candidate: RunResults, rule: PromotionRule | None = None) -> Judgement:
    """Whether the candidate may be promoted, and if not, why.

    Raises:
        InvalidInputError: The runs are of different questions.
    """
    rule = rule or PromotionRule()
    report = run_gate(candidate, Baseline(run=current, history=()), _settings(rule))
    changes = {change.metric: change for change in report.changes}
    dataset = (candidate.dataset.name, candidate.dataset.sha256)
    if MRR not in changes:
        refusal = f"{len(candidate.cases)} cases are too few to decide by: it takes {rule.fewest_cases}"
        return Judgement((), 0.0, (refusal,), len(candidate.cases), dataset)
    primary = changes[MRR]
    gain = primary.candidate_mean / primary.baseline_mean if primary.baseline_mean else 0.0
    refusals = tuple(_refusals(report, changes, gain, rule))
    others = [change for name, change in changes.items() if name != MRR]
    return Judgement((primary, *others), gain, refusals, len(candidate.cases), dataset)


def _settings(rule: PromotionRule) -> GateSettings:
    return replace(
        GateSettings(primary_metric=MRR, thresholds={}),
        min_pairs=rule.fewest_cases,
        non_inferiority_margin=rule.margin,
    )


def _refusals(
    report: GateReport, changes: Mapping[str, MetricChange], gain: float, rule: PromotionRule
) -> list[str]:
    primary = changes[MRR]
    found = []
    if gain < rule.least_gain:
        found.append(f"{MRR} is {gain:.4f} times today's, and {rule.least_gain:g} times is needed")
    if primary.difference.low <= 0:
        found.append(f"the gain of {MRR} may be chance: {_described(primary)}")
    for name in GUARDED:
        change = changes.get(name)
        if change is None:
            found.append(f"{name} could not be compared")
        elif not is_non_inferior(change.difference, rule.margin):
            found.append(f"a drop of {name} by {rule.margin:g} is not ruled out: {_described(change)}")
    dropped = [c for c in report.changes if c.metric != MRR and c.has_dropped(report.settings.confidence)]
    found += [f"{c.metric} has dropped: {_described(c)}" for c in dropped if c.metric not in GUARDED]
    return found


def _described(change: MetricChange) -> str:
    d = change.difference
    return f"{d.value:+.4f} [{d.low:+.4f}, {d.high:+.4f}] on {change.pairs} cases"
