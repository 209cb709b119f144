"""Children that read files, a limited number at a time.

A child is started when a file comes and none is free, reads many files in turn, and is ended when nothing
came for a while. One that has met a limit, or asks for it, is replaced by a fresh one.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import structlog

from rag.documents import ParsedDocument
from rag.errors import UnavailableError
from rag.sandbox.limits import MB, Limits
from rag.sandbox.outcome import broken_wire, cause_of_death, document_of, picture_of, too_slow
from rag.sandbox.process import ParserProcess, ProcessEndedError, Program
from rag.sandbox.wire import Frame, Kind, Request, WireError

log = structlog.get_logger(__name__)

PARSER = "rag.parse:parse"
IDLE_S = 60.0  # a service that reads nothing keeps no child; the next file waits for a start
_CLOSE_S = 5.0  # for the kernel to end what was killed


class Sandbox:
    """Reads files in children; `rag.ingest.DocumentParser`. Made by `open_sandbox`.

    Args:
        program: What children run.
        folder: Where each child gets a folder of its own.
        processes: Files that are read at a time.
        idle_s: How long a child lives without a file, in seconds.
    """

    def __init__(self, program: Program, folder: Path, *, processes: int, idle_s: float) -> None:
        self._program = program
        self._limits = program.limits
        self._folder = folder
        self._slots = asyncio.Semaphore(processes)  # first come, first served
        self._idle_s = idle_s
        self._idle: dict[ParserProcess, asyncio.TimerHandle] = {}  # and what will end it; latest last
        self._alive: set[ParserProcess] = set()
        self._closed = False

    @property
    def reading_settings(self) -> Mapping[str, str]:
        """The options of the parser."""
        return self._program.options

    async def parse(self, path: Path, *, filename: str | None, mime_type: str | None) -> ParsedDocument:
        """The document in a file of this machine. Cancelling ends the child.

        Raises:
            InvalidInputError: Its subclasses say what is wrong with the file, or which limit it exceeds.
            UnavailableError: No child can be started, it was killed from outside, or the sandbox is closed.
        """
        frame = await self._read(Request(path, filename, mime_type))
        return await document_of(frame, self._limits)

    async def draw(self, path: Path, *, page: int) -> bytes:
        """A picture of a page, counted from 1, of a file that was read; empty where the page needs none.

        For parsers that draw, such as `rag.parse.pictures.read_or_draw`.

        Raises:
            InvalidInputError: As for `parse`.
            UnavailableError: As for `parse`.
        """
        return picture_of(await self._read(Request(path, None, None, page)), self._limits)

    async def _read(self, request: Request) -> Frame:
        async with self._slots:
            return await self._read_now(request)

    async def _read_now(self, request: Request) -> Frame:
        process = await self._begun(request)
        with process:
            frame = await self._reply(process)
        if frame.spent or self._closed:
            process.kill()
        else:
            self._rest(process)
        return frame

    async def _begun(self, request: Request) -> ParserProcess:
        """A child that has taken up the request: of the idle ones, some may have died unnoticed."""
        while self._idle:
            process, end = self._idle.popitem()
            end.cancel()
            if await process.begin(request):
                return process
        process = await self._started()
        if not await process.begin(request):
            raise self._stopped() if self._closed else UnavailableError("the process that reads files died")
        return process

    async def _started(self) -> ParserProcess:
        if self._closed:
            raise self._stopped()
        process = ParserProcess(self._folder / uuid4().hex, max_bytes=self._limits.output_mb * MB)
        self._alive.add(process)
        process.exited.add_done_callback(lambda _: self._alive.discard(process))
        try:
            await process.start(self._program)
        except (ProcessEndedError, WireError, TimeoutError, OSError) as error:
            if self._closed:
                raise self._stopped() from error
            await process.exit_code()
            log.exception("parser_not_started", said=process.last_words)
            raise UnavailableError("the process that reads files doesn't start") from error
        return process

    async def _reply(self, process: ParserProcess) -> Frame:
        limits = self._limits
        try:
            async with asyncio.timeout(limits.wall_s):
                frame = await process.receive()
            if frame.kind in {Kind.READY, Kind.STARTED}:
                raise WireError(f"{frame.kind.name} for an answer")  # noqa: TRY301 - it is one of several
        except TimeoutError as error:
            log.warning("parser_timed_out", wall_s=limits.wall_s)
            raise too_slow(limits.wall_s) from error
        except WireError as error:
            raise broken_wire(error, limits) from error
        except ProcessEndedError as error:
            raise self._stopped() if self._closed else await cause_of_death(process, limits) from error
        return frame

    def _rest(self, process: ParserProcess) -> None:
        loop = asyncio.get_running_loop()
        self._idle[process] = loop.call_later(self._idle_s, self._retire, process)

    def _retire(self, process: ParserProcess) -> None:
        del self._idle[process]
        process.kill()

    def _stopped(self) -> UnavailableError:
        return UnavailableError("files are no longer read: the service stops")

    async def close(self) -> None:
        """End all children. Files that are being read end in `UnavailableError`."""
        self._closed = True
        for end in self._idle.values():
            end.cancel()
        self._idle.clear()
        ends = [process.exited for process in self._alive]
        for process in self._alive:
            process.kill()
        if ends:
            _, left = await asyncio.wait(ends, timeout=_CLOSE_S)
            if left:
                log.error("parsers_left", processes=len(left))


@asynccontextmanager
async def open_sandbox(
    limits: Limits,
    *,
    processes: int,
    parser: str = PARSER,
    options: Mapping[str, str] | None = None,
    idle_s: float = IDLE_S,
) -> AsyncIterator[Sandbox]:
    """A sandbox without children yet; at the end all are gone, and their files.

    Open it in a thread that lives as long as it does, such as the main one: on Linux, children end with the
    thread that started them.

    Args:
        limits: Of each file.
        processes: Files that are read at a time.
        parser: `module:function` of a function like `rag.parse.parse`.
        options: Keyword arguments for the function, where they are not its defaults.
        idle_s: How long a child lives without a file, in seconds.
    """
    with tempfile.TemporaryDirectory(prefix="groundwork-parse-", ignore_cleanup_errors=True) as folder:
        program = Program(parser, limits, options or {})
        sandbox = Sandbox(program, Path(folder), processes=processes, idle_s=idle_s)
        try:
            yield sandbox
        finally:
            await sandbox.close()
