import asyncio
import random
import time
from collections.abc import AsyncIterator

import pytest
from botocore.exceptions import ClientError

from rag.errors import BlockedError, ModelError, OverloadedError
from rag.models.resilience.breaker import BreakerState
from rag.models.resilience.deadline import deadline
from rag.models.resilience.guard import CallStats, ModelGuard
from tests.unit.rag.models.resilience.inner import DOWN, Failing, made


class Streams:
    """Each stream plays the next script; a number is a silence."""

    def __init__(self, *scripts: list[str | float | Exception]) -> None:
        self.scripts = list(scripts)
        self.started = 0
        self.open = 0

    async def __call__(self) -> AsyncIterator[str]:
        script = self.scripts[min(self.started, len(self.scripts) - 1)]
        self.started += 1
        self.open += 1
        try:
            for step in script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, str):
                    yield step
                else:
                    await asyncio.sleep(step)
        finally:
            self.open -= 1


async def read(guard: ModelGuard, streams: Streams) -> list[str]:
    return [piece async for piece in guard.stream(streams, begins=bool)]


async def test_a_stream_comes_through() -> None:
    guard, streams = made(), Streams(["", "a", "", "b"])
    assert await read(guard, streams) == ["", "a", "", "b"]
    assert guard.stats == CallStats(calls=1, attempts=1)


async def test_a_stream_is_started_again_until_it_has_begun() -> None:
    guard, streams = made(), Streams(["", DOWN], ["", 5.0], ["", "a", "b"])
    assert await read(guard, streams) == ["", "a", "b"]
    assert guard.stats.retries == 2
    assert streams.open == 0


async def test_a_stream_that_breaks_off_is_not_repeated() -> None:
    guard, streams = made(), Streams(["a", DOWN])
    reading = guard.stream(streams, begins=bool)
    assert await anext(reading) == "a"
    with pytest.raises(ModelError) as raised:
        await anext(reading)
    assert raised.value.__cause__ is DOWN
    assert (streams.started, streams.open, guard.limit.running) == (1, 0, 0)


async def test_throttling_in_the_middle_is_a_failed_model() -> None:
    throttled = ClientError({"Error": {"Code": "throttlingException"}}, "ConverseStream")
    with pytest.raises(ModelError, match="requests a minute"):
        await read(made(), Streams(["a", throttled]))
    with pytest.raises(BlockedError):
        await read(made(), Streams(["a", BlockedError("no")]))


async def test_a_stream_that_falls_silent_is_given_up() -> None:
    streams = Streams(["a", 60.0])
    begun = time.monotonic()
    with pytest.raises(ModelError, match="in time"):
        await read(made(idle_timeout_s=0.01), streams)
    assert time.monotonic() - begun < 30
    assert streams.open == 0


async def test_a_stream_ends_with_the_deadline() -> None:
    with deadline(0.02), pytest.raises(ModelError, match="in time"):
        await read(made(idle_timeout_s=60), Streams([*"abc", 60.0]))


async def test_a_stream_of_nothing_is_a_failure() -> None:
    guard = made()
    with pytest.raises(ModelError, match="can't be read"):
        await read(guard, Streams([]))
    assert guard.stats.attempts == 3


async def test_streams_that_always_break_off_open_the_breaker() -> None:
    guard, streams = made(), Streams(["a", DOWN])
    for _ in range(10):
        with pytest.raises(ModelError):
            await read(guard, streams)
    assert guard.stats.breaker == "open"


async def test_closing_a_stream_closes_the_models_and_frees_its_place() -> None:
    guard, streams = made(limit=1), Streams([*"abc", 60.0])
    reading = guard.stream(streams, begins=bool)
    assert await anext(reading) == "a"
    assert (streams.open, guard.limit.running) == (1, 1)
    await reading.aclose()
    assert (streams.open, guard.limit.running) == (0, 0)
    assert guard.stats.failures == 0


@pytest.mark.parametrize("script", [[60.0], ["a", 60.0], [""]])
async def test_cancelling_a_stream_does_the_same(script: list[str | float | Exception]) -> None:
    guard, streams = made(limit=1), Streams([*script, 60.0])
    task = asyncio.create_task(read(guard, streams))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (streams.open, guard.limit.running) == (0, 0)
    assert guard.breaker.state is BreakerState.CLOSED


async def test_a_stream_holds_its_place_to_the_end() -> None:
    guard = made(limit=1, queue=0)
    reading = guard.stream(Streams([*"abc"]), begins=bool)
    await anext(reading)
    with pytest.raises(OverloadedError):
        await guard.call(Failing())
    assert [piece async for piece in reading] == ["b", "c"]
    assert await guard.call(Failing()) == "answer"


async def test_a_slow_beginning_is_hedged() -> None:
    guard, streams = made(hedge_after_s=0.005), Streams([60.0, "slow"], ["a", "b"])
    assert await read(guard, streams) == ["a", "b"]
    assert (guard.stats.hedges, streams.open) == (1, 0)


async def test_many_streams_of_all_kinds_leave_nothing_open() -> None:
    guard = made(limit=4, queue=100, breaker_failures=10**6, queue_wait_s=5, hedge_after_s=0.003)
    chance = random.Random(11)  # noqa: S311 - repeatable on purpose
    scripts: list[list[str | float | Exception]] = [
        ["a", "b"], ["a", DOWN], [DOWN], [0.004, "a"], ["a", 0.01, "b"], [60.0], [], ["", "a", 60.0],
    ]  # fmt: skip
    streams = [Streams(chance.choice(scripts), chance.choice(scripts)) for _ in range(60)]
    tasks = [asyncio.create_task(read(guard, each)) for each in streams]
    for task in tasks:
        await asyncio.sleep(0.002)
        if chance.random() < 0.4:
            task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    wrong = (OverloadedError, ModelError, asyncio.CancelledError, list)
    assert all(isinstance(outcome, wrong) for outcome in outcomes)
    assert (guard.limit.running, guard.limit.waiting) == (0, 0)
    assert sum(each.open for each in streams) == 0
