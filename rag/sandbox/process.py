"""One child, seen from the service: started, spoken to, killed, cleared away."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from rag.sandbox.limits import Limits
from rag.sandbox.wire import Frame, FrameReader, Kind, Request, WireError

START_S = 30.0  # on a machine that is busy: a start takes a fraction of a second
_LAST_WORDS_S = 1.0  # after a child's end, for its last frame to arrive
_MAX_WAITING = 2  # frames: STARTED and a reply may come in one piece
_WORDS_BYTES = 4096  # of a child's standard error
_ERRORS = "stderr"
_ROOT = Path(__file__).parents[2]  # where `rag` is imported from
_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "TESSDATA_PREFIX")
_ONE_THREAD = dict.fromkeys(("OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS"), "1")  # of Tesseract and NumPy


class ProcessEndedError(Exception):
    """The child is gone, or has closed its pipe."""


@dataclass(frozen=True, slots=True)
class Program:
    """What children run.

    Attributes:
        parser: `module:function` of a function like `rag.parse.parse`.
        limits: Of each file.
        options: Keyword arguments for the function.
    """

    parser: str
    limits: Limits
    options: Mapping[str, str] = field(default_factory=dict)

    def command(self) -> list[str]:
        # -P: what a parser writes to its folder is not imported. -B: a limit can't cut a .pyc file short.
        options = json.dumps(dict(self.options))
        numbers = (str(self.limits.memory_mb), str(self.limits.cpu_s))
        return [sys.executable, "-P", "-B", "-s", "-m", "rag.sandbox.worker", self.parser, *numbers, options]


class ParserProcess(asyncio.SubprocessProtocol):
    """A child, once `start` has returned. As a context manager it kills the child unless the block ends well.

    Args:
        folder: Made for the child, and removed after its end.
        max_bytes: Longest payload of a frame.

    Attributes:
        exited: Its exit code, or minus the signal that ended it.
        last_words: The end of what it wrote to standard error, once it has exited.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.last_words = ""
        self._folder = folder
        self._reader = FrameReader(max_bytes)
        self._frames: deque[Frame] = deque()
        self._failure: Exception | None = None
        self._news = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None
        self._requests: int | None = None  # the pipe's end; asyncio would give the child a socket

    async def start(self, program: Program) -> None:
        """Return when the child is ready for requests.

        Raises:
            ProcessEndedError: It ended before it was ready.
            WireError: It sent something else first.
            TimeoutError: It wasn't ready in `START_S`.
            OSError: No process can be started.
        """
        with self:
            async with asyncio.timeout(START_S):
                await self._spawn(program.command())
                await self.receive()

    async def _spawn(self, command: list[str]) -> None:
        try:
            self._folder.mkdir(mode=0o700)
            requests, self._requests = os.pipe()
            os.set_blocking(self._requests, False)
            with os.fdopen(requests, "rb") as stdin, (self._folder / _ERRORS).open("wb") as errors:
                await asyncio.get_running_loop().subprocess_exec(
                    lambda: self,
                    *command,
                    stdin=stdin,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=errors,
                    cwd=self._folder,
                    env=_environment(self._folder),
                    start_new_session=True,  # a process group of its own, killed as one
                )
        finally:
            if self._transport is None:  # no child, or cancelled before it was ours: the loop has ended it
                self._gone(-signal.SIGKILL)

    async def begin(self, request: Request) -> bool:
        """Whether the child has taken up the request. If not, it is dead or dying."""
        with self:
            try:
                self._write(request.encode())
                async with asyncio.timeout(START_S):
                    frame = await self.receive()
            except (ProcessEndedError, TimeoutError, WireError):
                self.kill()
                return False
            if frame.kind is not Kind.STARTED:
                self.kill()
            return frame.kind is Kind.STARTED

    async def receive(self) -> Frame:
        """The next frame, in the order they were sent.

        Raises:
            ProcessEndedError: There will be none.
            WireError: The child sent something else, or too much.
        """
        while not self._frames:
            if self._failure is not None:
                raise self._failure
            self._news.clear()
            await self._news.wait()
        return self._frames.popleft()

    def kill(self, reason: Exception | None = None) -> None:
        """End the child and what it has started. Returns at once; `exited` tells when it is done.

        Args:
            reason: What `receive` raises from now on, if not `ProcessEndedError`.
        """
        self._end(reason or ProcessEndedError())
        if not self.exited.done():
            self._kill_group()

    async def exit_code(self) -> int | None:
        """How a child ended that has closed its pipe; None if it had to be killed for that."""
        await asyncio.wait([self.exited], timeout=_LAST_WORDS_S)
        if self.exited.done():
            return self.exited.result()
        self.kill()
        await asyncio.wait([self.exited])
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if self._failure is not None:
            return
        try:
            self._frames.extend(self._reader.feed(data))
        except WireError as error:
            self.kill(error)
        if len(self._frames) > _MAX_WAITING:
            self.kill(WireError("frames that nothing asked for"))
        self._news.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._end(ProcessEndedError())

    def process_exited(self) -> None:
        self._kill_group()  # what it started may live on, and hold the pipe open
        self._gone(self._running().get_returncode() or 0)
        if self._failure is not None:
            self._close()
        else:  # frames that it sent before its end may still be in the pipe
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._close()

    def _close(self) -> None:
        """Only after its end: asyncio would wait for the child a second time."""
        self._end(ProcessEndedError())
        self._running().close()

    def _running(self) -> asyncio.SubprocessTransport:
        if self._transport is None:
            raise ProcessEndedError
        return self._transport

    def _write(self, data: bytes) -> None:
        """Into an empty pipe: it fits."""
        if self._requests is None:
            raise ProcessEndedError
        try:
            os.write(self._requests, data)
        except (BrokenPipeError, BlockingIOError) as error:
            raise ProcessEndedError from error

    def _end(self, failure: Exception) -> None:
        """No more frames: the first reason counts."""
        if self._failure is None:
            self._failure = failure
        self._news.set()

    def _kill_group(self) -> None:
        if self._transport is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: of one that has ended
                os.killpg(self._transport.get_pid(), signal.SIGKILL)

    def _gone(self, code: int) -> None:
        """Clear away what it leaves."""
        if not self.exited.done():
            if self._requests is not None:
                os.close(self._requests)
                self._requests = None
            self.last_words = _tail(self._folder / _ERRORS)
            shutil.rmtree(self._folder, ignore_errors=True)
            self.exited.set_result(code)


def _environment(folder: Path) -> dict[str, str]:
    """Where programs and their data are, and nothing of what the service knows."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {"PATH": os.defpath, **kept, **_ONE_THREAD, "PYTHONPATH": str(_ROOT), "TMPDIR": str(folder)}


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _WORDS_BYTES))
            return file.read(_WORDS_BYTES).decode("utf-8", "replace").strip()
    except OSError:
        return ""
