import time
from typing import Annotated

from fastapi import APIRouter

from app.access.identity import Identity
from app.access.roles import Permission
from app.dependencies import RequestIdDep, ServicesDep, requires
from app.metering import metered
from app.schemas.search import Explanation, Plan, SearchRequest, SearchResponse, SearchResult
from app.telemetry.recording import record_retrieval, record_stages
from db.repositories.usage import Origin, RequestKind
from rag.rerank import rerank, retrieval_depth

router = APIRouter(tags=["search"])


@router.post("/search")
async def search(
    body: SearchRequest,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.SEARCH)],
    request_id: RequestIdDep,
) -> SearchResponse:
    """Find passages, each with its rank and score in every step. `explain` adds timings and the plan."""
    top_k = body.top_k or services.settings.top_k
    query = await services.privacy.asked(identity.tenant_id, body.query)
    origin = Origin(request_id=request_id, subject=identity.subject)
    async with metered(services.database, identity.tenant_id, RequestKind.SEARCH, origin):
        found = await services.spaces.retrieve(
            query,
            body.filters.narrow(identity.scope()),
            strategy=body.strategy,
            top_k=retrieval_depth(services.reranker, top_k),
            vector=body.vector,
        )
        began = time.perf_counter()
        ranked = await rerank(services.reranker, query, found.passages, top_k=top_k)
    timings = {**found.timings_ms, "rerank": round((time.perf_counter() - began) * 1000, 2)}
    metrics, degraded = services.telemetry.metrics, [*found.degraded, *ranked.degraded]
    record_stages(metrics, timings, degraded)
    record_retrieval(metrics, found.passages)
    return SearchResponse(
        request_id=request_id,
        results=[SearchResult.of(passage) for passage in ranked.passages],
        degraded=degraded,
        explanation=Explanation(timings_ms=timings, plan=Plan.model_validate(found.plan))
        if body.explain
        else None,
    )
