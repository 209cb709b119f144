"""Around every request: its outcome is entered in the audit log if it changes something or was denied."""

import time
from collections import OrderedDict
from collections.abc import Hashable
from http import HTTPStatus
from typing import cast

import asyncpg
import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.identity import Identity
from app.audit import RequestAudit, event_of
from app.services import Services
from db.repositories import audit as audit_log
from db.repositories.audit import AuditEvent, AuditResult
from rag.errors import GroundworkError

log = structlog.get_logger(__name__)

DENIED = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.TOO_MANY_REQUESTS,
}
# They cost the caller nothing and may come by the thousand: equal ones are entered once a minute.
BOUNDED = {HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
EVERY_S = 60.0
REMEMBERED = 10_000  # callers; a stranger with many addresses must not fill the memory


class Repeats:
    """Lets one of equal things pass each minute, and counts the others."""

    def __init__(self, *, every_s: float = EVERY_S, remembered: int = REMEMBERED) -> None:
        self._every_s = every_s
        self._remembered = remembered
        self._seen: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def pass_on(self, key: Hashable) -> int | None:
        """How many were held back since the last one that passed; None if this one is held back."""
        now = time.monotonic()
        until, held = self._seen.get(key, (0.0, 0))
        if now < until:
            self._seen[key] = (until, held + 1)
            return None
        self._seen[key] = (now + self._every_s, 0)
        self._seen.move_to_end(key)
        if len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
        return held


class AuditMiddleware:
    """Enters the outcome before it is sent: who has read of a success finds it in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._repeats = Repeats()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        settled = False

        async def settle(status: int) -> None:
            nonlocal settled
            if not settled:
                settled = True
                await self._settle(Request(scope), status)

        async def send_settled(message: Message) -> None:
            if message["type"] == "http.response.start":
                await settle(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, send_settled)
        finally:  # a crash has no answer yet
            await settle(HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _settle(self, request: Request, status: int) -> None:
        state = request.scope.get("state", {})
        identity = cast("Identity | None", state.get("identity"))
        if identity is None:
            if status == HTTPStatus.UNAUTHORIZED:
                self._log_stranger(request)
            return
        entry = cast("RequestAudit | None", state.get("audit")) or _denied_reading(request, status)
        if entry is None or (entry.is_entered and status < HTTPStatus.BAD_REQUEST):
            return
        if status in BOUNDED:
            held = self._repeats.pass_on((identity.tenant_id, identity.subject, entry.action, status))
            if held is None:
                return
            entry.about(**({"repeated": held} if held else {}))
        event = event_of(
            identity,
            entry.action,
            entry.object_type,
            result=_result(status),
            code=None if status < HTTPStatus.BAD_REQUEST else _code(request, status),
            request=request,
            details=entry.details,
        )
        await _enter(cast("Services", state["services"]), identity, entry, event)

    def _log_stranger(self, request: Request) -> None:
        """Nobody's log has a place for it."""
        address = request.client.host if request.client else None
        held = self._repeats.pass_on(address)
        if held is not None:
            log.warning("authentication_failed", client_address=address, repeated=held)


def _denied_reading(request: Request, status: int) -> RequestAudit | None:
    """An entry for a route without a declaration: only a denial is worth one."""
    route = request.scope.get("route")  # a path that is nobody's has none
    if status not in DENIED or route is None:
        return None
    object_type = next((name.removesuffix("_id") for name in request.path_params), "route")
    return RequestAudit(request, f"{request.method} {route.path}", object_type)


def _code(request: Request, status: int) -> str:
    """The problem's; an answer without one has its status for a code."""
    code: str = request.scope["state"].get("problem_code") or str(status)
    return code


def _result(status: int) -> AuditResult:
    if status < HTTPStatus.BAD_REQUEST:
        return AuditResult.SUCCEEDED
    return AuditResult.DENIED if status in DENIED else AuditResult.FAILED


async def _enter(services: Services, identity: Identity, entry: RequestAudit, event: AuditEvent) -> None:
    try:
        async with services.database.tenant(identity.tenant_id) as connection:
            await audit_log.add(connection, identity.tenant_id, event, entry.object_ids or [None])
    except (GroundworkError, asyncpg.PostgresError):
        # What was done is done; the log of the process is the second place that knows of it.
        log.exception(
            "audit_entry_lost",
            tenant_id=str(identity.tenant_id),
            subject=event.subject,
            action=event.action,
            object_ids=entry.object_ids,
            result=event.result.value,
        )
