"""What `/events` takes and gives."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.field_types import IsNumber, Request, Text
from db.repositories.events import EventKind


class EventRequest(Request):
    """Something that somebody did with an answer.

    Attributes:
        user_id: The one that the question named; with it, an API key speaks of that user's answers only.
        event_id: Your own name for it: under the same one, an answer's event is stored once.
        document_id: One of the answer's sources.
        value: How much, such as a price.
    """

    request_id: Annotated[Text, Field(min_length=1, max_length=128)]
    user_id: Annotated[Text, Field(min_length=1, max_length=256)] | None = None
    kind: EventKind
    event_id: Annotated[Text, Field(min_length=1, max_length=128)] | None = None
    document_id: UUID | None = None
    value: Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False), IsNumber] | None = None


class EventResponse(BaseModel):
    event_id: str
    status: Literal["stored", "known"]
