"""The audit log of the caller's tenant."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field

from app.access.identity import Identity
from app.access.roles import Permission
from app.audit import audited
from app.cursors import read_cursor, write_cursor
from app.dependencies import ServicesDep, requires
from app.field_types import Moment, Text
from app.schemas.audit import AuditEntry, AuditPage
from db.repositories import audit as audit_log
from db.repositories.audit import AuditFilter
from rag.errors import InvalidInputError

router = APIRouter(prefix="/admin", tags=["admin"])


def _in_utc(time: datetime) -> datetime:
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError as exc:
        raise ValueError("lies beyond the calendar") from exc


Instant = Annotated[Moment, AfterValidator(_in_utc)]
Wanted = Annotated[Text, Field(max_length=1024)]


@router.get("/audit", dependencies=[audited("audit.read")])
async def read_audit(
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.READ_AUDIT)],
    *,
    first: Annotated[Instant | None, Query(alias="from")] = None,
    before: Annotated[Instant | None, Query(alias="to")] = None,
    subject: Annotated[Wanted | None, Query()] = None,
    action: Annotated[Wanted | None, Query()] = None,
    object_id: Annotated[Wanted | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> AuditPage:
    """Who did what, newest first. `from` counts, `to` doesn't; a time without a zone is UTC's."""
    if first and before and first >= before:
        raise InvalidInputError("from does not lie before to")
    wanted = AuditFilter(first=first, before=before, subject=subject, action=action, object_id=object_id)
    after = read_cursor(cursor) if cursor else None
    async with services.database.tenant(identity.tenant_id) as connection:
        rows = await audit_log.page(connection, identity.tenant_id, wanted, limit=limit + 1, after=after)
    shown = rows[:limit]
    return AuditPage(
        entries=[AuditEntry.model_validate(row) for row in shown],
        next_cursor=write_cursor(shown[-1].at, shown[-1].id) if len(rows) > limit else None,
    )
