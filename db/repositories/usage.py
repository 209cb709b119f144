"""The ledger of what models were used, by tenant, day, kind of request, model and operation."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from db.pool import Connection
from rag.models.usage import ModelUse, cost_of

SHARDS = 16  # rows that a day's uses of a model are spread over, see the migration

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
# Rows are always taken in the same order, so that two requests can't wait for each other.
ADD = f"""
INSERT INTO usage_ledger AS l (tenant_id, day, kind, shard, model, operation, cost_usd, {", ".join(COUNTS)})
SELECT $1, (now() AT TIME ZONE 'UTC')::date, $2, $3, u.* FROM unnest(
    $4::text[], $5::text[], $6::numeric[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[],
    $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[]) u (model, operation)
ORDER BY u.model, u.operation
ON CONFLICT (tenant_id, day, kind, model, operation, shard) DO UPDATE SET
    cost_usd = coalesce(l.cost_usd + excluded.cost_usd, l.cost_usd, excluded.cost_usd),
    {", ".join(f"{count} = l.{count} + excluded.{count}" for count in COUNTS)}
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


class Grouping(StrEnum):
    DAY = "day"
    MODEL = "model"
    KIND = "kind"


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


async def add(connection: Connection, tenant_id: UUID, kind: RequestKind, uses: Sequence[ModelUse]) -> None:
    """Enter uses under today. Best done last in a transaction: others wait for its rows until its end."""
    if not uses:
        return
    rows = [_row(use) for use in uses]
    shard = random.randrange(SHARDS)  # noqa: S311 - spreads writers out
    await connection.execute(ADD, tenant_id, kind, shard, *map(list, zip(*rows, strict=True)))


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
