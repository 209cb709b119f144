"""Runs of evaluation sets over what the service answers with: its graph, its models, its corpus."""

import asyncio
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError

from app.filter_schema import Filters
from app.metering import metered
from app.settings import Settings
from app.spaces import Spaces
from db.pool import Database
from db.repositories import tenants
from db.repositories.candidates import find_known
from db.repositories.usage import Origin, RequestKind
from eval.baseline import JUDGE
from eval.case_metrics import CaseMetrics
from eval.cases import EvaluationCase, EvaluationSet
from eval.graph_answers import ExactRetriever, GraphAnswers
from eval.groundedness import GroundednessScorer
from eval.judge.types import Judge
from eval.report.results import CaseResult, Configuration, DatasetVersion, RunResults, first_mistake
from eval.runner import Examiner, Keep, examine_all, sample_cases
from graph.build import AnswerGraph
from graph.state import AnswerContext
from rag.errors import InvalidInputError
from rag.models.local import LocalModels
from rag.ports import SearchScope
from rag.retrieve import Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOrder:
    """What to evaluate.

    Attributes:
        run_id: The run's own.
        dataset: The questions.
        model_version: What the caller calls that which is measured.
        scope: Whose documents are asked, and with which groups.
        strategy: Of the search.
        samples: How many of the questions; None for all.
        seed: Of their choice.
        wanted: Metrics to keep; None for all.
        judge: Judges the answers, too, if there is one.
        concurrency: Questions at a time.
        job_id: Of the job that it is.
    """

    run_id: UUID
    dataset: EvaluationSet
    model_version: str
    scope: SearchScope
    strategy: Strategy = Strategy.AUTO
    samples: int | None = None
    seed: int = 0
    wanted: tuple[str, ...] | None = None
    judge: Judge | None = None
    concurrency: int = 2
    job_id: UUID | None = None

    @property
    def size(self) -> int:
        """How many questions are asked."""
        return min(len(self.dataset.cases), self.samples or len(self.dataset.cases))


class Evaluator:
    """Asks and measures.

    Args:
        database: Of the corpus.
        graph: The compiled answer graph.
        context: What every answer shares.
        spaces: The active embedding space.
        local: Of its model the measures are made.
        settings: How `/chat` would answer.
    """

    def __init__(
        self,
        database: Database,
        *,
        graph: AnswerGraph,
        context: AnswerContext,
        spaces: Spaces,
        local: LocalModels,
        settings: Settings,
    ) -> None:
        self._database = database
        self._graph = graph
        self._context = context
        self._spaces = spaces
        self._local = local
        self._settings = settings

    @cached_property
    def _metrics(self) -> CaseMetrics:
        encoder = self._local.encoder
        return CaseMetrics(GroundednessScorer(encoder), encoder.encode)

    async def evaluate(
        self, order: EvaluationOrder, *, keep: Keep, done: Mapping[str, CaseResult] | None = None
    ) -> RunResults:
        """Ask every question and measure the answers.

        Args:
            order: What to evaluate.
            keep: Awaited with each case's result.
            done: Results that an earlier attempt kept.

        Raises:
            InvalidInputError: A case's filter makes no sense.
            UnavailableError: The corpus can't be reached.
        """
        cases = sample_cases(order.dataset, order.samples, seed=order.seed)
        scopes = {case.id: _scope(case, order.scope) for case in cases}
        tenant_id = order.scope.tenant_id
        async with self._database.tenant(tenant_id) as connection:
            corpus_version = await tenants.corpus_version(connection, tenant_id)
            suppressed = await tenants.suppressed(connection, tenant_id)
            named = {name for case in cases for name in case.judgments}
            unknown = named - await find_known(connection, order.scope, named)
        examiner = Examiner(
            answer=self._answers(order, scopes, suppressed),
            metrics=await asyncio.to_thread(lambda: self._metrics),
            judge=order.judge,
            unknown_documents=unknown,
            wanted=order.wanted,
        )
        origin = Origin(job_id=order.job_id)
        async with metered(self._database, tenant_id, RequestKind.EVALUATION, origin):
            results = await examine_all(examiner, cases, concurrency=order.concurrency, keep=keep, done=done)
        return RunResults(
            id=str(order.run_id),
            created_at=datetime.now(UTC),
            dataset=DatasetVersion(name=order.dataset.name, sha256=order.dataset.version),
            configuration=self._configuration(order, corpus_version),
            git_revision=await asyncio.to_thread(git_revision),
            seed=order.seed,
            cases=results,
        )

    def identity(self, order: EvaluationOrder) -> dict[str, str | int | None]:
        """What two runs have in common whose results belong together."""
        settings = self._settings
        return {
            "dataset": order.dataset.version,
            "model_version": order.model_version,
            "samples": order.samples,
            "seed": order.seed,
            "chat": settings.chat_model,
            "embeddings": settings.embedding_model,
            "rerank": settings.rerank_model,
            "prompt": self._context.prompt.version,
            JUDGE: order.judge.model_name if order.judge else None,
        }

    def _answers(
        self, order: EvaluationOrder, scopes: Mapping[str, SearchScope], suppressed: tuple[str, ...]
    ) -> GraphAnswers:
        return GraphAnswers(
            graph=self._graph,
            context=replace(
                self._context,
                retriever=ExactRetriever(self._context.retriever),
                suppressed=self._context.suppressed + suppressed,
            ),
            scope_of=lambda case: scopes[case.id],
            strategy=order.strategy,
            top_k=self._settings.top_k,
            timeout_s=self._settings.request_timeout_s,
        )

    def _configuration(self, order: EvaluationOrder, corpus_version: int) -> Configuration:
        judge = {JUDGE: order.judge.model_name} if order.judge else {}
        settings = self._settings
        return Configuration(
            models={
                "chat": settings.chat_model,
                "embeddings": self._spaces.current.model.name,
                "rerank": settings.rerank_model,
                **judge,
            },
            prompt_version=self._context.prompt.version,
            index_version=str(corpus_version),
            strategy=order.strategy.value,
            other={
                "model_version": order.model_version,
                "samples": None if order.samples is None else float(order.samples),
                "top_k": float(settings.top_k),
                "context_tokens": float(settings.context_tokens),
                "relevance_floor": settings.relevance_floor,
                "chunk_tokens": float(settings.chunk_tokens),
            },
        )


def _scope(case: EvaluationCase, scope: SearchScope) -> SearchScope:
    try:
        return Filters.model_validate(case.filters).narrow(scope)
    except ValidationError as exc:
        raise InvalidInputError(f"case {case.id}: filters.{first_mistake(exc)}") from exc


def git_revision() -> str:
    """Of the code that runs: GIT_REVISION, or what git says, or "unknown"."""
    if named := os.environ.get("GIT_REVISION") or os.environ.get("GITHUB_SHA"):
        return named
    command = ("git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD")
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return found.stdout.strip() or "unknown"
