"""What users say of answers: given by them, looked at and counted by analysts."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, status
from pydantic import Field

from app.access.identity import Identity
from app.access.roles import Permission
from app.audit import RequestAuditDep, audited
from app.cursors import read_cursor, write_cursor
from app.dependencies import ServicesDep, requires
from app.field_types import Day, Key, Moment, Text
from app.schemas.feedback import (
    FeedbackChange,
    FeedbackDetail,
    FeedbackOut,
    FeedbackPage,
    FeedbackRates,
    FeedbackRequest,
    FeedbackResponse,
)
from db.repositories.feedback import FeedbackFilter
from db.repositories.feedback_rates import RateGrouping
from feedback.collect import FeedbackLabel, Outcome, Rating
from feedback.rates import Period, RateQuery, rates
from observability.registry import FEEDBACK
from rag.errors import InvalidInputError

router = APIRouter(prefix="/feedback", tags=["feedback"])

AnalystDep = Annotated[Identity, requires(Permission.READ_FEEDBACK)]
ModelName = Annotated[Text, Field(min_length=1, max_length=256)]

SPAN = timedelta(days=29)  # from the first day to the last, where the first is not given


@router.post("", status_code=status.HTTP_201_CREATED, dependencies=[audited("feedback.give")])
async def give_feedback(
    body: FeedbackRequest,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.GIVE_FEEDBACK)],
    audit: RequestAuditDep,
) -> FeedbackResponse:
    """Rate an answer of your own, by the request id that came with it. Once more changes what you said."""
    rating = Rating(
        request_id=body.request_id,
        rating=body.rating,
        labels=body.labels,
        comment=body.comment,
        correction=body.correction,
        metadata=dict(body.metadata),
    )
    collected = await services.feedback.collect(
        identity.tenant_id, rating, is_own=identity.on_behalf_of(body.user_id).owns, note=audit.enter
    )
    if collected.outcome is not Outcome.UNCHANGED:
        services.telemetry.metrics.count(FEEDBACK, rating="up" if body.rating > 0 else "down")
    return FeedbackResponse(feedback_id=collected.feedback_id, status=collected.outcome)


@router.get("")
async def list_feedback(
    services: ServicesDep,
    identity: AnalystDep,
    *,
    rating: Literal["-1", "1"] | None = None,
    label: FeedbackLabel | None = None,
    since: Moment | None = None,
    model: Annotated[ModelName | None, Query()] = None,
    handled: bool | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> FeedbackPage:
    """What users said, newest first. `since` counts; a time without a zone is UTC's."""
    wanted = FeedbackFilter(
        rating=None if rating is None else int(rating),
        label=label,
        since=None if since is None else _in_utc(since),
        model=model,
        handled=handled,
    )
    found = await services.feedback.page(
        identity.tenant_id,
        identity.groups,
        wanted,
        limit=limit + 1,
        after=read_cursor(cursor) if cursor else None,
    )
    shown = found[:limit]
    return FeedbackPage(
        feedback=[FeedbackOut.model_validate(row) for row in shown],
        next_cursor=write_cursor(shown[-1].created_at, shown[-1].id) if len(found) > limit else None,
    )


@router.get("/rates")
async def show_rates(
    services: ServicesDep,
    identity: AnalystDep,
    *,
    by: RateGrouping = RateGrouping.DAY,
    tag: Annotated[Key, Query()] = "tag",
    per: Period | None = None,
    first: Annotated[Day | None, Query(alias="from")] = None,
    last: Annotated[Day | None, Query(alias="to")] = None,
) -> FeedbackRates:
    """How much was found good, by what was rated; both days count, and are UTC's."""
    last = last or datetime.now(UTC).date()
    first = first or max(last, date.min + SPAN) - SPAN
    if first > last:
        raise InvalidInputError(f"from {first} lies after to {last}")
    if last == date.max:
        raise InvalidInputError(f"to {last} is the last day of the calendar")
    query = RateQuery(first, last, by, tag=tag, period=per)
    return FeedbackRates.model_validate(
        await rates(services.database, identity.tenant_id, identity.groups, query)
    )


@router.get("/{feedback_id}")
async def get_feedback(feedback_id: UUID, services: ServicesDep, identity: AnalystDep) -> FeedbackDetail:
    """What a user said of an answer, and what they had said of it before."""
    row, history = await services.feedback.get(identity.tenant_id, identity.groups, feedback_id)
    return FeedbackDetail.of(row, history)


@router.patch("/{feedback_id}", dependencies=[audited("feedback.handle")])
async def handle_feedback(
    feedback_id: UUID,
    change: FeedbackChange,
    services: ServicesDep,
    identity: AnalystDep,
    audit: RequestAuditDep,
) -> FeedbackOut:
    """Say that it was dealt with, or that it is open again. What its user changes is open again, too."""
    row = await services.feedback.handle(
        identity.tenant_id, identity.groups, feedback_id, handled=change.handled, note=audit.enter
    )
    return FeedbackOut.model_validate(row)


def _in_utc(time: datetime) -> datetime:
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError as exc:
        raise InvalidInputError("since lies beyond the calendar") from exc
