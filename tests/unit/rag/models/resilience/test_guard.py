import asyncio
import random
import time

import pytest
from botocore.exceptions import ClientError
from structlog.testing import capture_logs

from rag.errors import (
    BlockedError,
    GroundworkError,
    InvalidInputError,
    ModelError,
    OverloadedError,
    ThrottledError,
)
from rag.models.resilience.breaker import BreakerState
from rag.models.resilience.deadline import deadline
from rag.models.resilience.guard import CallStats, ModelGuard, Resilience
from tests.unit.rag.models.resilience.inner import DOWN, Failing, made

PROMPT = "the secret question"


def invalid() -> ClientError:
    return ClientError({"Error": {"Code": "ValidationException", "Message": PROMPT}}, "Converse")


async def fail(guard: ModelGuard, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(GroundworkError):
            await guard.call(Failing(*[DOWN] * 3))


async def test_a_call_that_works_is_made_once() -> None:
    guard, ask = made(), Failing()
    assert await guard.call(ask) == "answer"
    assert ask.calls == 1
    assert guard.stats == CallStats(calls=1, attempts=1)


async def test_a_failed_call_is_made_again() -> None:
    guard, ask = made(), Failing(DOWN, TimeoutError())
    with capture_logs() as logs:
        assert await guard.call(ask) == "answer"
    assert guard.stats == CallStats(calls=1, attempts=3, retries=2)
    retried = [(line["event"], line["model"], line["fault"], line["attempt"]) for line in logs]
    assert retried == [
        ("model_call_retried", "bedrock:x", "connection", 1),
        ("model_call_retried", "bedrock:x", "timeout", 2),
    ]


async def test_after_the_last_attempt_the_error_says_which_model_and_why() -> None:
    guard, ask = made(), Failing(DOWN, DOWN, DOWN)
    with (
        pytest.raises(ModelError, match="bedrock:x failed: it can't be reached") as raised,
        capture_logs() as logs,
    ):
        await guard.call(ask)
    assert raised.value.__cause__ is DOWN
    assert guard.stats == CallStats(calls=1, attempts=3, retries=2, failures=1)
    assert logs[-1]["event"] == "model_call_failed"
    assert (logs[-1]["fault"], logs[-1]["attempt"]) == ("connection", 3)


async def test_what_cannot_work_is_tried_once_and_never_opens_the_breaker() -> None:
    guard = made()
    for exc in [invalid(), BlockedError("x"), InvalidInputError("x"), ValueError(PROMPT)] * 10:
        ask = Failing(exc)
        with pytest.raises(GroundworkError), capture_logs() as logs:
            await guard.call(ask)
        assert ask.calls == 1
        assert PROMPT not in str(logs)
    assert guard.breaker.state is BreakerState.CLOSED


async def test_a_guardrails_refusal_passes_unchanged() -> None:
    refusal = BlockedError("no")
    with pytest.raises(BlockedError) as raised:
        await made().call(Failing(refusal))
    assert raised.value is refusal
    assert raised.value.__cause__ is None


async def test_a_throttled_call_says_when_to_come_again() -> None:
    throttled = ClientError(
        {
            "Error": {"Code": "ThrottlingException"},
            "ResponseMetadata": {"HTTPHeaders": {"retry-after": "30"}, "HTTPStatusCode": 429},
        },
        "Converse",
    )
    ask = Failing(throttled)
    with pytest.raises(ThrottledError) as raised:
        await made().call(ask)
    assert raised.value.retry_after_s == 30
    assert ask.calls == 1  # 30 seconds are too long to wait


async def test_an_attempt_has_its_own_time() -> None:
    calls = 0

    async def hang() -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(60)

    with pytest.raises(ModelError, match="didn't answer in time"):
        await made(attempt_timeout_s=0.01).call(hang)
    assert calls == 3


async def test_all_attempts_end_with_the_deadline() -> None:
    guard = made(attempt_timeout_s=0.05, attempts=100)
    begun = time.monotonic()
    with deadline(0.12), pytest.raises(ModelError):
        await guard.call(lambda: asyncio.sleep(60))
    assert time.monotonic() - begun < 30
    assert guard.stats.attempts in {1, 2, 3}


async def test_a_request_in_a_hurry_says_nothing_of_the_model() -> None:
    guard = made(attempt_timeout_s=10)
    for _ in range(10):
        with deadline(0.002), pytest.raises(ModelError):
            await guard.call(lambda: asyncio.sleep(60))
    assert guard.breaker.state is BreakerState.CLOSED


async def test_a_request_without_time_sends_nothing() -> None:
    ask = Failing()
    with deadline(0), pytest.raises(ModelError, match="in time"):
        await made().call(ask)
    assert ask.calls == 0


async def test_an_outage_costs_ten_attempts_until_the_breaker_opens() -> None:
    guard = made(probe_interval_s=10)
    await fail(guard, 5)
    assert guard.stats.breaker == "open"
    assert guard.stats.attempts == 10  # 5 calls and the 5 that the retry budget holds
    ask = Failing()
    with pytest.raises(OverloadedError, match="time to recover") as refused, capture_logs() as logs:
        await guard.call(ask)
    assert 9 < refused.value.retry_after_s <= 10
    assert (ask.calls, guard.stats.sheds, guard.stats.failures) == (0, 1, 5)
    assert logs[0]["event"] == "model_call_shed"


async def test_after_an_interval_one_call_finds_out() -> None:
    guard = made()
    await fail(guard, 5)
    await asyncio.sleep(0.06)
    release = asyncio.Event()
    probe = asyncio.create_task(guard.call(release.wait))
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await guard.call(Failing())
    release.set()
    await probe
    assert guard.stats.breaker == "closed"
    assert await guard.call(Failing()) == "answer"


async def test_a_probe_is_one_attempt() -> None:
    guard = made(breaker_failures=1)
    await fail(guard)
    await asyncio.sleep(0.06)
    ask = Failing(DOWN)
    with pytest.raises(ModelError):
        await guard.call(ask)
    assert ask.calls == 1
    assert guard.stats.breaker == "open"


async def test_a_cancelled_probe_makes_room_for_the_next() -> None:
    guard = made()
    await fail(guard, 5)
    await asyncio.sleep(0.06)
    probe = asyncio.create_task(guard.call(lambda: asyncio.sleep(60)))
    await asyncio.sleep(0.005)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert await guard.call(Failing()) == "answer"
    assert guard.stats.breaker == "closed"


async def test_more_calls_than_it_can_do_are_turned_away() -> None:
    guard = made(limit=2, queue=1, queue_wait_s=5)
    release = asyncio.Event()
    running = [asyncio.create_task(guard.call(release.wait)) for _ in range(3)]
    await asyncio.sleep(0.005)
    with pytest.raises(OverloadedError, match="too many calls wait") as refused:
        await guard.call(Failing())
    assert refused.value.retry_after_s == 5
    release.set()
    await asyncio.gather(*running)
    assert guard.limit.running == 0
    assert guard.stats.sheds == 1


async def test_nobody_waits_for_a_model_that_is_left_alone() -> None:
    guard = made(limit=1, queue_wait_s=60)
    release = asyncio.Event()
    running = asyncio.create_task(guard.call(release.wait))
    await asyncio.sleep(0.005)
    for _ in range(5):
        guard.breaker.report(guard.breaker.admit(), worked=False)
    with deadline(1), pytest.raises(OverloadedError, match="time to recover"):
        await guard.call(Failing())
    release.set()
    await running


async def test_a_quarter_of_faults_costs_at_most_half_as_many_calls_again() -> None:
    guard = made(backoff_base_s=0.0)
    chance = random.Random(3)  # noqa: S311 - repeatable on purpose
    answers = 0

    async def ask() -> None:
        if chance.random() < 0.25:
            raise DOWN

    for _ in range(2000):
        try:
            await guard.call(ask)
            answers += 1
        except ModelError:
            pass
    assert answers > 0.97 * 2000
    assert guard.stats.attempts < 1.35 * 2000
    assert guard.stats.sheds == 0


@pytest.mark.slow
async def test_calls_of_an_outage_are_not_doubled() -> None:
    guard = made(breaker_failures=10**6, probe_interval_s=0.0)  # not held back by the breaker
    await fail(guard, 200)
    assert guard.stats.attempts <= 205


async def test_a_slow_answer_is_hedged_and_pays_from_the_retry_budget() -> None:
    guard = made(hedge_after_s=0.005)
    slow = True

    async def ask() -> str:
        nonlocal slow
        if slow:
            slow = False
            await asyncio.sleep(60)
        return "answer"

    for _ in range(6):
        slow = True
        assert await guard.call(ask) == "answer"
    assert guard.stats.hedges == 6
    slow = True  # what is left are 5 - 6 + 6 * 0.25 = 0.5
    with deadline(0.05), pytest.raises(ModelError):
        await guard.call(ask)
    assert guard.stats.hedges == 6


def test_settings_have_sound_defaults() -> None:
    assert Resilience().attempts == 3
    assert ModelGuard("m").settings == Resilience()
