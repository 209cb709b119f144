"""Around every request: its id, and errors of the framework that are not problems yet."""

import random
import re
import time
from http import HTTPStatus
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problems import internal_error, problem_response

log = structlog.get_logger(__name__)

HEADER = "X-Request-ID"
ACCEPTED = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class RequestIdMiddleware:
    """Gives each request an id and logs its end. An id of the client's that isn't plain is replaced.

    Args:
        app: What answers.
        log_share: Of the requests that end well, how many are logged; those that fail on our side all are.
    """

    def __init__(self, app: ASGIApp, *, log_share: float = 1.0) -> None:
        self.app = app
        self._log_share = log_share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent = Headers(scope=scope).get(HEADER, "")
        request_id = sent if ACCEPTED.fullmatch(sent) else str(uuid4())
        scope.setdefault("state", {})["request_id"] = request_id
        began = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            except Exception:
                log.exception("request_crashed")
                if status:
                    raise  # too late for another answer: the connection breaks
                await internal_error(Request(scope))(scope, receive, send_with_id)
            finally:
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR or self._is_chosen():
                    log.info(
                        "request_ended",
                        method=scope["method"],
                        route=getattr(scope.get("route"), "path", None),
                        status=status,
                        duration_ms=round((time.perf_counter() - began) * 1000, 1),
                    )

    def _is_chosen(self) -> bool:
        return self._log_share >= 1 or random.random() < self._log_share  # noqa: S311 - not a secret


class PlainErrorMiddleware:
    """Turns the framework's errors in plain text into problems, such as that of a body too large."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        replaced = False

        async def send_problem(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and _is_plain_error(message):
                replaced = True
                status = HTTPStatus(message["status"])
                detail = status.description or status.phrase
                problem = problem_response(Request(scope), status, code=status.name.lower(), detail=detail)
                await problem(scope, receive, send)
            elif not replaced:
                await send(message)

        await self.app(scope, receive, send_problem)


def _is_plain_error(message: Message) -> bool:
    kind = Headers(raw=message["headers"]).get("content-type", "")
    return message["status"] >= HTTPStatus.BAD_REQUEST and kind.startswith("text/plain")


class SameOriginMiddleware:
    """Refuses what a web page of another origin sends: a browser must not open a service without a lock."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if origin is not None and urlsplit(origin).netloc != headers.get("host"):
                refused = problem_response(
                    Request(scope),
                    HTTPStatus.FORBIDDEN,
                    code="foreign_origin",
                    detail="Without authentication, pages of other origins may not call this service.",
                )
                await refused(scope, receive, send)
                return
        await self.app(scope, receive, send)
