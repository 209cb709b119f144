"""Evaluation runs: asked for, listed, looked at."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, status

from app.access.identity import Identity
from app.access.roles import Permission
from app.audit import RequestAuditDep, audited
from app.cursors import read_cursor, write_cursor
from app.dependencies import ServicesDep, requires
from app.schemas.evaluation import EvaluationRequest, EvaluationRun, EvaluationRunPage
from eval.report.results import RunResults

router = APIRouter(prefix="/eval", tags=["evaluation"])

AnalystDep = Annotated[Identity, requires(Permission.EVALUATE)]


@router.post(
    "/run",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=[audited("evaluation.run", object_type="eval_run")],
)
async def run_evaluation(
    body: EvaluationRequest, services: ServicesDep, identity: AnalystDep, audit: RequestAuditDep
) -> EvaluationRun:
    """Ask all questions of an evaluation set and measure the answers, as a job."""
    stored = await services.evaluations.submit(identity, body.to_run(), note=audit.enter)
    return EvaluationRun.of(stored)


@router.get("/runs")
async def list_evaluation_runs(
    services: ServicesDep,
    identity: AnalystDep,
    *,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> EvaluationRunPage:
    """Runs, newest first, whose answers quote nothing that is closed to you."""
    after = read_cursor(cursor) if cursor else None
    found = await services.evaluations.page(identity, limit=limit + 1, after=after)
    shown = found[:limit]
    return EvaluationRunPage(
        runs=[EvaluationRun.of(stored) for stored in shown],
        next_cursor=write_cursor(shown[-1].created_at, shown[-1].id) if len(found) > limit else None,
    )


@router.get("/runs/{eval_run_id}")
async def get_evaluation_run(eval_run_id: UUID, services: ServicesDep, identity: AnalystDep) -> EvaluationRun:
    """How far a run is, or what came of it."""
    return EvaluationRun.of(await services.evaluations.get(identity, eval_run_id))


@router.get("/runs/{eval_run_id}/results")
async def get_evaluation_results(
    eval_run_id: UUID, services: ServicesDep, identity: AnalystDep
) -> RunResults:
    """Each case of a run that has ended: what `scripts/check_eval_thresholds.py` reads."""
    return await services.evaluations.results(identity, eval_run_id)
