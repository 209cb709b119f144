from typing import Any

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse
from starlette.responses import Response

from app.dependencies import IdentityDep, RequestIdDep, ServicesDep
from app.schemas import ChatRequest, ChatResponse
from app.streaming import HEADERS, stream_answer

router = APIRouter(tags=["chat"])

STREAM_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer. With `stream: true`, events instead: `meta`, `sources`, then `token` and "
        "`citation` for each sentence, and `done` (the whole body) or `error`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.post("/chat", response_model=ChatResponse, responses=STREAM_RESPONSE)
async def chat(
    body: ChatRequest, services: ServicesDep, identity: IdentityDep, request_id: RequestIdDep
) -> ChatResponse | Response:
    """Answer a question from the documents, with citations that were checked."""
    run = await services.answerer.begin(identity, body, request_id=request_id)
    if body.stream:
        return EventSourceResponse(stream_answer(services.answerer, run), headers=HEADERS)
    return await services.answerer.answer(run)
