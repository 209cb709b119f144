"""Hedging: a second attempt beside one that is slow ("The Tail at Scale", Dean and Barroso, 2013)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def hedged(
    attempt: Callable[[], Awaitable[T]],
    *,
    after_s: float,
    may_hedge: Callable[[], bool],
    discard: Callable[[T], Awaitable[None]],
) -> T:
    """The first answer of one attempt, or of two when the first has not ended after `after_s` seconds.

    Args:
        attempt: Starts one.
        after_s: How long the first one is alone.
        may_hedge: Asked before the second one starts.
        discard: Given an answer that came too late.

    Raises:
        Exception: What the last one raised, when none worked.
    """
    running = [asyncio.ensure_future(attempt())]
    winner: asyncio.Future[T] | None = None
    try:
        done, _ = await asyncio.wait(running, timeout=after_s)
        if not done and may_hedge():
            running.append(asyncio.ensure_future(attempt()))
        winner = await _first_that_works(running)
        return winner.result()
    finally:
        losers = [task for task in running if task is not winner]
        for task in losers:
            task.cancel()
        for late in await asyncio.gather(*losers, return_exceptions=True):
            if not isinstance(late, BaseException):
                await discard(late)


async def _first_that_works(running: Sequence[asyncio.Future[T]]) -> asyncio.Future[T]:
    """The first task that ended well; if none does, the last to end."""
    pending = set(running)
    while True:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        worked = [task for task in done if task.exception() is None]
        if worked or not pending:
            return (worked or list(done))[0]
