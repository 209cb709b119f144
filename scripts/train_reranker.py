"""Learn a reranker from feedback: `scripts/train_reranker.py --dataset golden.jsonl --name team`.

Collects what a tenant's users clicked and approved of, leaves out the questions of the golden sets, trains,
compares with today's reranker on these sets, and registers the model as a candidate if it is better. Users
meet it as a challenger (docs/feedback.md, "Flywheel"). Exit code 0 also if there is too little to learn from,
2 if the gate refuses the model, 1 if something failed, 4 for a wrong file or usage.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from app.asked import narrowed
from app.audit import script_identity
from app.evaluation.evaluator import git_revision
from app.feedback_export import unsealing
from app.model_options import registry_place
from app.services import Services
from eval.answer_metrics import Encode
from eval.cases import EvaluationCase, EvaluationSet, read_cases
from eval.gate import USAGE_ERROR
from eval.graph_answers import ExactRetriever
from feedback.flywheel.card import Origin, model_files
from feedback.flywheel.collect import Collected, Gold, SessionReader
from feedback.flywheel.judge import Judgement, judge, rank_golden
from feedback.flywheel.learn import Learned, learn
from feedback.flywheel.screen import screen
from feedback.triage.redact import redactor
from rag.errors import InvalidInputError
from rag.model_registry.opening import open_registry
from rag.model_registry.types import ModelVersion, check_name
from rag.models.learned_reranker import LearnedReranker
from rag.models.local import LocalModels
from rag.ports import RetrievedPassage, SearchScope
from rag.privacy import LocalDetector
from rag.rerank import DEPTH
from scripts.check_eval_thresholds import Parser
from scripts.commands import exit_code
from scripts.ingest_commands import services_for
from scripts.run_evaluation import find_scope, read_sets

REFUSED = 2  # exit code
DAYS = 90
CURRENT, CANDIDATE = "current", "candidate"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: `skipped` says why there is no model, `model` where it is."""

    collected: Collected
    skipped: str | None = None
    learned: Learned | None = None
    judgement: Judgement | None = None
    model: ModelVersion | None = None


async def train(
    services: Services,
    scope: SearchScope,
    arguments: argparse.Namespace,
    golden: EvaluationSet,
    encode: Encode,
) -> Outcome:
    """Collect, train, compare, and register what is better than today's.

    Raises:
        UnavailableError: The database or the registry can't be reached; nothing is registered.
        GroundworkError: The search or a reranker failed.
    """
    unseal = unsealing(services.privacy.keys)
    reader = SessionReader(services.database, unseal, redactor(LocalDetector()))
    gold = promoted_gold(arguments.promoted)
    collected = await reader.collect(scope, timedelta(days=arguments.days), gold=gold)
    questions = [case.query for case in golden.cases]
    try:
        screened = await asyncio.to_thread(screen, collected.sessions, questions, encode)
        learned = await asyncio.to_thread(learn, screened)
    except InvalidInputError as exc:
        return Outcome(collected, skipped=str(exc))
    judgement = await compare(services, scope, golden, LearnedReranker(weights=learned.weights))
    if not judgement.is_promoted:
        return Outcome(collected, learned=learned, judgement=judgement)
    revision = await asyncio.to_thread(git_revision)
    origin = _origin(services, scope, arguments, collected, revision=revision)
    files = model_files(learned, judgement, origin)
    settings = services.settings
    place = arguments.registry or registry_place(settings)
    registry = open_registry(place, kms_key=settings.artifacts_kms_key)
    by = script_identity(services.default_identity).subject or "script"
    model = await asyncio.to_thread(registry.register, arguments.name, files, by=by)
    return Outcome(collected, learned=learned, judgement=judgement, model=model)


async def compare(
    services: Services, scope: SearchScope, golden: EvaluationSet, candidate: LearnedReranker
) -> Judgement:
    """The candidate beside the service's own reranker."""
    retriever = ExactRetriever(services.spaces)

    async def search(case: EvaluationCase) -> list[RetrievedPassage]:
        found = await retriever.retrieve(case.query, narrowed(scope, case.filters), top_k=DEPTH)
        return found.passages

    runs = await rank_golden(golden, search, {CURRENT: services.reranker, CANDIDATE: candidate})
    return await asyncio.to_thread(judge, runs[CURRENT], runs[CANDIDATE])


def promoted_gold(files: Sequence[Path]) -> Gold:
    """Gold chunks of promoted cases, by the trace that each comes from."""
    gold: dict[UUID, frozenset[UUID]] = {}
    for file in files:
        for case in read_cases(file).cases:
            trace, chunks = case.metadata.get("trace_id"), case.metadata.get("gold_chunks")
            if isinstance(trace, str) and isinstance(chunks, list):
                gold[UUID(trace)] = frozenset(UUID(str(chunk)) for chunk in chunks)
    return gold


def _origin(
    services: Services,
    scope: SearchScope,
    arguments: argparse.Namespace,
    collected: Collected,
    *,
    revision: str,
) -> Origin:
    return Origin(
        name=arguments.name,
        tenant_id=str(scope.tenant_id),
        created_by=script_identity(services.default_identity).subject or "script",
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        git_revision=revision,
        days=arguments.days,
        current=f"RERANK_MODEL={services.settings.rerank_model}",
        collected={
            "answers_read": collected.read,
            "answers_closed": collected.closed,
            "answers_with_passages_gone": collected.gone,
        },
    )


def describe(outcome: Outcome) -> str:
    """What was learned, compared and registered, in lines."""
    collected = outcome.collected
    left_out = f"{collected.closed} closed, {collected.gone} with passages that are gone"
    lines = [f"{collected.read} answers: {len(collected.sessions)} sessions, {left_out}"]
    if outcome.skipped:
        return "\n".join([*lines, f"Skipped: {outcome.skipped}"])
    assert outcome.learned and outcome.judgement  # noqa: S101, PT018 - narrows the types
    lines += [f"{name.replace('_', ' ')}: {count}" for name, count in outcome.learned.counts.items()]
    values = ", ".join(f"{value:.2f}" for value in outcome.learned.propensities.values)
    lines.append(f"propensities ({outcome.learned.propensities.method}): {values}")
    for change in outcome.judgement.changes:
        d = change.difference
        lines.append(
            f"{change.metric}: {change.baseline_mean:.4f} -> {change.candidate_mean:.4f}, "
            f"{d.value:+.4f} [{d.low:+.4f}, {d.high:+.4f}]"
        )
    lines += [f"Refused: {refusal}" for refusal in outcome.judgement.refusals]
    if outcome.model:
        lines.append(f"Registered {outcome.model}: RERANK_MODEL=local:{outcome.model}")
    return "\n".join(lines)


async def run(arguments: argparse.Namespace) -> Outcome:
    check_name(arguments.name)
    golden = await read_sets(arguments.dataset)
    encode = (await asyncio.to_thread(lambda: LocalModels().encoder)).encode
    async with services_for(works=False) as services:
        scope = await find_scope(services, arguments.tenant, arguments.group)
        return await train(services, scope, arguments, golden, encode)


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser(description="Learn a reranker from feedback.")
    add = parser.add_argument
    add("--dataset", action="append", required=True, metavar="SET.jsonl", help="golden set; may be repeated")
    add("--name", default="feedback", help="of the model: small letters, digits and hyphens")
    add("--tenant", metavar="SLUG", help="whose feedback; the default tenant's unless given")
    add("--group", action="append", default=[], metavar="GROUP", help="opens documents; may be repeated")
    add("--days", type=int, default=DAYS, metavar="N", help="how far back")
    add(
        "--promoted",
        action="append",
        type=Path,
        default=[],
        metavar="SET.jsonl",
        help="promoted cases whose gold is learned from; may be repeated",
    )
    add("--registry", metavar="PLACE", help="in place of MODEL_REGISTRY")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    arguments = parse_arguments(given)

    def work() -> int:
        outcome = asyncio.run(run(arguments))
        print(describe(outcome))
        return REFUSED if outcome.judgement and not outcome.judgement.is_promoted else 0

    return exit_code(work, failing_to="train", usage_error=USAGE_ERROR)


if __name__ == "__main__":
    sys.exit(main())
