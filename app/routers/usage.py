from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from app.access.identity import Identity
from app.access.roles import Permission
from app.dependencies import ServicesDep, requires
from app.field_types import Day
from app.limits.choice import has_limits
from app.schemas.usage import UsageReport
from db.repositories import limits, usage
from db.repositories.usage import Grouping
from rag.errors import InvalidInputError

router = APIRouter(tags=["usage"])

SPAN = timedelta(days=29)  # from the first day to the last, where the first is not given


@router.get("/usage")
async def show_usage(
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.READ_USAGE)],
    first: Annotated[Day | None, Query(alias="from")] = None,
    last: Annotated[Day | None, Query(alias="to")] = None,
    group_by: Grouping = Grouping.DAY,
) -> UsageReport:
    """What models were used for the tenant, what it cost, and its quotas. Days are UTC's; both ends count."""
    last = last or datetime.now(UTC).date()
    first = first or max(last, date.min + SPAN) - SPAN
    if first > last:
        raise InvalidInputError(f"from {first} lies after to {last}")
    async with services.database.tenant(identity.tenant_id) as connection:
        found = await usage.report(connection, identity.tenant_id, first=first, last=last, grouping=group_by)
        has = await limits.of_tenant(connection, identity.tenant_id)
        enforced = has_limits(services.settings)
        quotas = await limits.quotas(connection, identity.tenant_id) if enforced else []
    return UsageReport.model_validate(
        {
            "first": first,
            "last": last,
            "rows": found.rows,
            "totals": found.totals,
            "plan": has.plan if has else "",
            "quotas": quotas,
        }
    )
