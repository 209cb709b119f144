"""Readable text, put together piece by piece with HTML's white-space rules."""

from dataclasses import dataclass

from rag.documents import Heading
from rag.parse.titles import tidy_title

_MAX_INDENT = 8  # list levels; deeper ones are not indented further
PARAGRAPH = 2  # line ends before and after a paragraph
LINE = 1


@dataclass(frozen=True, slots=True)
class _RowStart:
    """Where the writer stood before a table row."""

    parts: int
    length: int
    gap: int


class HtmlWriter:
    """Collects text; `length` is where the next character will stand, once gaps are written."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._gap = 0
        self._broken = False
        self._space = False
        self._marker = ""
        self._kept = ""  # the tail of preformatted text, written only if more follows
        self._flat = 0
        self._row: _RowStart | None = None
        self._row_has_text = self._row_has_cell = False
        self._heading: tuple[int, int] | None = None
        self.headings: list[Heading] = []

    def result(self) -> str:
        return "".join(self._parts)

    def gap(self, lines: int) -> None:
        """End the line; inside a table row, where everything stands on one line, only a space."""
        if self._flat:
            self._space = True
        else:
            self._gap = max(self._gap, lines)

    def line_break(self) -> None:
        """A `<br>`; two in a row part paragraphs."""
        self.gap(PARAGRAPH if self._broken else LINE)
        self._broken = True

    def inline(self, text: str) -> None:
        """Running text: runs of white space count as one space."""
        words = text.split()
        if not words:
            self._space = self._space or bool(text)
            return
        self._space = self._space or text[0].isspace()
        self._put(" ".join(words))
        self._space = text[-1].isspace()

    def verbatim(self, text: str) -> None:
        """Preformatted text: white space is kept, save line ends before and after the block."""
        if self._flat:
            self.inline(text)
            return
        body = text.rstrip()
        if body:
            self._put(self._kept + body)
            self._kept = ""
        self._kept += text[len(body) :]

    def end_verbatim(self) -> None:
        self._kept = ""
        self.gap(PARAGRAPH)

    def item(self, marker: str, level: int) -> None:
        """Start a list item; the marker is written with its first text."""
        self.gap(LINE)
        if not self._flat:
            self._marker = "  " * min(level, _MAX_INDENT) + marker

    def end_item(self) -> None:
        self._marker = ""
        self.gap(LINE)

    def start_row(self) -> None:
        self.gap(LINE)
        if self._flat == 0:
            self._row = _RowStart(len(self._parts), self._length, self._gap)
            self._row_has_text = self._row_has_cell = False
            self._flush()
        self._flat += 1

    def cell(self) -> None:
        """Start a table cell."""
        self._space = False
        self._write(" | " if self._row_has_cell else "| ")
        self._row_has_cell = True

    def end_row(self) -> None:
        """Close the row, or take it back when no cell held text."""
        self._flat -= 1
        if self._flat or self._row is None:
            return
        self._space = False
        if self._row_has_text:
            self._write(" |")
        else:
            del self._parts[self._row.parts :]
            self._length, self._gap = self._row.length, self._row.gap
        self._row = None
        self.gap(LINE)

    def start_heading(self, level: int) -> None:
        self.gap(PARAGRAPH)
        self._marker = ""  # a heading in a list item stands for itself
        self._heading = None if self._flat else (level, len(self._parts))

    def end_heading(self) -> None:
        if self._heading is not None:
            level, first = self._heading
            title = "".join(self._parts[first:])
            line = title.lstrip()
            if line:
                start = self._length - len(line)
                self.headings.append(
                    Heading(start=start, end=self._length, level=level, title=tidy_title(line))
                )
        self._heading = None
        self.gap(PARAGRAPH)

    def _put(self, text: str) -> None:
        spaced = self._space and not self._gap
        self._flush()
        if self._marker:
            self._write(self._marker)
            self._marker = ""
        elif spaced and self._parts and not self._parts[-1].endswith((" ", "\n")):
            self._write(" ")
        self._space = self._broken = False
        self._row_has_text = True
        self._write(text)

    def _flush(self) -> None:
        if self._gap and self._length:
            self._write("\n" * self._gap)
        self._gap = 0

    def _write(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
