"""Prove that the ledger adds up: `scripts/reconcile_usage.py [--from DAY] [--to DAY] [--tenant SLUG]`.

For each tenant and day (UTC), what the ledger has of answered questions must be what their traces say, and
the sums that quotas look at must be what the ledger adds up to. Entries whose traces were deleted meanwhile,
by retention or an erasure, can't be compared and are counted. Prints a line for each difference. Exit code 1
if there is one or something failed, 2 for wrong usage.
"""

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from app.secrets import LiveSettings
from app.setting_problems import SettingsError
from app.settings import Settings
from db.bootstrap import embedded_database
from db.pool import Database, open_database
from db.repositories import reconciliation, tenants
from observability.logs import configure_logs
from rag.errors import GroundworkError, NotFoundError

SPAN = timedelta(days=30)  # back from the last day, where the first is not given


@dataclass(slots=True)
class Outcome:
    """What was compared and found."""

    tenants: int = 0
    days: int = 0
    without_trace: int = 0
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        found = f"{len(self.differences)} differences" if self.differences else "the ledger adds up"
        compared = f"{self.days} days of {self.tenants} tenants compared"
        return f"{compared}, {self.without_trace} entries without a trace: {found}."


async def reconcile(database: Database, *, first: date, last: date, slug: str | None = None) -> Outcome:
    """Compare all tenants, or the one of that slug.

    Raises:
        NotFoundError: There is no such tenant.
    """
    outcome = Outcome()
    for tenant_id in await _tenants(database, slug):
        outcome.tenants += 1
        async with database.tenant(tenant_id) as connection:
            for day in await reconciliation.by_day(connection, tenant_id, first=first, last=last):
                outcome.days += 1
                outcome.without_trace += day.without_trace
                if day.differing:
                    outcome.differences.append(f"{tenant_id} {_of_day(day)}")
            for month in await reconciliation.by_month(connection, tenant_id, first=first, last=last):
                if month.differs:
                    outcome.differences.append(f"{tenant_id} {_of_month(month)}")
    return outcome


async def _tenants(database: Database, slug: str | None) -> list[UUID]:
    async with database.system() as connection:
        if slug is None:
            return await tenants.all_ids(connection)
        tenant = await tenants.find(connection, slug)
    if tenant is None:
        raise NotFoundError(f"there is no tenant {slug!r}")
    return [tenant.id]


def _of_day(day: reconciliation.DayCompared) -> str:
    return (
        f"{day.day} {day.differing} entries differ: the ledger has {day.ledger_calls} calls for "
        f"${day.ledger_cost_usd.normalize():f}, traces have {day.trace_calls} for "
        f"${day.trace_cost_usd.normalize():f}"
    )


def _of_month(month: reconciliation.MonthCompared) -> str:
    return (
        f"{month.month:%Y-%m} the ledger adds up to {month.ledger_tokens} tokens and "
        f"${month.ledger_cost_usd.normalize():f}, its sums to {month.summed_tokens} and "
        f"${month.summed_cost_usd.normalize():f}"
    )


async def run(settings: Settings, arguments: argparse.Namespace) -> Outcome:
    async with AsyncExitStack() as stack:
        logins = LiveSettings(settings).database_logins()
        if logins is None:
            logins = await stack.enter_async_context(embedded_database(settings.data_dir))
        database = await stack.enter_async_context(open_database(logins, app_connections=1))
        return await reconcile(database, first=arguments.first, last=arguments.last, slug=arguments.tenant)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Prove that the usage ledger adds up.")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, help="first day, YYYY-MM-DD")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, help="last day; today unless given")
    parser.add_argument("--tenant", help="a tenant's slug; all of them unless given")
    arguments = parser.parse_args()
    arguments.last = arguments.last or datetime.now(UTC).date()
    arguments.first = arguments.first or max(arguments.last, date.min + SPAN) - SPAN
    if arguments.first > arguments.last:
        parser.error("--from lies after --to")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    configure_logs(level="ERROR")
    try:
        outcome = asyncio.run(run(Settings(), arguments))
    except (ValueError, GroundworkError) as exc:
        print(f"Cannot reconcile: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, SettingsError) else 1
    print(*outcome.differences, outcome, sep="\n")
    return int(bool(outcome.differences))


if __name__ == "__main__":
    sys.exit(main())
