"""Experiments on the answers of the caller's tenant; operators reach those of all."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, status

from app.access.identity import Identity
from app.access.roles import Permission
from app.audit import RequestAuditDep, audited
from app.cursors import read_cursor, write_cursor
from app.dependencies import ServicesDep, requires
from app.schemas.experiments import (
    ExperimentChangesRequest,
    ExperimentDetail,
    ExperimentOut,
    ExperimentPage,
    NewExperimentRequest,
)

router = APIRouter(prefix="/admin/experiments", tags=["admin"])

Manager = Annotated[Identity, requires(Permission.MANAGE_EXPERIMENTS)]


@router.post("", status_code=status.HTTP_201_CREATED, dependencies=[audited("experiment.create")])
async def create_experiment(
    new: NewExperimentRequest, services: ServicesDep, identity: Manager, audit: RequestAuditDep
) -> ExperimentOut:
    """Make a draft. It changes nothing until an admin of its tenant sets its `state` to `running`."""
    created = await services.experiments.create(identity, new.to_new(), tenant_id=new.tenant_id)
    audit.about(created.id, kind=created.kind, tenant_id=created.tenant_id)
    return ExperimentOut.model_validate(created)


@router.get("")
async def list_experiments(
    services: ServicesDep,
    identity: Manager,
    *,
    tenant_id: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> ExperimentPage:
    """Experiments, newest first."""
    found = await services.experiments.page(
        identity, tenant_id=tenant_id, limit=limit + 1, after=read_cursor(cursor) if cursor else None
    )
    last = found[limit - 1] if len(found) > limit else None
    return ExperimentPage.of(
        found[:limit], next_cursor=write_cursor(last.created_at, last.id) if last else None
    )


@router.get("/{experiment_id}")
async def get_experiment(experiment_id: UUID, services: ServicesDep, identity: Manager) -> ExperimentDetail:
    """An experiment, and what came of it so far."""
    return ExperimentDetail.of(await services.experiments.get(identity, experiment_id))


@router.patch("/{experiment_id}", dependencies=[audited("experiment.change")])
async def change_experiment(
    experiment_id: UUID,
    changes: ExperimentChangesRequest,
    services: ServicesDep,
    identity: Manager,
    audit: RequestAuditDep,
) -> ExperimentOut:
    """Start it, stop it, or change weights, share of traffic and guard: within two seconds everywhere."""
    changed = await services.experiments.change(identity, experiment_id, changes.to_changes())
    audit.about(state=changed.state, changed=sorted(changes.model_fields_set))
    return ExperimentOut.model_validate(changed)


@router.delete(
    "/{experiment_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[audited("experiment.delete")],
)
async def delete_experiment(experiment_id: UUID, services: ServicesDep, identity: Manager) -> None:
    """Delete an experiment that isn't running, with its exposures and shadow results."""
    await services.experiments.delete(identity, experiment_id)
