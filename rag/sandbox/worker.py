"""The child: `python -m rag.sandbox.worker PARSER MEMORY_MB CPU_S OPTIONS`.

PARSER is `module:function`, OPTIONS are keyword arguments for it in JSON.

Requests come on what was standard input, frames go to what was standard output. Both are moved away first:
what a library prints can't get among the frames, and programs that a parser starts don't inherit them.
"""

import faulthandler
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO

from rag.documents import ParsedDocument
from rag.errors import InvalidInputError, UnreadableFileError, UnsupportedTypeError
from rag.sandbox.confine import allow_cpu, confine, memory_bytes
from rag.sandbox.limits import MB
from rag.sandbox.wire import Frame, Kind, Request, encode_document

MAX_PARSES = 200  # then a fresh child: small leaks of libraries stay small, and its start adds under 1 ms
_MAX_RESIDENT = 256 * MB  # memory that a large file left behind
_FULL = 7 / 8  # of the address space: a parser that then fails has run out of memory
_STACK = 30  # frames of a traceback


# A function like `rag.parse.parse`; one that draws takes the number of a page too, and then gives a picture.
Parser = Callable[..., ParsedDocument | bytes]


def main(parser: str, memory_mb: str, cpu_s: str, options: str) -> None:
    """Read files until there are no more requests."""
    requests, replies = _take_pipes()
    confine(int(memory_mb))
    parse = partial(_load(parser), **json.loads(options))
    _watch_faults()
    gc.collect()
    gc.freeze()  # what is imported stays; the collector needn't look at it again
    _send(replies, Frame(Kind.READY))
    child = _Child(parse, memory=int(memory_mb) * MB, cpu_s=float(cpu_s))
    for line in requests:
        for frame in child.answer(line):
            _send(replies, frame)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    requests, replies = os.dup(0), os.dup(1)  # not inheritable, unlike what they were copied from
    _to_null(0, os.O_RDONLY)
    _to_null(1, os.O_WRONLY)
    return os.fdopen(requests, "rb"), os.fdopen(replies, "wb")


def _to_null(descriptor: int, flags: int) -> None:
    null = os.open(os.devnull, flags)
    os.dup2(null, descriptor)
    os.close(null)


def _load(parser: str) -> Parser:
    module, _, function = parser.partition(":")
    parse: Parser = getattr(importlib.import_module(module), function)
    return parse


def _watch_faults() -> None:
    """Let standard error hear where a crash was, and nothing else: libraries' warnings quote documents."""
    faults = os.dup(2)
    faulthandler.enable(faults)
    faulthandler.register(signal.SIGXCPU, faults, chain=True)  # then it ends the process
    _to_null(2, os.O_WRONLY)


def _send(replies: BinaryIO, frame: Frame) -> None:
    replies.write(frame.header())
    replies.write(frame.payload)
    replies.flush()


class _Child:
    """Answers requests.

    Args:
        parse: Reads a file.
        memory: Limit of the address space in bytes.
        cpu_s: Computing time for a file in seconds.
    """

    def __init__(self, parse: Parser, *, memory: int, cpu_s: float) -> None:
        self._parse = parse
        self._memory = memory
        self._cpu_s = cpu_s
        # Half-way from what libraries take: such a peak could be taken for the next file's.
        self._high = (memory_bytes()[1] + memory) / 2
        self._parses = 0

    def answer(self, line: bytes) -> Iterator[Frame]:
        yield Frame(Kind.STARTED)
        allow_cpu(self._cpu_s)
        kind, payload = self._outcome(Request.decode(line))
        self._parses += 1
        yield Frame(kind, payload, spent=kind is Kind.OUT_OF_MEMORY or self._is_spent(len(payload)))

    def _outcome(self, request: Request) -> tuple[Kind, bytes]:
        try:
            return self._result(request)
        except MemoryError:
            return Kind.OUT_OF_MEMORY, b""
        except InvalidInputError as error:
            if self._is_out_of_memory(error):
                return Kind.OUT_OF_MEMORY, b""
            return Kind.REFUSED, _refusal(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the process's boundary: reported to the service
            if self._is_out_of_memory(error):
                return Kind.OUT_OF_MEMORY, b""
            return Kind.FAILED, _where(error)

    def _result(self, request: Request) -> tuple[Kind, bytes]:
        data = request.path.read_bytes()
        page: dict[str, Any] = {} if request.page is None else {"page": request.page}
        result = self._parse(data, filename=request.filename, mime_type=request.mime_type, **page)
        if isinstance(result, bytes):
            return Kind.PICTURE, result
        return Kind.DOCUMENT, encode_document(result)

    def _is_out_of_memory(self, error: BaseException) -> bool:
        """Libraries call a failed allocation a broken file: lxml a syntax error, lexbor a parse error."""
        if any(isinstance(cause, MemoryError) for cause in _chain(error)):
            return True
        _, peak = memory_bytes()
        return peak > _FULL * self._memory and not isinstance(error, UnsupportedTypeError)

    def _is_spent(self, payload: int) -> bool:
        resident, peak = memory_bytes()
        return self._parses >= MAX_PARSES or resident - payload > _MAX_RESIDENT or peak > self._high


def _refusal(error: InvalidInputError) -> bytes:
    known = next(
        kind
        for kind in (UnsupportedTypeError, UnreadableFileError, InvalidInputError)
        if isinstance(error, kind)
    )
    return f"{known.__name__}\n{error}".encode("utf-8", "backslashreplace")


def _where(error: BaseException) -> bytes:
    """Types and places of an error and its causes. Not their words: those may quote the document."""
    lines = []
    for cause in _chain(error):
        kind = type(cause)
        lines.append(f"{kind.__module__}.{kind.__qualname__}")
        frames = list(traceback.walk_tb(cause.__traceback__))[-_STACK:]
        lines += [f"  {at.f_code.co_filename}:{number} {at.f_code.co_qualname}" for at, number in frames]
    return "\n".join(lines).encode("utf-8", "backslashreplace")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, its cause, the cause of that, and so on."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__


if __name__ == "__main__":
    main(*sys.argv[1:])
