"""What `/usage` gives."""

from datetime import date

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class UsageSum(BaseModel):
    """Use of models, added up under a day, a model or a kind of request; without a label, all together.

    `input_tokens` leaves out those read from a prompt cache or written to it. `units` are texts embedded,
    queries reranked and text units that a guardrail examined. `cost_usd` is of the calls whose cost is known,
    null if there are none; the others are `unpriced_calls`.
    """

    model_config = ConfigDict(from_attributes=True)

    label: str | None
    calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    units: int
    cost_usd: float | None
    unpriced_calls: int


class QuotaOut(BaseModel):
    """How much of a quota is used or reserved now.

    `name` says of what and how long: `tokens-month` is this calendar month's tokens (UTC), `storage` bytes.
    `limit` and `left` are null where there is no limit, `reset` where time alone brings nothing back.
    """

    model_config = ConfigDict(from_attributes=True)

    name: str
    limit: float | None
    used: float
    left: float | None
    reset: AwareDatetime | None


class UsageReport(BaseModel):
    """The tenant's use of models from one day to another, both included, and its quotas as they are now.

    `quotas` is empty where none are enforced.
    """

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    rows: list[UsageSum]
    totals: UsageSum
    plan: str
    quotas: list[QuotaOut]
