"""The audit trail: who changed what, who was refused what.

A route that changes something declares so: `dependencies=[audited("document.delete")]`. What came of each of
its calls is then entered by `app.audit_middleware`, right after the change; a route that can reach the
transaction of the change enters it there, by `RequestAudit.enter`, so that neither is kept without the other.
"""

import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Protocol, cast
from uuid import UUID

from fastapi import Depends, Request

from app.access.identity import Identity
from db.pool import Connection, Database
from db.repositories import audit as audit_log
from db.repositories.audit import AuditEvent, AuditResult

ANYBODY = "anonymous"
PLAIN = re.compile(r"[A-Za-z0-9._:-]{1,128}")  # an id or the name of something, not a sentence
USER_AGENT_CHARS = 200


class Note(Protocol):
    """Enters a change in the log, in the transaction that makes it."""

    async def __call__(self, connection: Connection, *object_ids: UUID) -> None: ...


async def no_note(connection: Connection, *object_ids: UUID) -> None:
    """For changes that nobody asked for by a request."""


@dataclass(frozen=True, slots=True)
class Audited:
    """A route's declaration."""

    action: str
    object_type: str

    async def __call__(self, request: Request) -> None:
        # Before anything else that the route depends on: also who is refused is known to have tried.
        request.state.audit = RequestAudit(request, self.action, self.object_type)


def audited(action: str, *, object_type: str | None = None) -> Any:
    """For a route's `dependencies`.

    Args:
        action: What is done, by the rule `<type of the object>.<verb>`.
        object_type: Where it is another one. The object's id is the path's `<type>_id`, if it has one.
    """
    return Depends(Audited(action, object_type or action.partition(".")[0]))


class RequestAudit:
    """What is to be entered about one request."""

    def __init__(self, request: Request, action: str, object_type: str) -> None:
        named = str(request.path_params.get(f"{object_type}_id", ""))
        self.action = action
        self.object_type = object_type
        self.object_ids = [named] if PLAIN.fullmatch(named) else []
        self.details: dict[str, Any] = {}
        self.is_entered = False
        self._request = request

    def about(self, *object_ids: UUID, **details: Any) -> None:
        """Say which objects it turned out to be about, and what else is worth keeping: ids and sizes."""
        if object_ids:
            self.object_ids = [str(object_id) for object_id in object_ids]
        self.details |= details

    async def enter(self, connection: Connection, *object_ids: UUID) -> None:
        """Enter the success in the transaction that makes the change. Is a `Note`."""
        self.about(*object_ids)
        identity = cast("Identity", self._request.state.identity)
        event = event_of(identity, self.action, self.object_type, request=self._request, details=self.details)
        await audit_log.add(connection, identity.tenant_id, event, self.object_ids or [None])
        self.is_entered = True


def _request_audit(request: Request) -> RequestAudit:
    return cast("RequestAudit", request.state.audit)


RequestAuditDep = Annotated[RequestAudit, Depends(_request_audit)]


class Audit:
    """Enters what routes can't declare."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self,
        identity: Identity,
        action: str,
        *,
        object_type: str,
        object_id: object = None,
        result: str = AuditResult.SUCCEEDED,
        code: str | None = None,
        request: Request | None = None,
        details: Mapping[str, Any] | None = None,
        connection: "Connection | None" = None,
    ) -> None:
        """Enter one event.

        Args:
            identity: Who did it; the event stands in the log of their tenant.
            action: What, as "document.delete".
            object_type: Of what it was done to.
            object_id: And which of these.
            result: "succeeded", "denied" or "failed".
            code: Why not.
            request: By which request.
            details: Ids and sizes. A text is replaced by its length.
            connection: In whose transaction; by default in one of its own.

        Raises:
            UnavailableError: The database can't be reached.
        """
        event = event_of(
            identity,
            action,
            object_type,
            result=AuditResult(result),
            code=code,
            request=request,
            details=details or {},
        )
        object_ids = [None if object_id is None else str(object_id)]
        if connection is not None:
            await audit_log.add(connection, identity.tenant_id, event, object_ids)
        else:
            async with self._database.tenant(identity.tenant_id) as own:
                await audit_log.add(own, identity.tenant_id, event, object_ids)

    def note(self, identity: Identity, action: str, *, object_type: str) -> Note:
        """What enters a change that no request asked for, by the transaction that makes it."""

        async def enter(connection: Connection, *object_ids: UUID) -> None:
            event = event_of(identity, action, object_type, details={})
            ids: list[str | None] = [str(object_id) for object_id in object_ids]
            await audit_log.add(connection, identity.tenant_id, event, ids or [None])

        return enter


def event_of(
    identity: Identity,
    action: str,
    object_type: str,
    *,
    result: AuditResult = AuditResult.SUCCEEDED,
    code: str | None = None,
    request: Request | None = None,
    details: Mapping[str, Any],
) -> AuditEvent:
    event = AuditEvent(
        subject=identity.subject or ANYBODY,
        key_id=identity.key_id,
        action=action,
        object_type=object_type,
        result=result,
        code=code,
        details={name: _without_text(value) for name, value in details.items()},
    )
    if request is None:
        return event
    agent = request.headers.get("user-agent")
    return replace(
        event,
        request_id=request.scope["state"].get("request_id"),
        client_address=request.client.host if request.client else None,
        user_agent=agent[:USER_AGENT_CHARS] if agent else None,
    )


def _without_text(value: object) -> object:
    """The value as JSON has it. A text that may say something is replaced by its length."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_without_text(item) for item in value]
    text = str(value)
    return text if PLAIN.fullmatch(text) else {"chars": len(text)}


def script_identity(identity: Identity) -> Identity:
    """The same tenant's, as whoever runs a script on this machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return replace(identity, subject=f"script:{user}")
