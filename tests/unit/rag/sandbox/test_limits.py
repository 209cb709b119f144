"""Whatever a file does to its reader, the caller gets an error with words, and the next file is read."""

import time

import pytest
import structlog

from rag.errors import InvalidInputError, UnreadableFileError, UnsupportedTypeError
from rag.sandbox.limits import Limits
from rag.sandbox.pool import open_sandbox
from tests.unit.rag.sandbox.conftest import Order
from tests.unit.rag.sandbox.orders import CRASHED, LIMITS, OBEY, TOO_LARGE, text_of


@pytest.mark.parametrize(
    ("kind", "error"),
    [("input", InvalidInputError), ("type", UnsupportedTypeError), ("file", UnreadableFileError)],
)
async def test_a_refusal_comes_back_as_itself(order: Order, kind: str, error: type[Exception]) -> None:
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
        with pytest.raises(InvalidInputError) as raised:
            await text_of(sandbox, order(f"refuse {kind} the füße\nare missing"))
    assert raised.type is error
    assert str(raised.value) == "the füße\nare missing"


@pytest.mark.parametrize(
    ("deed", "message"),
    [
        ("eat_memory", TOO_LARGE),
        ("eat_memory_in_secret", TOO_LARGE),
        ("repeat 2000000", "the file holds more text than 1 MB"),
        ("segfault", CRASHED),
        ("abort", CRASHED),
        ("exit_at_once 0", CRASHED),
        ("fork_and_crash", CRASHED),
        ("fork_away_and_crash 30", CRASHED),
        ("close_pipes", CRASHED),
        ("exit 0", "the file could not be read"),
        ("raise_error secret", "the file could not be read"),
        ("recurse", "the file could not be read"),
        ("fill_disk", "the file could not be read"),
        ("speak_out_of_turn", "the file could not be read"),
        ("send_frames 1", "the file could not be read"),
        ("send_frames 10000", "the file could not be read"),
    ],
)
async def test_a_hostile_file_is_an_unreadable_one(order: Order, deed: str, message: str) -> None:
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
        started = time.monotonic()
        with pytest.raises(UnreadableFileError) as raised:
            await text_of(sandbox, order(deed))
        assert str(raised.value) == message
        assert await text_of(sandbox, order("say next")) == "next"
        assert time.monotonic() - started < 20  # no limit on time was needed


async def test_a_file_that_computes_too_long_is_stopped(order: Order) -> None:
    limits = Limits(memory_mb=256, cpu_s=1, wall_s=60)
    async with open_sandbox(limits, processes=1, parser=OBEY) as sandbox:
        with pytest.raises(UnreadableFileError, match="longer than 1 seconds"):
            await text_of(sandbox, order("loop"))
        assert await text_of(sandbox, order("say next")) == "next"


async def test_computing_time_is_counted_by_file(order: Order) -> None:
    limits = Limits(memory_mb=256, cpu_s=1, wall_s=60)
    async with open_sandbox(limits, processes=1, parser=OBEY) as sandbox:
        assert len({await text_of(sandbox, order("work 0.5")) for _ in range(3)}) == 1


async def test_a_program_that_the_parser_starts_computes_under_the_limit_too(order: Order) -> None:
    limits = Limits(memory_mb=256, cpu_s=1, wall_s=60)
    async with open_sandbox(limits, processes=1, parser=OBEY) as sandbox:
        assert int(await text_of(sandbox, order("loop_elsewhere"))) < 0


async def test_a_file_that_waits_forever_is_stopped(order: Order) -> None:
    limits = Limits(memory_mb=256, wall_s=0.5)
    async with open_sandbox(limits, processes=1, parser=OBEY) as sandbox:
        await text_of(sandbox, order("say started"))
        started = time.monotonic()
        with pytest.raises(UnreadableFileError, match=r"longer than 0\.5 seconds"):
            await text_of(sandbox, order("sleep"))
        assert 0.5 <= time.monotonic() - started < 30


async def test_what_is_printed_does_not_get_among_the_answers(order: Order) -> None:
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
        assert await text_of(sandbox, order("print_garbage")) == "quiet"


async def test_logs_say_where_a_parser_failed_and_nothing_of_the_document(order: Order) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
            for deed in ("raise_error secret", "segfault secret"):
                with pytest.raises(UnreadableFileError):
                    await text_of(sandbox, order(deed))
    failed, crashed = logs
    assert failed["event"] == "parser_failed"
    assert "ValueError" in failed["where"]
    assert "raise_error" in failed["where"]
    assert crashed["event"] == "parser_crashed"
    assert crashed["signal"] == "SIGSEGV"
    assert "in segfault" in crashed["where"]
    assert "secret" not in str(logs)
