"""What a child has of the service, and what is left of it."""

import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from PIL import Image, ImageChops

from rag.errors import UnreadableFileError
from rag.parse import parse
from rag.sandbox.limits import Limits
from rag.sandbox.pool import open_sandbox
from tests.unit.rag.parse.drawn_pdf import DrawnPage, drawn_pdf, text
from tests.unit.rag.parse.pdf_files import pdf_file
from tests.unit.rag.parse.pictures import picture
from tests.unit.rag.sandbox.conftest import Order
from tests.unit.rag.sandbox.orders import CRASHED, ECHO, LIMITS, OBEY, TOO_LARGE, text_of

ROOT = Path(__file__).parents[4]


@pytest.fixture
async def surroundings(order: Order, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a child tells of itself, whose service has secrets and an inheritable socket."""
    monkeypatch.setenv("DB_PASSWORD", "secret")
    ours, theirs = socket.socketpair()
    theirs.set_inheritable(True)
    with ours, theirs:
        async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
            told = await text_of(sandbox, order("tell_surroundings"))
    return dict(line.split(" ", 1) for line in told.splitlines())


async def test_a_child_gets_nothing_of_the_service_s_environment(surroundings: dict[str, str]) -> None:
    allowed = {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "TESSDATA_PREFIX", "PYTHONPATH"}
    allowed |= {"TMPDIR", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS"}
    assert set(surroundings["environment"].split()) <= allowed


async def test_a_child_has_no_socket_and_a_session_of_its_own(surroundings: dict[str, str]) -> None:
    assert surroundings["sockets"] == "0"
    assert surroundings["session"] == "True"
    assert "groundwork-parse-" in surroundings["folder"]


async def test_a_child_is_polite_and_limited(surroundings: dict[str, str]) -> None:
    assert int(surroundings["nice"]) == min(os.nice(0) + 10, 19)
    assert surroundings["limits"] == str([256 * 1024 * 1024, 0])
    assert surroundings["oom"] == "1000"


async def test_a_child_loads_nothing_that_it_does_not_need(surroundings: dict[str, str]) -> None:
    modules = set(surroundings["modules"].split())
    assert modules.isdisjoint({"asyncio", "pydantic", "structlog", "app", "langchain_core"})


def open_descriptors() -> set[tuple[str, str]]:
    """This process's file descriptors, each with what it is open on.

    Compared by themselves and not counted: what an earlier test left for the garbage collector may go at any
    time, and must not make up for one that stays.
    """
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one by which this folder is read
            found.add((entry.name, str(entry.readlink())))
    return found


async def test_nothing_is_left_behind(order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    deeds = ["say hello", "write_files 100", "abort", "raise_error x", "eat_memory", "fork_and_crash"]
    descriptors, children = open_descriptors(), psutil.Process().children()
    async with open_sandbox(LIMITS, processes=2, parser=OBEY) as sandbox:
        for deed in deeds:
            with suppress(UnreadableFileError):
                await text_of(sandbox, order(deed))
    assert open_descriptors() - descriptors == set()
    assert [child for child in psutil.Process().children() if child not in children] == []
    assert [name for name in names_in(str(tmp_path)) if name.startswith("groundwork-parse-")] == []


async def test_a_child_s_files_go_with_it(order: Order) -> None:
    async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
        folder = await text_of(sandbox, order("write_files 3"))
        assert len(names_in(folder)) > 3
        assert await text_of(sandbox, order("say still here")) == "still here"
        with pytest.raises(UnreadableFileError, match="crashed"):
            await text_of(sandbox, order("abort"))
        assert names_in(folder) == []


def names_in(folder: str) -> list[str]:
    return [path.name for path in Path(folder).glob("*")]


def run_service(folder: Path, loop: str, *orders: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.unit.rag.sandbox.service", loop, *orders],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_every_event_loop_will_do(loop: str, tmp_path: Path) -> None:
    orders = ["say hello", "abort", "eat_memory", "fork_away_and_crash 30", "loop", "repeat 2000000"]
    orders += ["speak_out_of_turn", "say bye"]
    said, errors = run_service(tmp_path, loop, *orders).communicate(timeout=60)
    assert said.splitlines() == [
        "hello",
        CRASHED,
        TOO_LARGE,
        CRASHED,
        "reading the file took longer than 1 seconds",
        "the file holds more text than 1 MB",
        "the file could not be read",
        "bye",
    ]
    assert "Traceback" not in errors
    assert "Error" not in errors


def test_a_child_ends_with_a_service_that_is_killed(tmp_path: Path) -> None:
    service = run_service(tmp_path, "uvloop", "pid", "sleep")
    assert service.stdout is not None
    child = psutil.Process(int(service.stdout.readline()))
    time.sleep(0.1)  # it sleeps by now
    service.send_signal(signal.SIGKILL)
    service.communicate()
    child.wait(timeout=5)


async def test_real_files_are_read_as_they_are_here(tmp_path: Path) -> None:
    files = {
        "a.pdf": pdf_file("One page", "Another"),
        "b.html": b"<h1>Title</h1><p>Text",
        "c.md": b"# A\n\nb",
    }
    async with open_sandbox(Limits(), processes=1) as sandbox:
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
            read = await sandbox.parse(tmp_path / name, filename=name, mime_type=None)
            assert read == parse(data, filename=name, mime_type=None)


async def test_a_real_parser_that_hides_its_want_of_memory_is_seen_through(tmp_path: Path) -> None:
    path = tmp_path / "large.html"
    path.write_bytes(b"<p>x" * 5_000_000)
    async with open_sandbox(LIMITS, processes=1) as sandbox:
        with pytest.raises(UnreadableFileError, match="needs more than 256 MB of memory"):
            await sandbox.parse(path, filename="large.html", mime_type=None)


async def test_options_reach_the_parser(tmp_path: Path) -> None:
    path = tmp_path / "order"
    path.write_bytes(b"any")
    async with open_sandbox(LIMITS, processes=1, parser=ECHO, options={"languages": "eng+deu"}) as sandbox:
        assert (await sandbox.parse(path, filename=None, mime_type=None)).text == "eng+deu"
        assert sandbox.reading_settings == {"languages": "eng+deu"}


async def test_a_page_comes_back_as_the_picture_that_was_drawn(tmp_path: Path) -> None:
    path = tmp_path / "order"
    path.write_bytes(b"any")
    async with open_sandbox(LIMITS, processes=1, parser=ECHO, options={"languages": "eng"}) as sandbox:
        assert await sandbox.draw(path, page=7) == b"\x00page 7"
        with pytest.raises(UnreadableFileError, match="no such page"):
            await sandbox.draw(path, page=8)
        assert (await sandbox.parse(path, filename=None, mime_type=None)).text == "eng"


async def test_pages_of_a_real_file_are_drawn(tmp_path: Path) -> None:
    scan = picture("Words", size=(1700, 2200))
    path = tmp_path / "a.pdf"
    path.write_bytes(drawn_pdf(text(72, 700, "Cover"), DrawnPage(image=scan), ""))
    async with open_sandbox(Limits(), processes=1, parser="rag.parse.pictures:read_or_draw") as sandbox:
        document = await sandbox.parse(path, filename="a.pdf", mime_type=None)
        drawn = [await sandbox.draw(path, page=number) for number in (1, 2, 3)]
    assert document.text == "Cover\n\f\n\f"
    assert (drawn[0], drawn[2]) == (b"", b"")
    with Image.open(io.BytesIO(drawn[1])) as seen:
        assert (seen.format, seen.mode, seen.size) == ("PNG", "L", (1700, 2200))
        assert ImageChops.difference(seen, scan).getbbox() is None
