import time

from fastapi import APIRouter

from app.dependencies import IdentityDep, RequestIdDep, ServicesDep
from app.metering import metered
from app.schemas.search import Explanation, Plan, SearchRequest, SearchResponse, SearchResult
from db.repositories.usage import RequestKind
from rag.rerank import rerank, retrieval_depth

router = APIRouter(tags=["search"])


@router.post("/search")
async def search(
    body: SearchRequest, services: ServicesDep, identity: IdentityDep, request_id: RequestIdDep
) -> SearchResponse:
    """Find passages, each with its rank and score in every step. `explain` adds timings and the plan."""
    top_k = body.top_k or services.settings.top_k
    async with metered(services.database, identity.tenant_id, RequestKind.SEARCH):
        found = await services.spaces.retrieve(
            body.query,
            body.filters.narrow(identity.scope()),
            strategy=body.strategy,
            top_k=retrieval_depth(services.reranker, top_k),
            vector=body.vector,
        )
        began = time.perf_counter()
        ranked = await rerank(services.reranker, body.query, found.passages, top_k=top_k)
    timings = {**found.timings_ms, "rerank": round((time.perf_counter() - began) * 1000, 2)}
    return SearchResponse(
        request_id=request_id,
        results=[SearchResult.of(passage) for passage in ranked.passages],
        degraded=[*found.degraded, *ranked.degraded],
        explanation=Explanation(timings_ms=timings, plan=Plan.model_validate(found.plan))
        if body.explain
        else None,
    )
