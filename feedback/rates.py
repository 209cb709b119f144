"""Shares of good verdicts, with how far each can be relied on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID

from db.pool import Database
from db.repositories import feedback_rates
from db.repositories.feedback_rates import Count, RateGrouping
from eval.statistics import wilson_interval


class Period(StrEnum):
    """What time is divided into; weeks begin on Mondays, days at midnight UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class RateQuery:
    """What to count: from `first` to `last`, both included.

    Attributes:
        grouping: What to count by.
        tag: By which key of the questions' metadata, where `grouping` is `TAG`.
        period: None counts the whole time together.
    """

    first: date
    last: date
    grouping: RateGrouping
    tag: str = "tag"
    period: Period | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """How many verdicts are good.

    Attributes:
        label: What was rated; None for all.
        since: First day of the period; None where time is not divided.
        share: Of the good ones among all, 0 to 1, and the bounds of its 95 % interval (Wilson, 1927); None
            where nobody said anything.
    """

    label: str | None
    since: date | None
    up: int
    down: int
    share: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """Most verdicts first; periods in their order."""

    rows: list[Rate]
    total: Rate


async def rates(database: Database, tenant_id: UUID, groups: Sequence[str], query: RateQuery) -> Rates:
    """Count a tenant's verdicts. Only documents that these groups may read are named.

    Raises:
        UnavailableError: The database can't be reached.
    """
    first, before = _midnight(query.first), _midnight(query.last) + timedelta(days=1)
    async with database.tenant(tenant_id) as connection:
        rows = await feedback_rates.counts(
            connection,
            tenant_id,
            groups,
            query.grouping,
            first=first,
            before=before,
            key=query.tag,
            period=query.period,
        )
        total = await feedback_rates.total(connection, tenant_id, first=first, before=before)
    return Rates([rate_of(row) for row in rows], rate_of(total))


def rate_of(count: Count) -> Rate:
    """The share of the good ones, as `Rate` says."""
    trials = count.up + count.down
    counted = Rate(count.label, count.since, count.up, count.down)
    if not trials:
        return counted
    found = wilson_interval(count.up, trials)
    return replace(counted, share=found.value, low=found.low, high=found.high)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
