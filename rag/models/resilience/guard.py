"""All that keeps a failing or busy model from doing harm, around each call of it.

From outside in: a circuit breaker turns calls away while the model is down, a limit lets so many run, each is
tried again while that helps, and each attempt has its own time, within the request's deadline.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar

import structlog

from rag.errors import GroundworkError, ModelError, OverloadedError, UnavailableError
from rag.models.resilience.breaker import BreakerState, CircuitBreaker
from rag.models.resilience.deadline import OutOfTimeError, within
from rag.models.resilience.faults import Fault, as_error, classify, describe
from rag.models.resilience.hedge import hedged
from rag.models.resilience.limit import ConcurrencyLimit
from rag.models.resilience.retry import Backoff, RetryBudget, RetryPolicy
from rag.models.resilience.settings import CallStats, Resilience

__all__ = ["CallStats", "ModelGuard", "Resilience"]

log = structlog.get_logger(__name__)

T = TypeVar("T")


class _End(Enum):
    """What a stream gives when it has ended."""

    END = 0


_END: Final = _End.END


@dataclass(slots=True)
class _Admission:
    """The breaker's leave for a call.

    Attributes:
        number: What the breaker knows it by.
        blamed: An attempt failed in a way that counts against the model.
    """

    number: int
    blamed: bool = False


@dataclass(frozen=True, slots=True)
class _Opened(Generic[T]):
    """A stream of which the first text has come."""

    head: list[T]
    rest: AsyncIterator[T]

    async def close(self) -> None:
        if isinstance(self.rest, AsyncGenerator):
            await self.rest.aclose()


class ModelGuard:
    """Calls one model; all callers of the model in this process share it.

    Args:
        name: The model's, for messages and logs.
        settings: Times and bounds.
    """

    def __init__(self, name: str, settings: Resilience | None = None) -> None:
        self.name = name
        self.settings = settings = settings or Resilience()
        self.stats = CallStats()
        self.breaker = CircuitBreaker(
            name,
            failures=settings.breaker_failures,
            probe_interval_s=settings.probe_interval_s,
            on_change=self._note_breaker,
        )
        self.limit = ConcurrencyLimit(
            name, limit=settings.limit, queue=settings.queue, queue_wait_s=settings.queue_wait_s
        )
        self._budget = RetryBudget()
        backoff = Backoff(settings.backoff_base_s, settings.backoff_cap_s)
        self._retry = RetryPolicy(settings.attempts, backoff, self._budget)

    async def call(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer of `ask`, which may be called several times.

        Raises:
            OverloadedError: The model is left alone for now, or is too busy; nothing was sent.
            ThrottledError: The provider's quota is used up.
            ModelError: It failed otherwise.
            GroundworkError: What `ask` itself raised of them, such as `BlockedError`.
        """

        async def attempt() -> T:
            self.stats.attempts += 1
            async with within(self.settings.attempt_timeout_s):
                return await ask()

        async with self._admitted() as admission:
            return await self._answered(attempt, admission, discard=_forget)

    async def stream(
        self, start: Callable[[], AsyncIterator[T]], *, begins: Callable[[T], bool]
    ) -> AsyncGenerator[T, None]:
        """The pieces of the stream that `start` makes, which may be called several times.

        Nothing is handed out before a piece for which `begins` holds. Closing this closes the stream.

        Raises:
            OverloadedError: As `call`, before the first piece.
            ThrottledError: The same.
            ModelError: It failed, before the first piece or later.
            GroundworkError: What the stream itself raised of them.
        """

        async def attempt() -> _Opened[T]:
            self.stats.attempts += 1
            return await self._open(start(), begins)

        async with self._admitted() as admission:
            opened = await self._answered(attempt, admission, discard=_Opened.close)
            try:
                for piece in opened.head:
                    yield piece
                while (following := await self._following(opened, admission)) is not _END:
                    yield following
            finally:
                await opened.close()

    @asynccontextmanager
    async def _admitted(self) -> AsyncIterator[_Admission]:
        """A permit, and the breaker's leave, while the block runs."""
        self.stats.calls += 1
        admission: _Admission | None = None
        try:
            self.breaker.check()  # before the queue: nobody waits for what is refused then
            async with self.limit.permit():
                admission = _Admission(self.breaker.admit())
                yield admission
        except OverloadedError:
            if admission is None:
                self.stats.sheds += 1
                log.warning("model_call_shed", model=self.name, breaker=self.breaker.state)
            raise
        finally:
            if admission is not None:  # cancelled: without effect when the outcome has been reported
                self.breaker.report(admission.number, worked=None)

    async def _answered(
        self,
        attempt: Callable[[], Awaitable[T]],
        admission: _Admission,
        *,
        discard: Callable[[T], Awaitable[None]],
    ) -> T:
        """What the first attempt that works gives."""
        number = 1
        while True:
            try:
                answer = await self._hedged(attempt, discard)
            except Exception as exc:  # SDKs share no base class
                fault = classify(exc)
                admission.blamed = admission.blamed or _blames(fault, exc)
                pause = self._pause(fault, number)
                if pause is None:
                    error = self._failed(fault, exc, admission, attempt=number)
                    if error is exc:
                        raise
                    raise error from exc
            else:
                self._budget.earn(repeated=number > 1)
                self.breaker.report(admission.number, worked=True)
                return answer
            self.stats.retries += 1
            await asyncio.sleep(pause)
            number += 1

    async def _hedged(
        self, attempt: Callable[[], Awaitable[T]], discard: Callable[[T], Awaitable[None]]
    ) -> T:
        if self.settings.hedge_after_s is None:
            return await attempt()
        return await hedged(
            attempt, after_s=self.settings.hedge_after_s, may_hedge=self._may_hedge, discard=discard
        )

    def _may_hedge(self) -> bool:
        allowed = self.breaker.state is BreakerState.CLOSED and self._budget.spend()
        self.stats.hedges += allowed
        return allowed

    def _pause(self, fault: Fault, number: int) -> float | None:
        """Seconds before the next attempt; None when there is none: a probe, too, is only one."""
        closed = self.breaker.state is BreakerState.CLOSED
        pause = self._retry.pause(number, fault) if closed else None
        if pause is not None:
            log.info("model_call_retried", model=self.name, fault=fault.kind, attempt=number, pause_s=pause)
        return pause

    def _failed(
        self, fault: Fault, exc: Exception, admission: _Admission, *, attempt: int
    ) -> GroundworkError:
        """Take note of a call that failed; the error to raise for it."""
        self.stats.failures += 1
        self.breaker.report(admission.number, worked=False if admission.blamed else None)
        log.warning(
            "model_call_failed", model=self.name, fault=fault.kind, attempt=attempt, detail=fault.message
        )
        return as_error(fault, self.name, exc)

    async def _open(self, stream: AsyncIterator[T], begins: Callable[[T], bool]) -> _Opened[T]:
        head: list[T] = []
        async with within(self.settings.first_token_timeout_s):
            async for piece in stream:  # what is raised or cancelled here ends the stream as well
                head.append(piece)
                if begins(piece):
                    break
        if not head:
            raise EOFError("the stream ended before it began")
        return _Opened(head, stream)

    async def _following(self, opened: _Opened[T], admission: _Admission) -> T | _End:
        """The next piece of a stream; it is too late for another attempt."""
        try:
            async with within(self.settings.idle_timeout_s):
                return await anext(opened.rest, _END)
        except Exception as exc:  # SDKs share no base class
            error = self._cut(exc, admission)
            if error is exc:
                raise
            raise error from exc

    def _cut(self, exc: Exception, admission: _Admission) -> GroundworkError:
        """Take note of a stream that failed after its beginning; the error to raise for it."""
        fault = classify(exc)
        admission.blamed = _blames(fault, exc)
        error = self._failed(fault, exc, admission, attempt=1)
        # "Come again later" is no answer to half an answer.
        return ModelError(describe(fault, self.name)) if isinstance(error, UnavailableError) else error

    def _note_breaker(self, state: BreakerState) -> None:
        self.stats.breaker = state


def _blames(fault: Fault, exc: Exception) -> bool:
    return fault.kind.counts_against_model and not isinstance(exc, OutOfTimeError)


async def _forget(answer: object) -> None:
    """An answer that came too late leaves nothing open."""
