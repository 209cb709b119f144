"""A parser that does what the file says: the files of the sandbox's tests are orders."""

import contextlib
import ctypes
import os
import resource
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rag.documents import Heading, PageSpan, ParsedDocument
from rag.errors import InvalidInputError, UnreadableFileError, UnsupportedTypeError
from rag.sandbox.wire import Frame, Kind

MB = 1024 * 1024


class SubclassError(UnsupportedTypeError):
    """A parser's own kind of a known error."""


def obey(data: bytes, *, filename: str | None, mime_type: str | None) -> ParsedDocument:
    """Carry out `order argument`; the document is what the order gives back."""
    order, _, argument = data.decode("utf-8", "surrogateescape").partition(" ")
    return _document(_ORDERS[order](argument), filename, mime_type)


def echo(
    data: bytes, *, filename: str | None, mime_type: str | None, languages: str, page: int | None = None
) -> ParsedDocument | bytes:
    """What it was asked for; there are seven pages."""
    if page is None:
        return _document(languages, filename, mime_type)
    if page > 7:
        raise UnreadableFileError("no such page")
    return b"\x00page %d" % page


def _document(text: str, filename: str | None, mime_type: str | None) -> ParsedDocument:
    return ParsedDocument(
        text=text,
        mime_type=mime_type or "text/plain",
        title=filename,
        headings=(Heading(0, len(text), 1, text[:20]),),
        pages=(PageSpan(1, 0, len(text)),),
        warnings=("as ordered",),
    )


def eat_memory(argument: str) -> str:
    eaten = []
    while True:
        eaten.append(b"x" * MB)


def eat_memory_in_secret(argument: str) -> str:
    """As lxml and lexbor do: a failed allocation comes out as a broken file."""
    eaten = []
    try:
        while True:
            eaten.append(b"x" * MB)
    except MemoryError:
        eaten.clear()
    raise UnreadableFileError("the file is broken")


def keep_memory(megabytes: str) -> str:
    kept.append(b"x" * (int(megabytes) * MB))
    return str(os.getpid())


kept: list[bytes] = []


def loop(argument: str) -> str:
    while True:
        pass


def loop_elsewhere(argument: str) -> str:
    """Let a program compute; the document says what ended it."""
    return str(subprocess.run([sys.executable, "-c", "while True: pass"], check=False).returncode)


def sleep(seconds: str) -> str:
    time.sleep(float(seconds or 3600))
    return str(os.getpid())


def work(seconds: str) -> str:
    """Compute for so long."""
    until = time.process_time() + float(seconds)
    while time.process_time() < until:
        pass
    return str(os.getpid())


def segfault(argument: str) -> str:
    return str(ctypes.string_at(8))


def send_signal(number: str) -> str:
    os.kill(os.getpid(), int(number))
    time.sleep(3600)
    return ""


def fork_and_crash(path: str) -> str:
    """What is left behind holds the pipe open; its process id is in the file, if one is named."""
    left = os.fork()
    if left == 0:
        time.sleep(3600)
    if path:
        Path(path).write_text(str(left))
    os.abort()


def fork_away_and_crash(seconds: str) -> str:
    """As `fork_and_crash`, out of reach of a signal to the group."""
    left = os.fork()
    if left == 0:
        os.setsid()
        time.sleep(float(seconds))
        os._exit(0)
    while os.getsid(left) != left:
        pass
    os.abort()


def start_program(path: str) -> str:
    """Leave a program behind whose process id is in the file."""
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    Path(path).write_text(str(program.pid))
    time.sleep(3600)
    return ""


def print_garbage(argument: str) -> str:
    sys.stdout.write("garbage\n" * 10_000)
    sys.stdout.flush()
    os.write(1, bytes(range(256)))
    os.write(2, b"secret words of the document")
    subprocess.run(["echo", "more garbage"], check=True)
    return "quiet" + sys.stdin.read()


def speak_out_of_turn(argument: str) -> str:
    """Write to every pipe there is what is no frame."""
    for descriptor in range(3, 20):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"\xff" * 10)
    return ""


def send_frames(count: str) -> str:
    """Write frames that nothing asked for to every pipe there is."""
    for _ in range(int(count)):
        for descriptor in range(3, 20):
            with contextlib.suppress(OSError):
                os.write(descriptor, Frame(Kind.READY).header())
    time.sleep(3600)
    return ""


def send_frames_later(count: str) -> str:
    """As `send_frames`, once the answer has gone."""
    threading.Timer(0.2, send_frames, [count]).start()
    return str(os.getpid())


def close_pipes(argument: str) -> str:
    os.closerange(3, 20)
    time.sleep(3600)
    return ""


def raise_error(message: str) -> str:
    raise ValueError(message)


def refuse(message: str) -> str:
    kind, _, message = message.partition(" ")
    raise {"input": InvalidInputError, "type": SubclassError, "file": UnreadableFileError}[kind](message)


def tell_surroundings(argument: str) -> str:
    """What the child is and has, one thing a line."""
    sockets = [number for number in range(100) if _is_socket(number)]
    limits = [resource.getrlimit(which)[1] for which in (resource.RLIMIT_AS, resource.RLIMIT_CORE)]
    return "\n".join([
        f"environment {' '.join(sorted(os.environ))}",
        f"nice {os.nice(0)}",
        f"sockets {len(sockets)}",
        f"limits {limits}",
        f"session {os.getsid(0) == os.getpid()}",
        f"folder {Path.cwd()}",
        f"modules {' '.join(sorted(sys.modules))}",
        f"oom {Path('/proc/self/oom_score_adj').read_text().strip()}",
    ])  # fmt: skip


def _is_socket(number: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


def write_files(count: str) -> str:
    for number in range(int(count)):
        Path(f"left-{number}").write_bytes(b"x" * 1000)
    Path("sitecustomize.py").write_text("raise SystemExit")
    return str(Path.cwd())


def fill_disk(argument: str) -> str:
    with Path("large").open("wb") as file:
        while True:
            file.write(b"x" * MB)


_ORDERS: dict[str, Callable[[str], str]] = {
    order.__name__: order
    for order in (
        eat_memory, eat_memory_in_secret, keep_memory, loop, loop_elsewhere, sleep, work, segfault,
        send_signal, fork_and_crash, fork_away_and_crash, start_program, print_garbage, speak_out_of_turn,
        send_frames, send_frames_later, close_pipes, raise_error, refuse, tell_surroundings,
        write_files, fill_disk,
    )
} | {
    "abort": lambda argument: os.abort(),
    "exit": lambda argument: sys.exit(int(argument)),
    "exit_at_once": lambda argument: os._exit(int(argument)),
    "say": lambda argument: argument,
    "pid": lambda argument: str(os.getpid()),
    "repeat": lambda argument: "x" * int(argument),
    "recurse": lambda argument: str(_ORDERS["recurse"](argument)),
}  # fmt: skip
