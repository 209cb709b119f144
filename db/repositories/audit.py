"""The audit log. Requests add to it and read it; nothing they can do changes or deletes what is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from db.pool import Connection

# One row an object.
ADD = """
INSERT INTO audit_log (tenant_id, subject, key_id, action, object_type, result, code, request_id,
                       client_address, user_agent, details, object_id)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, o.id
FROM unnest($12::text[]) WITH ORDINALITY AS o (id, place) ORDER BY o.place
"""
PAGE = """
SELECT id, at, subject, key_id, action, object_type, object_id, result, code, request_id,
       client_address, user_agent, details
FROM audit_log WHERE tenant_id = $1{conditions}
ORDER BY at DESC, id DESC LIMIT $2
"""


class AuditResult(StrEnum):
    SUCCEEDED = "succeeded"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that somebody did or tried.

    Attributes:
        code: Why it was denied or failed, by the code of the problem.
        details: Ids and sizes, never text.
    """

    subject: str
    action: str
    object_type: str
    result: AuditResult = AuditResult.SUCCEEDED
    code: str | None = None
    key_id: UUID | None = None
    request_id: str | None = None
    client_address: str | None = None
    user_agent: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """What stands in the log."""

    id: UUID
    at: datetime
    subject: str
    key_id: UUID | None
    action: str
    object_type: str
    object_id: str | None
    result: AuditResult
    code: str | None
    request_id: str | None
    client_address: str | None
    user_agent: str | None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows are asked for; None leaves a side open."""

    first: datetime | None = None
    before: datetime | None = None
    subject: str | None = None
    action: str | None = None
    object_id: str | None = None


async def add(
    connection: Connection, tenant_id: UUID, event: AuditEvent, object_ids: Sequence[str | None] = (None,)
) -> None:
    """Enter the event, once for each object that it is about."""
    await connection.execute(
        ADD,
        tenant_id,
        event.subject,
        event.key_id,
        event.action,
        event.object_type,
        event.result,
        event.code,
        event.request_id,
        event.client_address,
        event.user_agent,
        dict(event.details),
        list(object_ids),
    )


async def page(
    connection: Connection,
    tenant_id: UUID,
    wanted: AuditFilter,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
) -> list[AuditRow]:
    """Rows, newest first, from behind the one of that time and id."""
    # Conditions that aren't asked for are left out: a plan for all of them would use no index.
    given = {
        "at >= ${}": wanted.first,
        "at < ${}": wanted.before,
        "subject = ${}": wanted.subject,
        "action = ${}": wanted.action,
        "object_id = ${}": wanted.object_id,
    }
    chosen = [(condition, value) for condition, value in given.items() if value is not None]
    conditions = "".join(f" AND {text.format(place)}" for place, (text, _) in enumerate(chosen, start=3))
    values: list[object] = [value for _, value in chosen]
    if after is not None:
        conditions += f" AND (at, id) < (${len(values) + 3}, ${len(values) + 4})"
        values += after
    rows = await connection.fetch(PAGE.format(conditions=conditions), tenant_id, limit, *values)
    return [AuditRow(**dict(row) | {"result": AuditResult(row["result"])}) for row in rows]
