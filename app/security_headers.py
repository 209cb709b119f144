"""What browsers are told about every answer, and which pages may ask from one."""

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.settings import Settings

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
CACHE = "no-store"  # answers are of one caller; a route may say otherwise
NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
# FastAPI's pages carry a script of their own and fetch the rest.
PAGES = (
    f"{NOTHING}; connect-src 'self'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; worker-src blob:; "
    "style-src 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com; "
    "font-src https://fonts.gstatic.com; img-src data: https://fastapi.tiangolo.com https://cdn.redoc.ly"
)
DOCS, REDOC, OPENAPI = "/docs", "/redoc", "/openapi.json"
CORS_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CORS_REQUEST_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "X-API-Key", "X-Request-ID")
CORS_ANSWER_HEADERS = (
    "X-Request-ID",
    "X-Variant",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "X-Quota-Warning",
)


class SecurityHeadersMiddleware:
    """Adds them to every answer, those of failures included. `hsts_s` is 0 where plain http is meant."""

    def __init__(self, app: ASGIApp, *, hsts_s: int) -> None:
        self.app = app
        self._headers = dict(ALWAYS)
        if hsts_s:
            self._headers["Strict-Transport-Security"] = f"max-age={hsts_s}; includeSubDomains"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers["Content-Security-Policy"] = PAGES if scope["path"] in {DOCS, REDOC} else NOTHING
                headers.setdefault("Cache-Control", CACHE)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def shows_documentation(settings: Settings) -> bool:
    """Whether FastAPI's pages are served: unless told, where everyone who comes may use the service."""
    return not settings.auth_modes if settings.docs is None else settings.docs


def cors(app: ASGIApp, origins: str) -> CORSMiddleware:
    """Lets pages of these origins, separated by commas, call `app`; without cookies, which it has none of."""
    return CORSMiddleware(
        app,
        allow_origins=[origin.strip() for origin in origins.split(",")],
        allow_methods=CORS_METHODS,
        allow_headers=CORS_REQUEST_HEADERS,
        expose_headers=CORS_ANSWER_HEADERS,
    )
