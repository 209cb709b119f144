"""The headers of a mail message, decoded however they were written.

Standards want ASCII with encoded words (RFC 2047); real mail has raw UTF-8, Latin-1, unknown character sets
and encoded words that are cut off. `email`'s modern policy raises on some of these, so headers are taken as
they stand in the file and decoded here.
"""

import binascii
import re
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.policy import Compat32

from rag.parse.decode import storable

_MAX_HEADER = 2000  # characters; a message to a thousand people says nothing with the rest
_MAX_RAW = 10_000  # characters as written, in which a sign takes up to twelve
_CONTROL = re.compile("[\x00-\x1f\x7f]+")


class _AsWritten(Compat32):
    """Headers as they stand in the file, bytes beyond ASCII as surrogates, instead of with signs lost.

    They are cut, since `email` looks through parameters in a time that grows with the square of their number.
    """

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value[:_MAX_RAW]


AS_WRITTEN = _AsWritten()


def header(message: Message, name: str) -> str:
    """The header `name` on one line, or an empty string; of several, the first."""
    return decoded(str(message.get(name, "")))


def decoded(raw: str) -> str:
    """A header's value as people read it."""
    text = _text(raw.encode("utf-8", "surrogateescape"), None)
    if "=?" in text:
        text = _without_encoded_words(text)
    text = " ".join(storable(_CONTROL.sub(" ", text)).split())
    return text if len(text) <= _MAX_HEADER else text[: _MAX_HEADER - 1] + "…"


def _without_encoded_words(text: str) -> str:
    try:
        parts = decode_header(text)
    except (HeaderParseError, binascii.Error, ValueError):
        return text
    return "".join(
        part if isinstance(part, str) else _text(part, charset and charset.lower()) for part, charset in parts
    )


def _text(data: bytes, charset: str | None) -> str:
    """Latin-1 when nothing else fits: it gives a character for every byte."""
    for encoding in (charset, "utf-8"):
        if encoding is not None:
            try:
                return data.decode(encoding)
            except (UnicodeError, LookupError, ValueError):
                continue
    return data.decode("latin-1")
