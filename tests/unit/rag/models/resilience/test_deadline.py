import asyncio
import contextvars
import time

import pytest

from rag.models.resilience.deadline import OutOfTimeError, bounded, deadline, remaining, within


def test_without_a_deadline_nothing_is_bounded() -> None:
    assert remaining() is None
    assert bounded(7) == 7


def test_the_nearer_of_nested_deadlines_counts() -> None:
    with deadline(10):
        with deadline(100):
            assert 9 < (remaining() or 0) <= 10
        with deadline(1):
            assert bounded(5) <= 1
        assert 9 < (remaining() or 0) <= 10
    assert remaining() is None


def test_time_that_is_over_is_zero() -> None:
    with deadline(-1):
        assert remaining() == 0


async def test_tasks_inherit_it() -> None:
    async def left() -> float | None:
        return remaining()

    with deadline(5):
        assert await asyncio.create_task(left()) is not None


def test_it_may_end_in_another_context() -> None:
    block = deadline(5)
    contextvars.copy_context().run(block.__enter__)
    block.__exit__(None, None, None)
    assert remaining() is None


async def test_an_attempt_ends_with_its_own_time() -> None:
    with pytest.raises(TimeoutError) as raised:
        async with within(0.01):
            await asyncio.sleep(5)
    assert not isinstance(raised.value, OutOfTimeError)


async def test_an_attempt_ends_with_the_deadline() -> None:
    begun = time.monotonic()
    with deadline(0.01), pytest.raises(OutOfTimeError):
        async with within(60):
            await asyncio.sleep(60)
    assert time.monotonic() - begun < 30


async def test_most_of_its_own_time_is_enough_to_blame_an_attempt() -> None:
    with deadline(0.1), pytest.raises(TimeoutError) as raised:
        async with within(0.11):
            await asyncio.sleep(5)
    assert not isinstance(raised.value, OutOfTimeError)


async def test_nothing_starts_when_the_time_is_over() -> None:
    started = False
    with deadline(0), pytest.raises(OutOfTimeError):
        async with within(5):
            started = True
    assert not started
