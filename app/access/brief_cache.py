"""What was looked up a moment ago, so that not every request asks the database who its caller is."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

LASTS_S = 0.5  # half of what a revocation may take, which leaves a slow look-up the other half
MAX_ENTRIES = 10_000  # a few megabytes

Key = TypeVar("Key")
Value = TypeVar("Value")


class BriefCache(Generic[Key, Value]):
    """Results that are half a second old at most. Callers that miss the same one share a look-up.

    Args:
        look_up: Finds the value; what it raises is raised to those who wait, and not kept.
        max_entries: Then all is forgotten.
    """

    def __init__(self, look_up: Callable[[Key], Awaitable[Value]], *, max_entries: int = MAX_ENTRIES) -> None:
        self._look_up = look_up
        self._max_entries = max_entries
        self._known: dict[Key, tuple[float, Value]] = {}
        self._under_way: dict[Key, asyncio.Task[Value]] = {}

    def __len__(self) -> int:
        return len(self._known)

    async def get(self, key: Key) -> Value:
        known = self._known.get(key)
        if known is not None and time.monotonic() - known[0] < LASTS_S:
            return known[1]
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._remember(key))
            task.add_done_callback(lambda done: self._end(key, done))
        return await asyncio.shield(task)  # one caller that goes away doesn't end it for the others

    async def _remember(self, key: Key) -> Value:
        asked_at = time.monotonic()  # not when the answer came: it may be older than that
        value = await self._look_up(key)
        if len(self._known) >= self._max_entries:
            self._known.clear()
        self._known[key] = (asked_at, value)
        return value

    def _end(self, key: Key, task: asyncio.Task[Value]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # seen, also when nobody waits any more
