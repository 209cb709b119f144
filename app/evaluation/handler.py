"""The handler of evaluation jobs."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

from app.evaluation.datasets import read_dataset
from app.evaluation.evaluator import EvaluationOrder, Evaluator
from app.evaluation.judges import Judges
from app.evaluation.storage import case_fields, find_baseline, judge, read_cases, store
from app.worker import Report
from db.pool import Database
from db.repositories import evaluations, jobs
from db.repositories.evaluations import StoredRun
from db.repositories.jobs import Claim, JobState
from eval.baseline import Baseline, means
from eval.report.results import CaseResult, RunResults
from observability.metrics import Metrics
from observability.registry import EVALUATION_RUNS, EVALUATION_SCORE
from rag.artifacts import Artifacts
from rag.errors import InvalidInputError, NotFoundError
from rag.ports import SearchScope


class EvaluationHandler:
    """`app.worker.Handler` of the kind "evaluate". Another attempt goes on where the last one was stopped."""

    def __init__(
        self,
        database: Database,
        artifacts: Artifacts,
        evaluator: Evaluator,
        judges: Judges,
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics or Metrics(enabled=False)
        self._database = database
        self._artifacts = artifacts
        self._evaluator = evaluator
        self._judges = judges

    async def __call__(self, claim: Claim, report: Report) -> None:
        """Storing the run ends the job, in one transaction."""
        run_id = UUID(str(claim.payload["run_id"]))
        async with self._database.tenant(claim.tenant_id) as connection:
            stored = await evaluations.find(connection, run_id)
            if stored is None:
                raise NotFoundError(f"there is no evaluation run {run_id}")
            done = {case.id: case for case in await read_cases(connection, run_id)}
            baseline = await find_baseline(connection, stored)
        results = await self._evaluate(claim, stored, done, report)
        await self._finish(claim, run_id, results, baseline)

    async def _evaluate(
        self, claim: Claim, stored: StoredRun, done: Mapping[str, CaseResult], report: Report
    ) -> RunResults:
        dataset = await read_dataset(self._artifacts, claim.tenant_id, stored.dataset_path)
        if dataset.version != stored.dataset_sha256:
            raise InvalidInputError(f"{stored.dataset_path} has changed since the run was asked for")
        order = EvaluationOrder(
            run_id=stored.id,
            dataset=dataset,
            model_version=stored.model_version,
            scope=SearchScope(claim.tenant_id, stored.groups),
            samples=stored.num_samples,
            seed=stored.seed,
            wanted=stored.wanted_metrics,
            judge=await asyncio.to_thread(self._judges.open, stored.wanted_metrics),
            job_id=claim.id,
        )
        kept = set(done)

        async def keep(result: CaseResult) -> None:
            async with self._database.tenant(claim.tenant_id) as connection:
                await jobs.hold(connection, claim)
                await evaluations.keep_case(
                    connection, claim.tenant_id, stored.id, result.id, case_fields(result)
                )
            kept.add(result.id)
            await report({"cases": len(kept), "of": order.size})

        return await self._evaluator.evaluate(order, keep=keep, done=done)

    async def _finish(
        self, claim: Claim, run_id: UUID, results: RunResults, baseline: Baseline | None
    ) -> None:
        judged = judge(results, baseline)
        outcome = {"run_id": str(run_id), "verdict": judged.verdict.value}
        async with self._database.tenant(claim.tenant_id) as connection:
            await store(connection, run_id, judged)
            await jobs.end(connection, claim, JobState.SUCCEEDED, result=outcome)
        self._metrics.count(EVALUATION_RUNS, verdict=judged.verdict.value)
        for name, mean in means(judged.candidate).items():
            self._metrics.set(EVALUATION_SCORE, mean, metric=name)
