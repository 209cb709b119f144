"""Whether the ledger adds up: with what traces say, entry by entry, and with the sums that quotas look at."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from db.pool import Connection

COUNTS = (
    "calls",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "units",
)
# A trace keeps costs as binary fractions, so that the last digits may differ; where it has none, a part of
# the cost isn't known, and the ledger has that of the known part.
BY_DAY = f"""
WITH told AS (
    SELECT t.id, (t.created_at AT TIME ZONE 'UTC')::date AS day, m.*
    FROM traces t CROSS JOIN LATERAL jsonb_to_recordset(t.usage -> 'models') m (
        model text, operation text, cost_usd numeric, {", ".join(f"{count} bigint" for count in COUNTS)})
    WHERE t.tenant_id = $1 AND t.created_at >= $2::date::timestamp AT TIME ZONE 'UTC'
      AND t.created_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
), entered AS (
    SELECT trace_id AS id, day, model, operation, sum(cost_usd) AS cost_usd,
           {", ".join(f"sum({count})::bigint AS {count}" for count in COUNTS)}
    FROM usage_ledger WHERE tenant_id = $1 AND day BETWEEN $2 AND $3 AND kind = 'chat'
    GROUP BY trace_id, day, model, operation
), compared AS (
    SELECT day, e.id IS NOT NULL AND NOT EXISTS (SELECT FROM traces t WHERE t.id = e.id) AS alone,
           e.calls AS entered_calls, t.calls AS told_calls,
           e.cost_usd AS entered_cost, t.cost_usd AS told_cost,
           ({", ".join(f"e.{count}" for count in COUNTS)})
               IS DISTINCT FROM ({", ".join(f"t.{count}" for count in COUNTS)})
           OR t.cost_usd IS NOT NULL AND abs(t.cost_usd - coalesce(e.cost_usd, 0)) > 1e-9 AS differs
    FROM entered e FULL JOIN told t USING (id, day, model, operation)
)
SELECT day, count(*) FILTER (WHERE alone) AS without_trace,
       count(*) FILTER (WHERE differs AND NOT alone) AS differing,
       coalesce(sum(entered_calls) FILTER (WHERE NOT alone), 0)::bigint AS ledger_calls,
       coalesce(sum(told_calls), 0)::bigint AS trace_calls,
       coalesce(sum(entered_cost) FILTER (WHERE NOT alone), 0) AS ledger_cost_usd,
       coalesce(sum(told_cost), 0) AS trace_cost_usd
FROM compared GROUP BY day ORDER BY day
"""
TOKENS = "input_tokens + output_tokens + cache_read_tokens + cache_write_tokens + cache_write_1h_tokens"
BY_MONTH = f"""
SELECT month, coalesce(l.tokens, 0)::bigint AS ledger_tokens, coalesce(s.tokens, 0)::bigint AS summed_tokens,
       coalesce(l.cost_usd, 0) AS ledger_cost_usd, coalesce(s.cost_usd, 0) AS summed_cost_usd
FROM (SELECT date_trunc('month', day)::date AS month, sum({TOKENS}) AS tokens, sum(cost_usd) AS cost_usd
      FROM usage_ledger WHERE tenant_id = $1 AND kind <> 'shadow' GROUP BY 1) l
FULL JOIN (SELECT month, sum(tokens) AS tokens, sum(cost_usd) AS cost_usd
           FROM usage_sums WHERE tenant_id = $1 GROUP BY month) s USING (month)
WHERE month BETWEEN date_trunc('month', $2::date) AND $3
  AND month >= date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month' ORDER BY month
"""


@dataclass(frozen=True, slots=True)
class DayCompared:
    """A day's answered questions in the ledger and in their traces.

    Attributes:
        without_trace: Entries whose trace was deleted meanwhile; they are in none of the other figures.
        differing: Entries that are missing on one side, or other than on the other.
    """

    day: date
    without_trace: int
    differing: int
    ledger_calls: int
    trace_calls: int
    ledger_cost_usd: Decimal
    trace_cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class MonthCompared:
    """A month of the ledger and the sums that are kept of it."""

    month: date
    ledger_tokens: int
    summed_tokens: int
    ledger_cost_usd: Decimal
    summed_cost_usd: Decimal

    @property
    def differs(self) -> bool:
        return (self.ledger_tokens, self.ledger_cost_usd) != (self.summed_tokens, self.summed_cost_usd)


async def by_day(connection: Connection, tenant_id: UUID, *, first: date, last: date) -> list[DayCompared]:
    """The days on which there was anything."""
    return [DayCompared(**row) for row in await connection.fetch(BY_DAY, tenant_id, first, last)]


async def by_month(
    connection: Connection, tenant_id: UUID, *, first: date, last: date
) -> list[MonthCompared]:
    """This month and the last one, if the days are in them: of earlier ones, entries may be deleted."""
    return [MonthCompared(**row) for row in await connection.fetch(BY_MONTH, tenant_id, first, last)]
