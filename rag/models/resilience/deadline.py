"""One deadline per request: whatever is called on its behalf ends by then."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

_ends_at: ContextVar[float | None] = ContextVar("deadline", default=None)


class OutOfTimeError(TimeoutError):
    """The request's time ended long before a call's own: no fault of who was called."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """What runs inside must end in so many seconds; of nested ones the nearer counts."""
    outer = _ends_at.get()
    own = time.monotonic() + seconds
    _ends_at.set(own if outer is None else min(own, outer))
    try:
        yield
    finally:
        # Not by a token: a generator may be closed in another context than it ran in.
        _ends_at.set(outer)


def remaining() -> float | None:
    """Seconds that are left, 0 when the time is over; None without a deadline."""
    ends_at = _ends_at.get()
    return None if ends_at is None else max(0.0, ends_at - time.monotonic())


def bounded(seconds: float) -> float:
    """So many seconds, or the fewer that are left."""
    left = remaining()
    return seconds if left is None else min(seconds, left)


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Cancel what is inside when it takes longer than that, or than is left.

    Raises:
        TimeoutError: It took so long.
        OutOfTimeError: The same, but it was given less than half of its own time; or none, and didn't start.
    """
    granted = bounded(seconds)
    if granted <= 0:
        raise OutOfTimeError("the request's time is over")
    try:
        async with asyncio.timeout(granted):
            yield
    except TimeoutError as exc:
        if granted < seconds / 2:
            raise OutOfTimeError("the request's time is over") from exc
        raise
