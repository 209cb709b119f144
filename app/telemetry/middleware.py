"""A span and a measurement around every request, and the trace's id in its answer."""

import asyncio
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.services import Services
from app.telemetry.parts import TRACE_CONTEXT
from observability.registry import REQUEST_DURATION, REQUEST_ERRORS

UNTRACED = ("/health", "/metrics")  # asked for every few seconds, by machines
UNKNOWN_ROUTE = "none"
CLIENT_CLOSED = 499  # nginx's number for it; HTTP has none


class TelemetryMiddleware:
    """Stands outside of all that answers, so that refusals are measured too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = cast("Services | None", scope.get("state", {}).get("services"))
        if services is None or scope["type"] != "http" or scope["path"].startswith(UNTRACED):
            await self.app(scope, receive, send)
            return
        telemetry = services.telemetry
        began = time.perf_counter()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def send_with_trace(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                TRACE_CONTEXT.inject(MutableHeaders(scope=message))  # of the current span, if there is one
            await send(message)

        method, headers = scope["method"], cast("Mapping[str, str]", Headers(scope=scope))
        with telemetry.around(method, kind=SpanKind.SERVER, headers=headers) as span:
            try:
                await self.app(scope, receive, send_with_trace)
            except asyncio.CancelledError:
                status = CLIENT_CLOSED
                raise
            finally:
                route = getattr(scope.get("route"), "path", None) or UNKNOWN_ROUTE
                if span.is_recording():
                    _describe(span, scope, route, status)
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    telemetry.metrics.count(REQUEST_ERRORS)
                telemetry.metrics.observe(
                    REQUEST_DURATION,
                    time.perf_counter() - began,
                    method=method,
                    route=route,
                    status=f"{status // 100}xx",
                )


def _describe(span: Span, scope: Scope, route: str, status: int) -> None:
    """By OpenTelemetry's conventions for HTTP, without the address, whose query may hold texts."""
    method = scope["method"]
    span.update_name(f"{method} {route}")
    attributes: dict[str, Any] = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
        "groundwork.request_id": scope["state"].get("request_id", ""),
    }
    identity = scope["state"].get("identity")
    if identity is not None:
        attributes["groundwork.tenant_id"] = str(identity.tenant_id)
    span.set_attributes(attributes)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.set_status(Status(StatusCode.ERROR))
