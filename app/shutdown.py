"""How a process ends without breaking off what it was asked.

1. It says that it isn't ready, so that a load balancer sends nothing new, and gives back its jobs.
2. For a while it goes on answering: until the load balancer has noticed (`SHUTDOWN_PAUSE_S`).
3. It takes no new connections, and finishes what it is at (`SHUTDOWN_GRACE_S`).
4. What isn't finished then ends in an error that says so.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rag.errors import UnavailableError


class StoppingError(UnavailableError):
    """The process ends before this could be finished; another one can do it."""


class Shutdown:
    """How far the end of the process is.

    Attributes:
        begun: Set when it begins.
    """

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self._is_over = False
        self._limits: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        """For work that may go on until the time for it is over.

        Raises:
            StoppingError: It is.
        """
        limit = asyncio.timeout(0 if self._is_over else None)
        try:
            async with limit:
                self._limits.add(limit)
                try:
                    yield
                finally:
                    self._limits.discard(limit)
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise StoppingError("the service is being restarted") from exc

    def cut_off(self) -> None:
        """End what is still going on, and whatever begins from now on."""
        self._is_over = True
        now = asyncio.get_running_loop().time()
        for limit in self._limits:
            limit.reschedule(now)
