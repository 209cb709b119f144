import asyncio

from fastapi import APIRouter, Response, status

from app.dependencies import ServicesDep
from app.schemas.health import Health
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
    """Whether what a request needs is there: the database. Models were loaded before the first request."""
    try:
        await asyncio.wait_for(services.database.ping(), CHECK_TIMEOUT_S)
    except (UnavailableError, TimeoutError):
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return Health(status="unavailable", checks={"database": "unavailable"})
    return Health(status="ok", checks={"database": "ok"})
