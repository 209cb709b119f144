from fastapi import APIRouter, status

from app.dependencies import IdentityDep, ServicesDep
from app.schemas.feedback import FeedbackRequest, FeedbackResponse
from feedback.collect import Rating

router = APIRouter(tags=["feedback"])


@router.post("/feedback", status_code=status.HTTP_201_CREATED)
async def give_feedback(
    body: FeedbackRequest, services: ServicesDep, identity: IdentityDep
) -> FeedbackResponse:
    """Rate an answer of your own, by the request id that came with it."""
    rating = Rating(
        request_id=body.request_id,
        rating=body.rating,
        labels=body.labels,
        comment=body.comment,
        correction=body.correction,
        metadata=dict(body.metadata),
    )
    feedback_id = await services.feedback.collect(identity.tenant_id, rating, is_own=identity.owns)
    return FeedbackResponse(feedback_id=feedback_id)
