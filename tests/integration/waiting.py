"""Waiting in tests for something that happens by itself."""

import asyncio
from collections.abc import Awaitable, Callable

PAUSE_S = 0.01


async def until(holds: Callable[[], Awaitable[bool]], *, seconds: float = 30) -> None:
    """Look until it holds. Raises: TimeoutError when it doesn't in time."""
    async with asyncio.timeout(seconds):
        while True:
            if await holds():
                return
            await asyncio.sleep(PAUSE_S)


async def until_true(holds: Callable[[], bool], *, seconds: float = 30) -> None:
    """The same of what is known at once."""

    async def known() -> bool:
        return holds()

    await until(known, seconds=seconds)
