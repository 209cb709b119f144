"""The pool: who reads which file when, and what is there while and after."""

import asyncio
import os
from pathlib import Path

import psutil
import pytest
import structlog

from rag.errors import UnavailableError, UnreadableFileError, UnsupportedTypeError
from rag.sandbox.limits import Limits
from rag.sandbox.pool import open_sandbox
from rag.sandbox.worker import MAX_PARSES
from tests.unit.rag.sandbox.conftest import Order
from tests.unit.rag.sandbox.orders import LIMITS, OBEY, ends, read_when_written, text_of


async def test_a_document_comes_through_whole(order: Order) -> None:
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
        document = await sandbox.parse(order("say grüße 🙂"), filename="a.txt", mime_type="text/x-any")
    assert document.text == "grüße 🙂"
    assert (document.title, document.mime_type) == ("a.txt", "text/x-any")
    assert document.headings[0].title == "grüße 🙂"
    assert document.pages[0].end == len("grüße 🙂")
    assert document.warnings == ("as ordered",)


async def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
        with pytest.raises(UnreadableFileError):
            await text_of(sandbox, tmp_path / "missing")


async def test_a_relative_path_is_read_from_here(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    path = order("say here")
    monkeypatch.chdir(path.parent)
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
        assert await text_of(sandbox, Path(path.name)) == "here"


async def test_a_hundred_files_at_once_each_get_their_own_answer(order: Order) -> None:
    deeds = [f"say {number}" for number in range(70)]
    deeds += [f"refuse type {number}" for number in range(10)]
    deeds += ["abort", "exit_at_once 1", "raise_error x", "repeat 2000000", "eat_memory"] * 4
    deeds = [deeds[number * 37 % 100] for number in range(90)] + [f"say {'x' * 500_000}"] * 10
    async with open_sandbox(LIMITS, processes=4, parser=OBEY) as sandbox:
        answers = await asyncio.gather(
            *(text_of(sandbox, path) for path in [order(deed) for deed in deeds]),
            return_exceptions=True,
        )
    for deed, answer in zip(deeds, answers, strict=True):
        verb, _, argument = deed.partition(" ")
        if verb == "say":
            assert answer == argument
        elif verb == "refuse":
            assert isinstance(answer, UnsupportedTypeError)
            assert str(answer) == argument.partition(" ")[2]
        else:
            assert isinstance(answer, UnreadableFileError)


async def test_no_more_files_are_read_at_a_time_than_there_may_be_processes(order: Order) -> None:
    async with open_sandbox(LIMITS, processes=2, parser=OBEY) as sandbox:
        paths = [order("sleep 0.05") for _ in range(8)]
        pids = await asyncio.gather(*(text_of(sandbox, path) for path in paths))
    assert len(set(pids)) == 2


async def test_files_are_read_first_come_first_served(order: Order) -> None:
    ended = []
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:

        async def read(path: Path) -> None:
            ended.append(await text_of(sandbox, path))

        await asyncio.gather(*(read(path) for path in [order(f"say {n}") for n in range(20)]))
    assert ended == [str(n) for n in range(20)]


async def test_a_child_reads_many_files_and_is_replaced_before_it_is_old(order: Order) -> None:
    path = order("pid")
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
        pids = [await text_of(sandbox, path) for _ in range(MAX_PARSES + 1)]
    assert len(set(pids[:MAX_PARSES])) == 1
    assert pids[MAX_PARSES] != pids[0]


async def test_a_child_that_keeps_much_memory_is_replaced(order: Order) -> None:
    async with open_sandbox(Limits(memory_mb=4096), processes=1, parser=OBEY) as sandbox:
        first = await text_of(sandbox, order("keep_memory 20"))
        second = await text_of(sandbox, order("keep_memory 300"))
        third = await text_of(sandbox, order("pid"))
    assert first == second != third


async def test_a_child_that_died_unnoticed_is_replaced_in_silence(order: Order) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_sandbox(LIMITS, processes=2, parser=OBEY) as sandbox:
            paths = [order("sleep 0.05") for _ in range(2)]
            pids = set(await asyncio.gather(*(text_of(sandbox, path) for path in paths)))
            for pid in pids:
                os.kill(int(pid), 9)
            assert await text_of(sandbox, order("pid")) not in pids  # at once, before the loop can know
    assert logs == []


async def test_a_child_that_speaks_when_it_is_idle_is_replaced(order: Order) -> None:
    async with open_sandbox(Limits(), processes=1, parser=OBEY) as sandbox:
        first = int(await text_of(sandbox, order("send_frames_later 1")))
        await asyncio.sleep(0.5)
        assert psutil.pid_exists(first)
        assert await text_of(sandbox, order("say next")) == "next"
        assert await asyncio.to_thread(ends, first)


async def test_a_child_that_chatters_when_it_is_idle_is_ended_at_once(order: Order) -> None:
    async with open_sandbox(Limits(), processes=1, parser=OBEY) as sandbox:
        first = int(await text_of(sandbox, order("send_frames_later 1000")))
        assert await asyncio.to_thread(ends, first)  # else it would fill our memory


async def test_a_child_that_is_idle_for_long_is_ended(order: Order) -> None:
    async with open_sandbox(LIMITS, processes=1, parser=OBEY, idle_s=0.3) as sandbox:
        first = await text_of(sandbox, order("pid"))
        assert await text_of(sandbox, order("pid")) == first
        assert await asyncio.to_thread(ends, int(first))
        assert await text_of(sandbox, order("pid")) != first


async def test_a_child_killed_from_outside_says_nothing_about_the_file(order: Order, tmp_path: Path) -> None:
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
        pid = int(await text_of(sandbox, order("pid")))
        reading = asyncio.create_task(text_of(sandbox, order(f"start_program {tmp_path / 'pid'}")))
        await asyncio.to_thread(read_when_written, tmp_path / "pid")
        os.kill(pid, 9)
        with pytest.raises(UnavailableError, match="interrupted"):
            await reading
        assert await text_of(sandbox, order("say next")) == "next"


async def test_cancelling_ends_the_child_and_what_it_started(order: Order, tmp_path: Path) -> None:
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
        child = int(await text_of(sandbox, order("pid")))
        reading = asyncio.create_task(text_of(sandbox, order(f"start_program {tmp_path / 'pid'}")))
        program = int(await asyncio.to_thread(read_when_written, tmp_path / "pid"))
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await text_of(sandbox, order("say next")) == "next"
        assert await asyncio.to_thread(ends, child)
        assert await asyncio.to_thread(ends, program)


async def test_what_a_crashed_child_has_started_ends_too(order: Order, tmp_path: Path) -> None:
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
        with pytest.raises(UnreadableFileError, match="crashed"):
            await text_of(sandbox, order(f"fork_and_crash {tmp_path / 'pid'}"))
        assert await asyncio.to_thread(ends, int((tmp_path / "pid").read_text()))


async def test_cancelling_at_any_moment_leaves_a_working_sandbox(order: Order) -> None:
    path = order("sleep 0.05")
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
        for delay_ms in range(0, 300, 20):  # before, during and after the start of a child
            reading = asyncio.create_task(text_of(sandbox, path))
            await asyncio.sleep(delay_ms / 1000)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        assert await text_of(sandbox, order("say next")) == "next"


async def test_closing_ends_what_is_being_read(order: Order, tmp_path: Path) -> None:
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
        deeds = [f"start_program {tmp_path / 'pid'}", "say waiting"]
        readings = [asyncio.create_task(text_of(sandbox, order(deed))) for deed in deeds]
        program = int(await asyncio.to_thread(read_when_written, tmp_path / "pid"))
    for reading in readings:
        with pytest.raises(UnavailableError, match="the service stops"):
            await reading
    assert await asyncio.to_thread(ends, program)
    with pytest.raises(UnavailableError):
        await text_of(sandbox, order("say late"))


async def test_closing_during_a_start_leaves_no_child(order: Order) -> None:
    before = set(psutil.Process().children())  # servers of other tests
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
        reading = asyncio.create_task(text_of(sandbox, order("say early")))
        for _ in range(1000):
            if set(psutil.Process().children()) - before:
                break
            await asyncio.sleep(0.002)
        assert set(psutil.Process().children()) - before
    with pytest.raises(UnavailableError):
        await reading
    assert set(psutil.Process().children()) <= before


async def test_a_parser_that_cannot_be_loaded_is_not_the_file_s_fault(order: Order) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_sandbox(LIMITS, processes=1, parser="rag.sandbox.limits:missing") as sandbox:
            with pytest.raises(UnavailableError):
                await text_of(sandbox, order("say hello"))
    assert [entry["event"] for entry in logs] == ["parser_not_started"]
    assert "has no attribute 'missing'" in logs[0]["said"]
