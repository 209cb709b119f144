import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from app.routers.chat import _unless_gone
from app.schemas.chat import ChatResponse


async def gone() -> Message:
    return {"type": "http.disconnect"}


async def test_work_for_a_client_that_has_gone_is_ended() -> None:
    ended = asyncio.Event()

    async def work() -> ChatResponse:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        raise AssertionError("nobody ended it")

    response = await _unless_gone(Request({"type": "http"}, receive=gone), work())
    assert ended.is_set()
    assert isinstance(response, Response)
    assert response.status_code == 499
