"""What responses say about limits, by the Internet-Draft "RateLimit header fields for HTTP", version 11."""

import math

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.limits.admission import Admission
from db.repositories.limits import Standing

MINUTE, DAY, MONTH = 60, 86_400, 2_592_000  # seconds; a month's own length would change the policy


class LimitsMiddleware:
    """Tells every response how much is left, and lets go of what the request had reserved when it has ended.

    `app.dependencies` puts the admission and the identity into the request's state.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start" and (admission := state.get("admission")):
                MutableHeaders(scope=message).update(limit_headers(admission))
            await send(message)

        try:
            await self.app(scope, receive, send_with_limits)
        finally:
            if admission := state.get("admission"):
                await state["services"].limits.end(state["identity"], admission)


def limit_headers(admission: Admission) -> dict[str, str]:
    """Policies and what is left of them, in requests: the draft has no other unit for what we count.

    A quota of which less than a tenth is left is in `X-Quota-Warning`, whatever its unit.
    """
    of_requests = [s for s in admission.standings if s.is_rate or s.name.startswith("requests-")]
    fields = {
        "RateLimit-Policy": [f"{_name(s)};q={s.limit:.0f};w={_window(s)}" for s in of_requests],
        "RateLimit": [f"{_name(s)};r={math.floor(s.left)}{_reset(s)}" for s in of_requests],
        "X-Quota-Warning": [
            f"{_name(s)};r={_number(s.left)};q={_number(s.limit)}{_reset(s)}" for s in admission.low
        ],
    }
    return {name: ", ".join(items) for name, items in fields.items() if items}


def _name(standing: Standing) -> str:
    return f'"{standing.name}"'


def _window(standing: Standing) -> int:
    if standing.is_rate:
        return MINUTE
    return DAY if standing.name.endswith("-day") else MONTH


def _reset(standing: Standing) -> str:
    return "" if standing.reset_s is None else f";t={math.ceil(standing.reset_s)}"


def _number(value: float) -> str:
    """As a structured field (RFC 9651) writes it: at most three decimals, never rounded up."""
    return str(int(value)) if value == int(value) else f"{math.floor(value * 1000) / 1000:.3f}"
