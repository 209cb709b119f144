"""The ledger of what models were used: entries are added, and never changed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from db.pool import Connection
from rag.models.usage import ModelUse, cost_of

SHARDS = 16  # rows that a month's sums are spread over, see the migration

COUNTS = (
    "calls",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "units",
    "unpriced_calls",
)
ENTER = f"""
    INSERT INTO usage_ledger (tenant_id, kind, request_id, trace_id, job_id, subject, model, operation,
                              cost_usd, {", ".join(COUNTS)})
    SELECT $1, $2, $3, $4, $5, $6, u.* FROM unnest(
        $7::text[], $8::text[], $9::numeric[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
        $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[]) u
"""
# An entry and the sums that quotas look at, together or not at all.
ADD = f"""
WITH entered AS ({ENTER}
    RETURNING day, coalesce(cost_usd, 0) AS cost_usd,
              input_tokens + output_tokens + cache_read_tokens + cache_write_tokens + cache_write_1h_tokens
              AS tokens
)
INSERT INTO usage_sums AS s (tenant_id, month, shard, tokens, cost_usd, day, day_tokens, day_cost_usd)
SELECT $1, date_trunc('month', day)::date, $18, sum(tokens), sum(cost_usd), day, sum(tokens), sum(cost_usd)
FROM entered GROUP BY day
ON CONFLICT (tenant_id, month, shard) DO UPDATE SET
    tokens = s.tokens + excluded.tokens,
    cost_usd = s.cost_usd + excluded.cost_usd,
    day = greatest(s.day, excluded.day),
    day_tokens = CASE WHEN s.day = excluded.day THEN s.day_tokens + excluded.day_tokens
                      WHEN s.day < excluded.day THEN excluded.day_tokens ELSE s.day_tokens END,
    day_cost_usd = CASE WHEN s.day = excluded.day THEN s.day_cost_usd + excluded.day_cost_usd
                        WHEN s.day < excluded.day THEN excluded.day_cost_usd ELSE s.day_cost_usd END
"""
# The last row, without a label, is the sum of all.
SUMS = f"""
SELECT {{label}} AS label, sum(cost_usd) AS cost_usd,
       {", ".join(f"coalesce(sum({count}), 0)::bigint AS {count}" for count in COUNTS)}
FROM usage_ledger WHERE tenant_id = $1 AND day BETWEEN $2 AND $3
GROUP BY GROUPING SETS (({{label}}), ()) ORDER BY label NULLS LAST
"""


class RequestKind(StrEnum):
    """What models were used for."""

    CHAT = "chat"
    SEARCH = "search"
    INGEST = "ingest"
    EVALUATION = "evaluation"
    SHADOW = "shadow"  # nobody asked for it: it counts against no quota


class Grouping(StrEnum):
    DAY = "day"
    MODEL = "model"
    KIND = "kind"


@dataclass(frozen=True, slots=True)
class Origin:
    """What models were used for, by ids: of the request and its trace, or of the job; and for whom."""

    request_id: str | None = None
    trace_id: UUID | None = None
    job_id: UUID | None = None
    subject: str | None = None


NOWHERE = Origin()

SUMS_BY = {
    Grouping.DAY: SUMS.format(label="day::text"),
    Grouping.MODEL: SUMS.format(label="model"),
    Grouping.KIND: SUMS.format(label="kind"),
}


@dataclass(frozen=True, slots=True)
class UsageSum:
    """A sum over the ledger.

    Attributes:
        label: The day, model or kind; None for the sum of all.
        cost_usd: Of the calls whose price is known; None if there are none such.
        unpriced_calls: The others.
    """

    label: str | None
    calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    units: int
    cost_usd: Decimal | None
    unpriced_calls: int


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Sums in the order of their labels, and the sum of all."""

    rows: list[UsageSum]
    totals: UsageSum


async def add(
    connection: Connection,
    tenant_id: UUID,
    kind: RequestKind,
    uses: Sequence[ModelUse],
    origin: Origin = NOWHERE,
) -> None:
    """Enter uses under today. Best done last in a transaction: others wait for a row of sums till its end."""
    if not uses:
        return
    columns = map(list, zip(*(_row(use) for use in uses), strict=True))
    of = (origin.request_id, origin.trace_id, origin.job_id, origin.subject)
    if kind is RequestKind.SHADOW:
        await connection.execute(ENTER, tenant_id, kind, *of, *columns)
        return
    shard = random.randrange(SHARDS)  # noqa: S311 - spreads writers out
    await connection.execute(ADD, tenant_id, kind, *of, *columns, shard)


async def report(
    connection: Connection, tenant_id: UUID, *, first: date, last: date, grouping: Grouping
) -> UsageReport:
    """What was entered from the day `first` to the day `last`."""
    found = [UsageSum(**row) for row in await connection.fetch(SUMS_BY[grouping], tenant_id, first, last)]
    return UsageReport(rows=found[:-1], totals=found[-1])


def _row(use: ModelUse) -> tuple[object, ...]:
    cost = cost_of(replace(use, unmetered_calls=0))
    unpriced = use.calls if cost is None else use.unmetered_calls if cost_of(use) is None else 0
    counts = (unpriced if count == "unpriced_calls" else getattr(use, count) for count in COUNTS)
    return use.model, use.operation.value, cost, *counts
