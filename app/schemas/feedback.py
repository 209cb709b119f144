"""What `/feedback` takes and gives."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    Field,
)

from app.field_types import (
    Group,
    Metadata,
    Request,
    Text,
)


class FeedbackRequest(Request):
    """`user_id` is the one that the question named; with it, an API key rates only that user's answers."""

    request_id: Annotated[Text, Field(min_length=1, max_length=128)]
    user_id: Annotated[Text, Field(min_length=1, max_length=256)] | None = None
    rating: Literal[-1, 1]
    labels: Annotated[list[Group], Field(max_length=32)] = Field(default=[])
    comment: Annotated[Text, Field(max_length=10_000)] | None = None
    correction: Annotated[Text, Field(max_length=10_000)] | None = None
    metadata: Metadata = Field(default={})


class FeedbackResponse(BaseModel):
    feedback_id: UUID
    status: Literal["stored"] = "stored"
