from fastapi import APIRouter

from app.dependencies import IdentityDep, RequestIdDep, ServicesDep
from app.schemas import SearchRequest, SearchResponse, SearchResult

router = APIRouter(tags=["search"])


@router.post("/search")
async def search(
    body: SearchRequest, services: ServicesDep, identity: IdentityDep, request_id: RequestIdDep
) -> SearchResponse:
    """Find passages. `explain` adds each leg's rank and score."""
    found = await services.retriever.retrieve(
        body.query,
        body.filters.narrow(identity.scope()),
        strategy=body.strategy,
        top_k=body.top_k or services.settings.top_k,
    )
    return SearchResponse(
        request_id=request_id,
        results=[SearchResult.explained(passage, explain=body.explain) for passage in found.passages],
        degraded=found.degraded,
    )
