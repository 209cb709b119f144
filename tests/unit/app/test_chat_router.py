import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message

from app.routers.chat import _unless_gone
from app.schemas import ChatResponse


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

    with pytest.raises(asyncio.CancelledError):
        await _unless_gone(Request({"type": "http"}, receive=gone), work())
    assert ended.is_set()
