from typing import Annotated

from fastapi import APIRouter, status

from app.access.identity import Identity
from app.access.roles import Permission
from app.audit import RequestAuditDep, audited
from app.dependencies import ServicesDep, requires
from app.schemas.feedback import FeedbackRequest, FeedbackResponse
from feedback.collect import Rating

router = APIRouter(tags=["feedback"])


@router.post("/feedback", status_code=status.HTTP_201_CREATED, dependencies=[audited("feedback.give")])
async def give_feedback(
    body: FeedbackRequest,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.GIVE_FEEDBACK)],
    audit: RequestAuditDep,
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
    feedback_id = await services.feedback.collect(
        identity.tenant_id, rating, is_own=identity.on_behalf_of(body.user_id).owns
    )
    audit.about(feedback_id)
    return FeedbackResponse(feedback_id=feedback_id)
