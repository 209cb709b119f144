"""Blocking work beside the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TypeVar

T = TypeVar("T")

BATCH = 500  # entries that a thread lists before the event loop sees them


async def run_in_thread(work: Callable[[Event], T]) -> T:
    """The result of `work`, run in a thread. When the caller is cancelled, the event it was given is set.

    Cancellation waits for the thread, which so never writes to a file after its caller has gone.
    """
    stop = Event()
    running = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # that it was interrupted is no news
        raise


async def write_in_thread(work: Callable[[Event], T], into: Path) -> T:
    """The same for work that writes the file `into`: a caller that is cancelled leaves none behind."""
    try:
        return await run_in_thread(work)
    except asyncio.CancelledError:
        await asyncio.to_thread(into.unlink, missing_ok=True)
        raise


async def iterate_in_thread(items: Iterator[T]) -> AsyncIterator[T]:
    """The items of a blocking iterator, drawn in threads, one batch after the other."""
    while batch := await run_in_thread(lambda _stop: list(islice(items, BATCH))):
        for item in batch:
            yield item
