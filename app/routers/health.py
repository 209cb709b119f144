import asyncio

from fastapi import APIRouter, Response, status

from app.dependencies import ServicesDep
from app.schemas.health import Health
from app.services import Services
from rag.errors import UnavailableError

router = APIRouter(prefix="/health", tags=["health"])

CHECK_TIMEOUT_S = 2.0  # shorter than a load balancer's patience


@router.get("/live")
async def live() -> Health:
    """Whether the process answers. Touches nothing else."""
    return Health(status="ok")


@router.get("/ready")
@router.get("")
async def ready(services: ServicesDep, response: Response) -> Health:
    """Whether what a request needs is there: the database. Models were loaded before the first request.

    `degraded`: the keys of stored texts can't be had, so that searches are answered and chats are not.
    """
    if services.shutdown.begun.is_set():
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return Health(status="unavailable", checks={"process": "stopping"})
    try:
        await asyncio.wait_for(services.database.ping(), CHECK_TIMEOUT_S)
    except (UnavailableError, TimeoutError):
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return Health(status="unavailable", checks={"database": "unavailable"})
    checks = {"database": "ok"}
    if services.privacy.keys.are_used:
        checks["field_encryption"] = await _field_encryption(services)
    return Health(status="ok" if set(checks.values()) == {"ok"} else "degraded", checks=checks)


async def _field_encryption(services: Services) -> str:
    try:
        tenant_id = services.default_identity.tenant_id
        await asyncio.wait_for(services.privacy.keys.ring(tenant_id), CHECK_TIMEOUT_S)
    except (UnavailableError, TimeoutError):
        return "unavailable"
    return "ok"
