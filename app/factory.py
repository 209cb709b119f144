from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from app.middleware import PlainErrorMiddleware, RequestIdMiddleware
from app.problems import MEDIA_TYPE, Problem, install_problem_handlers
from app.routers import chat, documents, feedback, health, search
from app.routers.ingest import ingest_router
from app.sample import ingest_sample
from app.services import open_services
from app.settings import Settings
from rag.models.registry import LocalModels

VERSION = "0.1.0"
MAX_JSON_BYTES = 1024 * 1024  # the longest valid question is 16 kB
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "What is wrong with the request.", "content": {MEDIA_TYPE: {}}},
    "5XX": {"model": Problem, "description": "A failure on our side.", "content": {MEDIA_TYPE: {}}},
}


def create_app(settings: Settings | None = None, *, local: LocalModels | None = None) -> FastAPI:
    """The HTTP service. Opening its lifespan starts all that `settings` name; nothing happens before.

    Args:
        settings: Read from the environment unless given.
        local: Models that are loaded already, to be shared with other services of this process.
    """
    chosen = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with open_services(chosen, local=local) as services:
            if chosen.sample_documents:
                await ingest_sample(services)
            yield {"services": services}

    app = FastAPI(
        title="Groundwork",
        version=VERSION,
        summary="Cited, verified answers over a team's documents.",
        lifespan=lifespan,
        responses=PROBLEMS,
    )
    install_problem_handlers(app)
    app.add_middleware(PlainErrorMiddleware)
    app.add_middleware(RequestIdMiddleware)
    for router in (chat.router, search.router, documents.router, feedback.router, health.router):
        # On the routers, not the app: there it would answer before our middleware can.
        app.include_router(router, max_body_size=MAX_JSON_BYTES)
    app.include_router(ingest_router(max_upload_mb=chosen.max_upload_mb))
    return app
