"""Evaluation runs in the database, and back from there."""

import json
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from db.pool import Connection, Database
from db.repositories import evaluations
from db.repositories.evaluations import NewRun, StoredRun
from eval.baseline import Baseline, means, measured_scores
from eval.gate import GateReport, run_gate
from eval.gate_settings import settings_for
from eval.report.results import CaseResult, RunResults
from eval.summaries import summarise
from rag.errors import InvalidInputError, NotFoundError

_CASE: TypeAdapter[CaseResult] = TypeAdapter(CaseResult)
_RUN: TypeAdapter[RunResults] = TypeAdapter(RunResults)


def judge(results: RunResults, baseline: Baseline | None) -> GateReport:
    """What the gate says, by the floors of those metrics that the run has."""
    return run_gate(results, baseline, settings_for(results.metric_names))


async def store(connection: Connection, run_id: UUID, report: GateReport) -> None:
    """Write down what came of a run."""
    run = report.candidate
    await evaluations.finish(
        connection,
        run_id,
        run=_RUN.dump_python(run, mode="json", exclude={"cases"}),
        metrics=metrics_of(run),
        num_examples=len(run.cases),
        verdict=report.verdict.value,
        details={
            "checks": [
                {"name": c.name, "metric": c.metric, "verdict": c.verdict.value, "detail": c.detail}
                for c in report.checks
            ],
            "errors": sum(case.error is not None for case in run.cases),
        },
    )


async def record(database: Database, tenant_id: UUID, new: NewRun, report: GateReport) -> UUID:
    """Keep a run that was made outside the queue."""
    async with database.tenant(tenant_id) as connection:
        run_id = await evaluations.add(connection, tenant_id, new)
        for case in report.candidate.cases:
            await evaluations.keep_case(connection, tenant_id, run_id, case.id, case_fields(case))
        await store(connection, run_id, report)
    return run_id


def metrics_of(run: RunResults) -> dict[str, float]:
    """`<metric>_mean` and `<metric>_std` of each metric that was measured."""
    found: dict[str, float] = {}
    for name in means(run):
        summary = summarise(measured_scores(run, name).tolist())
        found |= {f"{name}_mean": summary.mean or 0.0, f"{name}_std": summary.std or 0.0}
    return found


async def read_run(connection: Connection, stored: StoredRun) -> RunResults:
    """A run that has ended, with its cases."""
    cases = await evaluations.cases(connection, stored.id)
    return _RUN.validate_json(json.dumps({**(stored.run or {}), "cases": cases}))


async def read_cases(connection: Connection, run_id: UUID) -> list[CaseResult]:
    """What is there of a run so far."""
    return [_CASE.validate_json(json.dumps(row)) for row in await evaluations.cases(connection, run_id)]


def case_fields(case: CaseResult) -> dict[str, Any]:
    fields: dict[str, Any] = _CASE.dump_python(case, mode="json")
    return fields


async def find_baseline(connection: Connection, new: NewRun) -> Baseline | None:
    """The run that this one is to be compared with, if it names one.

    Raises:
        NotFoundError: There is none that the run's groups may see.
        InvalidInputError: It has not ended, or is of another set.
    """
    if new.baseline_run_id is None:
        return None
    stored = await evaluations.get(connection, new.baseline_run_id, new.groups)
    if stored is None:
        raise NotFoundError(f"there is no evaluation run {new.baseline_run_id}")
    if stored.run is None:
        raise InvalidInputError(f"the baseline {stored.id} has not ended")
    if stored.dataset_sha256 != new.dataset_sha256:
        raise InvalidInputError(f"the baseline {stored.id} is of another version of the set: make a new one")
    return Baseline(run=await read_run(connection, stored), history=())
