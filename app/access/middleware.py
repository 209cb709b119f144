"""Who asks is found out before anything of a request's body is read."""

from typing import cast

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.problems import error_response
from app.security_headers import DOCS, OPENAPI, REDOC
from app.services import Services
from rag.errors import GroundworkError

OPEN = ("/health", "/metrics", DOCS, REDOC, OPENAPI)  # with what lies below them


class AuthenticationMiddleware:
    """Answers strangers at once. A route that is to be open to them must be named here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_open(scope["path"]):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        services = cast("Services", request.state.services)
        try:
            request.state.caller = await services.authenticator.identify(request.headers)
        except GroundworkError as exc:
            refusal = error_response(request, exc)
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_open(path: str) -> bool:
    return any(path == known or path.startswith(f"{known}/") for known in OPEN)
