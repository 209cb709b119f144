"""A circuit breaker: a model that fails all the time is left alone, and asked again now and then."""

import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum

import structlog

from rag.errors import OverloadedError

log = structlog.get_logger(__name__)

WINDOW = 20  # calls; it opens when half of them failed, even with successes in between


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"  # one call, the probe, is on its way


class CircuitBreaker:
    """Opens after `failures` failed calls in a row, or when half of the latest failed; then one call probes.

    Args:
        model: For messages.
        failures: In a row.
        probe_interval_s: How long nothing is asked.
        clock: Seconds that only grow.
        on_change: Called with every new state.
    """

    def __init__(
        self,
        model: str,
        *,
        failures: int = 5,
        probe_interval_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[BreakerState], None] | None = None,
    ) -> None:
        self._model = model
        self._failures = failures
        self._probe_interval_s = probe_interval_s
        self._clock = clock
        self._on_change = on_change
        self._state = BreakerState.CLOSED
        self._era = 0  # one more with every change: tells late outcomes from current ones
        self._probe_at = 0.0
        self._outcomes: deque[bool] = deque(maxlen=max(WINDOW, failures))

    @property
    def state(self) -> BreakerState:
        return self._state

    def check(self) -> None:
        """Raises: OverloadedError while no call may go out."""
        wait = 0.0
        if self._state is BreakerState.HALF_OPEN:
            wait = self._probe_interval_s
        elif self._state is BreakerState.OPEN:
            wait = self._probe_at - self._clock()
        if wait > 0:
            raise OverloadedError(f"the model {self._model} is given time to recover", retry_after_s=wait)

    def admit(self) -> int:
        """Let a call out; `report` must follow with the number that is returned.

        Raises:
            OverloadedError: No call may go out.
        """
        self.check()
        if self._state is BreakerState.OPEN:
            self._turn(BreakerState.HALF_OPEN)
        return self._era

    def report(self, admitted: int, *, worked: bool | None) -> None:
        """Take note of how a call ended; None when that says nothing of the model.

        What was admitted before the latest change of state is ignored.
        """
        if admitted != self._era:
            return
        if self._state is BreakerState.HALF_OPEN:
            self._probed(worked=worked)
        elif worked is not None:
            self._outcomes.append(worked)
            if self._is_down():
                self._open(self._probe_interval_s)

    def _probed(self, *, worked: bool | None) -> None:
        if worked:
            self._outcomes.clear()
            self._turn(BreakerState.CLOSED)
        else:
            self._open(0.0 if worked is None else self._probe_interval_s)

    def _is_down(self) -> bool:
        latest = list(self._outcomes)
        in_a_row = len(latest) >= self._failures and not any(latest[-self._failures :])
        return in_a_row or latest[-WINDOW:].count(False) * 2 >= WINDOW

    def _open(self, wait_s: float) -> None:
        self._probe_at = self._clock() + wait_s
        self._turn(BreakerState.OPEN)

    def _turn(self, state: BreakerState) -> None:
        before, self._state = self._state, state
        self._era += 1
        if state is BreakerState.CLOSED:
            log.info("breaker_closed", model=self._model)
        elif before is BreakerState.CLOSED:
            log.warning("breaker_opened", model=self._model, probe_in_s=self._probe_interval_s)
        if self._on_change:
            self._on_change(state)
