"""Files inside a file: the members of an archive, the attachments of a message."""

import re
from collections.abc import Callable

from rag.documents import ParsedDocument
from rag.errors import InvalidInputError
from rag.parse.builder import DocumentBuilder
from rag.parse.types import SUPPORTED

ReadFile = Callable[[bytes, str | None, str | None], ParsedDocument]
"""Reads a file of which bytes, name and MIME type are known; raises `InvalidInputError`."""

MAX_WARNINGS = 50  # a person reads no more; an archive may hold a thousand files that can't be read
_MAX_LABEL = 200  # characters
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")


class MemberWriter:
    """Appends the documents of members, each under a heading with its name; collects what can't be read."""

    def __init__(self, builder: DocumentBuilder, read: ReadFile) -> None:
        self._builder = builder
        self._read = read
        self._warnings: list[str] = []
        self.written = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """At most `MAX_WARNINGS`, the last of them a count of those left out."""
        if len(self._warnings) <= MAX_WARNINGS:
            return tuple(self._warnings)
        rest = len(self._warnings) - MAX_WARNINGS + 1
        return (*self._warnings[: MAX_WARNINGS - 1], f"and {rest} more of this kind")

    def add(self, data: bytes, name: str, mime_type: str | None = None) -> None:
        """Append what `data` holds, or warn why it can't be read."""
        try:
            part = self._read(data, name, mime_type)
        except InvalidInputError as error:
            self.warn(name, str(error).removesuffix(f"; {SUPPORTED}"))
        else:
            self.add_document(part, name)

    def add_document(self, part: ParsedDocument, name: str) -> None:
        shown = label(name)
        self._builder.heading(shown, 1)
        self._builder.document(part, level=1)
        self._warnings += [f"{shown}: {warning}" for warning in part.warnings]
        self.written += 1

    def warn(self, name: str, reason: str) -> None:
        self._warnings.append(f"{label(name)}: {reason}")


def label(name: str) -> str:
    """`name` as it can be shown: on one line, without control characters, not endless."""
    shown = " ".join(_CONTROL.sub(" ", name).split()) or "(no name)"
    return shown if len(shown) <= _MAX_LABEL else "…" + shown[1 - _MAX_LABEL :]
