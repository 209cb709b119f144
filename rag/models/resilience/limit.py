"""How many calls run at once, and how many may wait for their turn."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rag.errors import OverloadedError
from rag.models.resilience.deadline import bounded
from rag.models.usage import record_wait


class ConcurrencyLimit:
    """At most `limit` at a time; those that wait come in the order in which they asked.

    Args:
        model: For messages.
        limit: Calls that run.
        queue: Calls that may wait; one more is turned away at once.
        queue_wait_s: Longest wait, unless the request's deadline is nearer.
    """

    def __init__(self, model: str, *, limit: int, queue: int, queue_wait_s: float) -> None:
        self._model = model
        self._queue = queue
        self._queue_wait_s = queue_wait_s
        self._free = asyncio.Semaphore(limit)  # first come, first served, and cancellation loses no permit
        self._running = 0
        self._waiting = 0

    @property
    def running(self) -> int:
        return self._running

    @property
    def waiting(self) -> int:
        return self._waiting

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        """One of the calls that run, until the block is left.

        Raises:
            OverloadedError: Too many wait already, or the wait was too long.
        """
        await self._acquire()
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._free.release()

    async def _acquire(self) -> None:
        if not self._free.locked():
            await self._free.acquire()  # at once, without letting others run
            return
        if self._waiting >= self._queue:
            raise self._overloaded("too many calls wait for it")
        self._waiting += 1
        began = time.perf_counter()
        try:
            async with asyncio.timeout(bounded(self._queue_wait_s)):
                await self._free.acquire()
        except TimeoutError as exc:
            raise self._overloaded("no call before this one ended in time") from exc
        finally:
            self._waiting -= 1
            record_wait(time.perf_counter() - began)

    def _overloaded(self, why: str) -> OverloadedError:
        return OverloadedError(f"the model {self._model} is busy: {why}", retry_after_s=self._queue_wait_s)
