"""What `/feedback` takes and gives."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
)

from app.field_types import (
    Flag,
    Metadata,
    Request,
    Text,
)
from db.repositories.feedback import FeedbackRow, ReplacedVerdict
from feedback.collect import FeedbackLabel, Outcome


class FeedbackRequest(Request):
    """`user_id` is the one that the question named; with it, an API key rates only that user's answers."""

    request_id: Annotated[Text, Field(min_length=1, max_length=128)]
    user_id: Annotated[Text, Field(min_length=1, max_length=256)] | None = None
    rating: Literal[-1, 1]
    labels: Annotated[list[FeedbackLabel], Field(max_length=32)] = Field(default=[])
    comment: Annotated[Text, Field(max_length=10_000)] | None = None
    correction: Annotated[Text, Field(max_length=10_000)] | None = None
    metadata: Metadata = Field(default={})


class FeedbackResponse(BaseModel):
    """`changed` where it took the place of what the same user had said of the answer before."""

    feedback_id: UUID
    status: Outcome = Outcome.STORED


class FeedbackChange(Request):
    """Whether somebody has dealt with it."""

    handled: Flag


class EarlierFeedback(BaseModel):
    """What the same user had said before."""

    model_config = ConfigDict(from_attributes=True)

    rating: int
    labels: list[str]
    comment: str | None
    correction: str | None
    metadata: dict[str, Any]
    given_at: datetime
    replaced_at: datetime


class FeedbackOut(BaseModel):
    """What a user says of an answer.

    `closed`: the answer was made from a document that is closed to you, so what was written is left out.
    """

    model_config = ConfigDict(from_attributes=True)

    feedback_id: Annotated[UUID, Field(validation_alias="id")]
    request_id: str
    rating: int
    labels: list[str]
    comment: str | None
    correction: str | None
    metadata: dict[str, Any]
    model_name: str | None
    prompt_version: str
    variant: str | None
    abstained: bool
    curated_id: UUID | None
    closed: Annotated[bool, Field(validation_alias="is_closed")]
    created_at: datetime
    changed_at: datetime | None
    handled_at: datetime | None


class FeedbackDetail(FeedbackOut):
    history: list[EarlierFeedback]

    @classmethod
    def of(cls, row: FeedbackRow, history: list[ReplacedVerdict]) -> Self:
        return cls.model_validate(asdict(row) | {"history": history})


class FeedbackPage(BaseModel):
    feedback: list[FeedbackOut]
    next_cursor: str | None


class FeedbackRate(BaseModel):
    """Good and bad verdicts, and the share of the good ones with the bounds of its 95 % interval."""

    model_config = ConfigDict(from_attributes=True)

    label: str | None
    since: date | None
    up: int
    down: int
    share: float | None
    low: float | None
    high: float | None


class FeedbackRates(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    rows: list[FeedbackRate]
    total: FeedbackRate
