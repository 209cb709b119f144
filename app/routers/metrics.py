from fastapi import APIRouter, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from app.dependencies import ServicesDep

router = APIRouter(tags=["health"])

TEXT = {200: {"description": "Prometheus' text format.", "content": {"text/plain": {}}}}


@router.get("/metrics", response_class=Response, responses=TEXT)  # type: ignore[arg-type]  # FastAPI takes it
async def metrics(services: ServicesDep) -> Response:
    """The process's metrics, for Prometheus. Their labels name no tenant, user or document."""
    services.gauges.read()
    exposed = services.telemetry.metrics.exposition()
    return Response(exposed, media_type=CONTENT_TYPE_PLAIN_0_0_4)
