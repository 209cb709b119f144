import asyncio
from collections.abc import Sequence

import pytest

from rag.models.resilience.hedge import hedged


class Attempts:
    """Each takes so many seconds and then answers or fails."""

    def __init__(self, *plans: tuple[float, str | Exception]) -> None:
        self.plans = list(plans)
        self.started = 0
        self.cancelled = 0

    async def __call__(self) -> str:
        seconds, outcome = self.plans[self.started]
        self.started += 1
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def discard(self, answer: str) -> None:
        raise AssertionError(f"{answer} was thrown away")


async def run(attempts: Attempts, *, may_hedge: Sequence[bool] = (True,)) -> str:
    allowed = iter(may_hedge)
    return await hedged(attempts, after_s=0.01, may_hedge=lambda: next(allowed), discard=attempts.discard)


async def test_a_quick_answer_is_alone() -> None:
    attempts = Attempts((0, "first"))
    assert await run(attempts, may_hedge=()) == "first"
    assert attempts.started == 1


async def test_the_first_answer_wins_and_the_other_is_cancelled() -> None:
    attempts = Attempts((5, "first"), (0.01, "second"))
    assert await run(attempts) == "second"
    assert attempts.cancelled == 1


async def test_the_first_attempt_may_win_in_spite_of_the_second() -> None:
    attempts = Attempts((0.1, "first"), (5, "second"))
    assert await run(attempts) == "first"
    assert attempts.cancelled == 1


async def test_without_leave_there_is_no_second() -> None:
    attempts = Attempts((0.1, "first"))
    assert await run(attempts, may_hedge=(False,)) == "first"


async def test_a_failed_attempt_leaves_it_to_the_other() -> None:
    attempts = Attempts((0.1, ValueError()), (0.2, "second"))
    assert await run(attempts) == "second"


async def test_a_quick_failure_is_not_hedged() -> None:
    attempts = Attempts((0, ValueError("quick")))
    with pytest.raises(ValueError, match="quick"):
        await run(attempts, may_hedge=())


async def test_the_last_failure_is_raised() -> None:
    attempts = Attempts((0.1, ValueError("first")), (0.2, ValueError("second")))
    with pytest.raises(ValueError, match="second"):
        await run(attempts)


async def test_of_two_answers_at_once_one_is_discarded() -> None:
    answer_now = asyncio.Event()
    numbers = iter(range(2))
    discarded: list[int] = []

    async def attempt() -> int:
        number = next(numbers)
        await answer_now.wait()
        return number

    async def discard(number: int) -> None:
        discarded.append(number)

    task = asyncio.create_task(hedged(attempt, after_s=0.001, may_hedge=lambda: True, discard=discard))
    await asyncio.sleep(0.02)
    answer_now.set()
    assert sorted([await task, *discarded]) == [0, 1]


async def test_cancelling_cancels_both() -> None:
    attempts = Attempts((5, "first"), (5, "second"))
    task = asyncio.create_task(run(attempts))
    await asyncio.sleep(0.03)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert attempts.cancelled == 2
