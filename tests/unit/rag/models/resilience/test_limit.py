import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import OverloadedError
from rag.models.resilience.deadline import deadline
from rag.models.resilience.limit import ConcurrencyLimit


def made(*, limit: int = 1, queue: int = 2, queue_wait_s: float = 1.0) -> ConcurrencyLimit:
    return ConcurrencyLimit("m", limit=limit, queue=queue, queue_wait_s=queue_wait_s)


class Caller:
    """Holds a permit until it is let go."""

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self.leave = asyncio.Event()
        self.entered = asyncio.Event()
        self.task = asyncio.create_task(self._run(limit))

    async def _run(self, limit: ConcurrencyLimit) -> None:
        async with limit.permit():
            self.entered.set()
            await self.leave.wait()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_so_many_run_and_so_many_wait() -> None:
    limit = made(limit=2, queue=1)
    callers = [Caller(limit) for _ in range(3)]
    await settle()
    assert (limit.running, limit.waiting) == (2, 1)
    with pytest.raises(OverloadedError, match="too many calls wait") as refused:
        async with limit.permit():
            pass
    assert refused.value.retry_after_s == 1
    await end(callers)
    assert (limit.running, limit.waiting) == (0, 0)


async def end(callers: Sequence[Caller]) -> None:
    for caller in callers:
        caller.leave.set()
    await asyncio.gather(*(caller.task for caller in callers), return_exceptions=True)


async def test_turns_come_in_order() -> None:
    limit = made(limit=1, queue=5)
    callers = [Caller(limit) for _ in range(5)]
    for at, caller in enumerate(callers):
        await settle()
        assert [each.entered.is_set() for each in callers] == [True] * (at + 1) + [False] * (4 - at)
        caller.leave.set()
    await end(callers)


async def test_nobody_overtakes_those_who_wait() -> None:
    limit = made(limit=1, queue=5)
    first, second = Caller(limit), Caller(limit)
    await settle()
    first.leave.set()
    await first.task  # the second has its turn now, but did not run yet
    third = Caller(limit)
    await settle()
    assert (second.entered.is_set(), third.entered.is_set()) == (True, False)
    await end([second, third])


async def test_a_wait_ends() -> None:
    limit = made(limit=1, queue_wait_s=0.01)
    holder = Caller(limit)
    await settle()
    with pytest.raises(OverloadedError, match="ended in time"):
        async with limit.permit():
            pass
    assert limit.waiting == 0
    await end([holder])


async def test_a_wait_ends_with_the_deadline() -> None:
    limit = made(limit=1, queue_wait_s=60)
    holder = Caller(limit)
    await settle()
    with deadline(0.01), pytest.raises(OverloadedError):
        async with limit.permit():
            pass
    await end([holder])


async def test_without_a_queue_all_above_the_limit_are_turned_away() -> None:
    limit = made(limit=1, queue=0)
    holder = Caller(limit)
    await settle()
    with pytest.raises(OverloadedError):
        async with limit.permit():
            pass
    await end([holder])


STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "cancel", "leave", "leave+cancel", "run"]), st.integers(0, 30)),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, size=st.integers(1, 3), queue=st.integers(0, 4))
async def test_no_permit_is_ever_lost(steps: list[tuple[str, int]], size: int, queue: int) -> None:
    limit = made(limit=size, queue=queue, queue_wait_s=30)
    callers: list[Caller] = []
    for step, number in steps:
        if step == "ask":
            callers.append(Caller(limit))
        elif step == "run":
            await asyncio.sleep(0)
        elif callers:
            caller = callers[number % len(callers)]
            if "leave" in step:
                caller.leave.set()
            if "cancel" in step:
                caller.task.cancel()
        assert limit.running <= size
        assert limit.waiting <= queue
    await end(callers)
    await settle()
    assert (limit.running, limit.waiting) == (0, 0)
    again = [Caller(limit) for _ in range(size)]
    await settle()
    assert all(caller.entered.is_set() for caller in again)
    await end(again)


@settings(max_examples=30, deadline=None)
@given(waits=st.lists(st.integers(0, 3), min_size=1, max_size=12))
async def test_no_permit_is_lost_to_a_wait_that_ends_as_the_turn_comes(waits: list[int]) -> None:
    limit = made(limit=1, queue=12, queue_wait_s=0.002)

    async def call(milliseconds: int) -> None:
        async with limit.permit():
            await asyncio.sleep(milliseconds / 1000)

    await asyncio.gather(*map(call, waits), return_exceptions=True)
    assert (limit.running, limit.waiting) == (0, 0)
    async with limit.permit():
        assert limit.running == 1
