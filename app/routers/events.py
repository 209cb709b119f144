from typing import Annotated

from fastapi import APIRouter, status

from app.access.identity import Identity
from app.access.roles import Permission
from app.dependencies import ServicesDep, requires
from app.schemas.events import EventRequest, EventResponse
from feedback.events import Event

router = APIRouter(tags=["feedback"])


@router.post("/events", status_code=status.HTTP_201_CREATED)
async def record_event(
    body: EventRequest,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.GIVE_FEEDBACK)],
) -> EventResponse:
    """Tell what a user did with an answer of theirs: a click, a copy, a purchase, another wording."""
    event = Event(body.request_id, body.kind, body.event_id, body.document_id, body.value)
    recorded = await services.events.collect(
        identity.tenant_id, event, is_own=identity.on_behalf_of(body.user_id).owns
    )
    return EventResponse(event_id=recorded.event_id, status="stored" if recorded.is_new else "known")
