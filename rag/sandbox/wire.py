"""What the service and a child say to each other.

The service sends requests, one line of JSON each. The child answers in frames: a header of kind, whether the
child is spent, and the payload's length, then the payload. On its start it sends READY, and for each request
STARTED and one of the other kinds. The child is not trusted: nothing it sends is unpickled, and a length
above the limit is refused before the payload is read.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from rag.documents import ParsedDocument

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_NAME_LENGTH = 1024  # characters; a pipe holds 64 KB, and JSON writes one as 12 bytes at most
_HEADER = struct.Struct(">B?Q")
_LENGTH = struct.Struct(">Q")


class Kind(IntEnum):
    """What a frame says; in brackets its payload."""

    READY = 1  # the child waits for requests ()
    STARTED = 2  # it has taken one up ()
    DOCUMENT = 3  # the file is read (see `encode_document`)
    REFUSED = 4  # a parser said no (the error's name, a line break, its message)
    FAILED = 5  # a parser has a fault (where, without a word of the document)
    OUT_OF_MEMORY = 6  # ()
    PICTURE = 7  # a page of it is drawn (an image file, or nothing)


class WireError(Exception):
    """The child sent what no child sends."""


class FrameTooLargeError(WireError):
    """A payload is longer than the limit."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a child; `spent` asks for the child to be replaced."""

    kind: Kind
    payload: bytes = b""
    spent: bool = False

    def header(self) -> bytes:
        """What goes before the payload."""
        return _HEADER.pack(self.kind, self.spent, len(self.payload))


class FrameReader:
    """Puts frames together from the pieces in which they arrive.

    Args:
        max_bytes: Longest payload.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that `data` completes; those before a fault come before it is raised.

        Raises:
            FrameTooLargeError: A header announces a payload above the limit.
            WireError: A header is of no known kind.
        """
        self._buffer += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> Frame | None:
        if len(self._buffer) < _HEADER.size:
            return None
        code, spent, length = _HEADER.unpack_from(self._buffer)
        try:
            kind = Kind(code)
        except ValueError as error:
            raise WireError(f"kind {code}") from error
        if length > self._max_bytes:
            raise FrameTooLargeError(f"{length} bytes")
        end = _HEADER.size + length
        if len(self._buffer) < end:
            return None
        with memoryview(self._buffer) as view:
            payload = bytes(view[_HEADER.size : end])
        del self._buffer[:end]
        return Frame(kind, payload, spent)


@dataclass(frozen=True, slots=True)
class Request:
    """A file to read. Its path and names may hold the lone surrogates of undecodable file names.

    Of the file's name only the end is passed on, of its type only the start: a line must fit into a pipe.
    With a page the parser is asked for a picture of that page.
    """

    path: Path
    filename: str | None
    mime_type: str | None
    page: int | None = None

    def encode(self) -> bytes:
        """One line; the standard library's JSON, which takes lone surrogates."""
        fields = {
            "path": str(self.path.absolute()),
            "filename": self.filename and self.filename[-_NAME_LENGTH:],
            "mime_type": self.mime_type and self.mime_type[:_NAME_LENGTH],
            "page": self.page,
        }
        return json.dumps(fields).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> "Request":
        """What `encode` wrote."""
        fields = json.loads(line)
        return cls(Path(fields["path"]), fields["filename"], fields["mime_type"], fields["page"])


def encode_document(document: ParsedDocument) -> bytes:
    """All but the text as JSON, with its length before it; then the text in UTF-8, which is quicker to read.

    Raises:
        UnicodeEncodeError: The text holds a lone surrogate.
        TypeError: Another field holds one, or something that isn't JSON.
    """
    rest = orjson.dumps(replace(document, text=""))
    return b"".join((_LENGTH.pack(len(rest)), rest, document.text.encode()))


def decode_document(payload: bytes) -> ParsedDocument:
    """The document that `encode_document` wrote.

    Raises:
        WireError: It is no document.
    """
    try:
        (length,) = _LENGTH.unpack_from(payload)
        end = _LENGTH.size + length
        document = _adapter().validate_json(payload[_LENGTH.size : end], strict=True)
        return replace(document, text=str(memoryview(payload)[end:], "utf-8"))
    except (struct.error, ValueError) as error:
        raise WireError("not a document") from error


@cache
def _adapter() -> "TypeAdapter[ParsedDocument]":
    # Here, because children import this module and have no use for Pydantic's 10 MB.
    from pydantic import TypeAdapter  # noqa: PLC0415

    return TypeAdapter(ParsedDocument)
