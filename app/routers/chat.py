import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse
from starlette.responses import Response

from app.access.identity import Identity
from app.access.roles import Permission
from app.dependencies import RequestIdDep, ServicesDep, requires
from app.schemas.chat import ChatRequest, ChatResponse
from app.streaming import HEADERS, stream_answer

router = APIRouter(tags=["chat"])

CLIENT_CLOSED = 499  # nginx's number for it; HTTP has none
VARIANT_HEADER = "X-Variant"
WATCH_S = 0.5  # how long a model may work for a client that has gone

EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "event": {"enum": ["meta", "sources", "token", "citation", "done", "error"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}
STREAM_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer. With `stream: true`, events instead: `meta`, `sources`, then `token` and "
        "`citation` for each sentence, and `done` (the whole body) or `error`.",
        "content": {"text/event-stream": {"itemSchema": EVENT}},
    }
}


@router.post("/chat", response_model=ChatResponse, responses=STREAM_RESPONSE)
async def chat(
    request: Request,
    body: ChatRequest,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.CHAT)],
    *,
    request_id: RequestIdDep,
    response: Response,
) -> ChatResponse | Response:
    """Answer a question from the documents, with citations that were checked."""
    run = await services.answerer.begin(identity, body, request_id=request_id)
    variant = {VARIANT_HEADER: run.variant} if run.variant else {}
    if body.stream:
        return EventSourceResponse(
            stream_answer(services.answerer, run, services.shutdown), headers={**HEADERS, **variant}
        )
    response.headers.update(variant)
    async with services.shutdown.limit():
        return await _unless_gone(request, services.answerer.answer(run))


async def _unless_gone(request: Request, work: Coroutine[Any, Any, ChatResponse]) -> ChatResponse | Response:
    """The result of `work`; when the client goes, its end, and a status for the log that nobody reads."""
    working, watching = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            return Response(status_code=CLIENT_CLOSED)
        return working.result()
    finally:
        watching.cancel()
        working.cancel()


async def _gone(request: Request) -> None:
    while not await request.is_disconnected():  # noqa: ASYNC110 - it only looks: there is nothing to await
        await asyncio.sleep(WATCH_S)
