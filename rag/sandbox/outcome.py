"""What became of a file, from a child's last frame or the way it ended."""

import asyncio
import signal

import structlog

from rag.documents import ParsedDocument
from rag.errors import (
    GroundworkError,
    InvalidInputError,
    UnavailableError,
    UnreadableFileError,
    UnsupportedTypeError,
)
from rag.sandbox.limits import Limits
from rag.sandbox.process import ParserProcess
from rag.sandbox.wire import Frame, FrameTooLargeError, Kind, WireError, decode_document

log = structlog.get_logger(__name__)

_REFUSALS = {kind.__name__: kind for kind in (InvalidInputError, UnsupportedTypeError, UnreadableFileError)}
_MAX_MESSAGE = 2000  # characters; the longest of a parser is a few lines
_MAX_LOGGED = 8000  # characters of a traceback
_AT_ONCE = 256 * 1024  # bytes that are decoded in 2 ms; more would keep other requests waiting
# Sent by an operator, or by the kernel when the machine is out of memory.
_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


async def document_of(frame: Frame, limits: Limits) -> ParsedDocument:
    """The document in a child's answer.

    Raises:
        InvalidInputError: Its subclasses say what is wrong with the file.
    """
    if frame.kind is Kind.DOCUMENT:
        try:
            if len(frame.payload) <= _AT_ONCE:
                return decode_document(frame.payload)
            return await asyncio.to_thread(decode_document, frame.payload)
        except WireError as error:
            raise broken_wire(error, limits) from error
    raise _refusal(frame, limits)


def picture_of(frame: Frame, limits: Limits) -> bytes:
    """The picture in a child's answer.

    Raises:
        InvalidInputError: Its subclasses say what is wrong with the file.
    """
    if frame.kind is Kind.PICTURE:
        return frame.payload
    raise _refusal(frame, limits)


def _refusal(frame: Frame, limits: Limits) -> InvalidInputError:
    text = frame.payload.decode("utf-8", "replace")
    if frame.kind is Kind.OUT_OF_MEMORY:
        return UnreadableFileError(f"the file needs more than {limits.memory_mb} MB of memory to read")
    if frame.kind is Kind.REFUSED:
        name, _, message = text.partition("\n")
        return _REFUSALS.get(name, InvalidInputError)(message[:_MAX_MESSAGE])
    log.error("parser_failed", where=text[-_MAX_LOGGED:])
    return UnreadableFileError("the file could not be read")


def broken_wire(error: WireError, limits: Limits) -> InvalidInputError:
    """What a file has done whose reader doesn't keep to the protocol."""
    if isinstance(error, FrameTooLargeError):
        return UnreadableFileError(f"the file holds more text than {limits.output_mb} MB")
    log.error("parser_misspoke", reason=str(error))
    return UnreadableFileError("the file could not be read")


def too_slow(seconds: float) -> UnreadableFileError:
    """What a file has done that a limit on time has ended."""
    return UnreadableFileError(f"reading the file took longer than {seconds:g} seconds")


async def cause_of_death(process: ParserProcess, limits: Limits) -> GroundworkError:
    """Why a child ended that was reading a file, and was not ended by us."""
    code = await process.exit_code()
    if code == -signal.SIGXCPU:
        log.warning("parser_too_slow", where=process.last_words)
        return too_slow(limits.cpu_s)
    if code is not None and -code in _FROM_OUTSIDE:
        log.warning("parser_killed", signal=_name(code))
        return UnavailableError("reading the file was interrupted")
    log.error("parser_crashed", signal=_name(code), where=process.last_words)
    # pdfium aborts when it gets no memory; nothing tells that from a fault of its own.
    return UnreadableFileError(
        f"the file crashed its reader: it may be broken, or need more than {limits.memory_mb} MB of memory"
    )


def _name(code: int | None) -> str:
    if code is None:
        return "none"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit {code}"
