"""What a tenant may have in place of its plan's limits."""

from typing import Annotated

from pydantic import Field

from app.field_types import IsNumber, Request

Count = Annotated[int, Field(ge=0, le=2**53), IsNumber]  # beyond, JSON's numbers are no longer exact
Cost = Annotated[float, Field(ge=0, le=1e12), IsNumber]


class OwnLimits(Request):
    """Limits in place of the plan's. What is left out is the plan's; null is no limit.

    Rates are requests in any minute: of the tenant, of each key or person, of routes that share a class. Days
    and months are the calendar's (UTC).
    """

    requests_per_minute: Count | None = None
    key_requests_per_minute: Count | None = None
    chat_per_minute: Count | None = None
    search_per_minute: Count | None = None
    ingest_per_minute: Count | None = None
    requests_per_day: Count | None = None
    requests_per_month: Count | None = None
    tokens_per_day: Count | None = None
    tokens_per_month: Count | None = None
    cost_usd_per_day: Cost | None = None
    cost_usd_per_month: Cost | None = None
    documents: Count | None = None
    storage_bytes: Count | None = None
