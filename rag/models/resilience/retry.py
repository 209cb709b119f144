"""When a failed call is made again: after a random pause, while the time and the budget last."""

import random
from dataclasses import dataclass

from rag.models.resilience.deadline import remaining
from rag.models.resilience.faults import Fault

LONGEST_PAUSE_S = 20.0  # a provider that wants a longer one is not waited for


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog)."""

    base_s: float = 0.2
    cap_s: float = 5.0

    def pause(self, failed: int) -> float:
        """Seconds after so many failed attempts: random between 0 and min(cap, base * 2^(failed - 1))."""
        return random.uniform(0.0, min(self.cap_s, self.base_s * 2 ** (failed - 1)))  # noqa: S311 - no secret


class RetryBudget:
    """What all calls of a model may spend on further attempts, as in the standard mode of AWS's SDKs.

    A further attempt costs one and gives it back when it works; a call that works at once earns a quarter.
    So where most calls work, each failed one is repeated; where most fail, hardly any is: in the long run a
    call takes less than 1.5 attempts, whatever the share of failures, and one when everything fails.
    """

    EARNED = 0.25  # the SDKs' fifth is too little where a quarter fails: then many are not repeated

    def __init__(self, capacity: float = 5.0) -> None:
        # Small, so that an outage starts with few repeated calls.
        self._capacity = capacity
        self._left = capacity

    def spend(self) -> bool:
        """Take what a further attempt costs; False when there isn't enough."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def earn(self, *, repeated: bool) -> None:
        """Take note of an attempt that worked: a call's first, or a repeated one."""
        self._left = min(self._capacity, self._left + (1.0 if repeated else self.EARNED))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Decides on a further attempt."""

    attempts: int
    backoff: Backoff
    budget: RetryBudget

    def pause(self, failed: int, fault: Fault) -> float | None:
        """Seconds to wait before the next attempt, which the budget has then paid for; None to give up.

        Args:
            failed: Attempts so far.
            fault: The latest one's.
        """
        if failed >= self.attempts or not fault.kind.is_transient:
            return None
        pause = max(self.backoff.pause(failed), fault.retry_after_s or 0.0)
        left = remaining()
        if pause > LONGEST_PAUSE_S or (left is not None and pause >= left):
            return None
        return pause if self.budget.spend() else None
