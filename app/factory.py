from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from app.access.middleware import AuthenticationMiddleware
from app.audit_middleware import AuditMiddleware
from app.dependencies import KEY_HEADER
from app.limits.headers import LimitsMiddleware
from app.middleware import PlainErrorMiddleware, RequestIdMiddleware, SameOriginMiddleware
from app.problems import MEDIA_TYPE, LimitProblem, Problem, install_problem_handlers
from app.request_reading import BodyDeadlineMiddleware
from app.routers import (
    admin,
    audit,
    chat,
    curated,
    documents,
    evaluation,
    events,
    experiments,
    feedback,
    health,
    keys,
    metrics,
    privacy,
    search,
    tenants,
    traces,
    usage,
)
from app.routers.ingest import ingest_router
from app.sample import ingest_sample
from app.security_headers import (
    DOCS,
    OPENAPI,
    REDOC,
    SecurityHeadersMiddleware,
    cors,
    shows_documentation,
)
from app.services import open_services
from app.settings import Settings
from app.shutdown import Shutdown
from app.telemetry.middleware import TelemetryMiddleware
from observability.logs import configure_logs
from rag.models.local import LocalModels

VERSION = "0.1.0"
MAX_JSON_BYTES = 1024 * 1024  # the longest valid question is 16 kB
LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "429": {
        "model": LimitProblem,
        "description": "Too much, or too fast. `Retry-After` says when to come again.",
    },
    "4XX": {"model": Problem, "description": "What is wrong with the request."},
    "5XX": {"model": Problem, "description": "A failure on our side."},
}


class Groundwork(FastAPI):
    """FastAPI. Its OpenAPI document has problems under their own media type, and each way to show a key."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        schemes = document["components"].get("securitySchemes")
        if schemes is not None:  # all but a worker's
            schemes["api_key"] = KEY_HEADER
        for operations in document["paths"].values():
            for operation in operations.values():
                if "security" in operation:
                    operation["security"] = [{name: []} for name in schemes]
                for status in PROBLEMS:
                    content = operation["responses"][status]["content"]
                    if MEDIA_TYPE not in content:
                        operation["responses"][status]["content"] = {MEDIA_TYPE: content.popitem()[1]}
        return document


def create_app(
    settings: Settings | None = None,
    *,
    local: LocalModels | None = None,
    shutdown: Shutdown | None = None,
) -> Groundwork:
    """The HTTP service. Opening its lifespan starts all that `settings` name; nothing happens before.

    Args:
        settings: Read from the environment unless given.
        local: Models that are loaded already, to be shared with other services of this process.
        shutdown: How far the end of the process is, where its server tells.
    """
    chosen = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        if not structlog.is_configured():  # started by another server than `python -m app`
            configure_logs(level=chosen.log_level, log_format=chosen.log_format)
        async with open_services(chosen, local=local, shutdown=shutdown) as services:
            if chosen.sample_documents:
                await ingest_sample(services)
            yield {"services": services}

    documented = shows_documentation(chosen)
    app = Groundwork(
        title="Groundwork",
        version=VERSION,
        summary="Cited, verified answers over a team's documents.",
        lifespan=lifespan,
        responses=PROBLEMS,
        redirect_slashes=False,  # the address of a redirection would be the one that the client named
        docs_url=DOCS if documented else None,
        redoc_url=REDOC if documented else None,
        openapi_url=OPENAPI if documented else None,
    )
    install_problem_handlers(app)
    if chosen.auth_modes:
        app.add_middleware(AuthenticationMiddleware)
    app.add_middleware(LimitsMiddleware)
    app.add_middleware(AuditMiddleware)
    if chosen.auth_mode is None:  # open, but to this machine alone: not to web pages that it shows either
        app.add_middleware(SameOriginMiddleware)
        app.add_middleware(
            TrustedHostMiddleware, allowed_hosts=[*LOOPBACK_HOSTS, chosen.host], www_redirect=False
        )
    app.add_middleware(BodyDeadlineMiddleware, timeout_s=chosen.request_read_timeout_s)
    app.add_middleware(PlainErrorMiddleware)
    app.add_middleware(RequestIdMiddleware, log_share=chosen.access_log_sample)
    app.add_middleware(TelemetryMiddleware)
    if chosen.cors_origins is not None:
        app.add_middleware(cors, origins=chosen.cors_origins)
    app.add_middleware(SecurityHeadersMiddleware, hsts_s=chosen.hsts_s)
    for router in _routers(chosen):
        # On the routers, not the app: there it would answer before our middleware can.
        app.include_router(router, max_body_size=MAX_JSON_BYTES)
    if chosen.role != "worker":
        app.include_router(ingest_router(max_upload_mb=chosen.max_upload_mb))
    return app


def _routers(settings: Settings) -> list[APIRouter]:
    """A worker answers for its health and its metrics alone."""
    of_every_role = [health.router, *([metrics.router] if settings.metrics else [])]
    if settings.role == "worker":
        return of_every_role
    routers = (
        chat,
        search,
        documents,
        feedback,
        events,
        curated,
        evaluation,
        experiments,
        usage,
        traces,
        admin,
        keys,
        tenants,
        privacy,
        audit,
    )
    return [*(module.router for module in routers), *of_every_role]
