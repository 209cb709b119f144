"""For operators: what the quality gate keeps back."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from app.access.identity import Identity
from app.access.roles import Permission
from app.audit import RequestAuditDep, audited
from app.dependencies import ServicesDep, requires
from app.schemas.ingest import JobStatus

router = APIRouter(prefix="/admin", tags=["admin"])


@router.post("/quarantine/{job_id}/release", dependencies=[audited("job.release")])
async def release(
    job_id: UUID,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.RELEASE_QUARANTINE)],
    audit: RequestAuditDep,
) -> JobStatus:
    """Take a quarantined document in after all. `GET /ingest?state=quarantined` lists those that wait."""
    job = await services.queue.retry(
        identity.tenant_id, job_id, released=True, viewer=identity.writer(), note=audit.enter
    )
    return JobStatus.model_validate(job)
