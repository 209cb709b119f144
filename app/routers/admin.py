"""For operators: what the quality gate keeps back."""

from uuid import UUID

from fastapi import APIRouter

from app.dependencies import IdentityDep, ServicesDep
from app.schemas.ingest import JobStatus

router = APIRouter(prefix="/admin", tags=["admin"])


@router.post("/quarantine/{job_id}/release")
async def release(job_id: UUID, services: ServicesDep, identity: IdentityDep) -> JobStatus:
    """Take a quarantined document in after all. `GET /ingest?state=quarantined` lists those that wait."""
    return JobStatus.model_validate(await services.queue.retry(identity.tenant_id, job_id, released=True))
