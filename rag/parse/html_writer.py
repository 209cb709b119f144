"""Readable text, put together piece by piece with HTML's white-space rules."""

from rag.documents import Heading, TableSpan
from rag.parse.builder import DocumentBuilder
from rag.parse.decode import normalise_lines
from rag.parse.spans import SpannedCell, write_spanned_table
from rag.parse.titles import tidy_title
from rag.parse.types import FileType

_MAX_INDENT = 8  # list levels; deeper ones are not indented further
PARAGRAPH = 2  # line ends before and after a paragraph
LINE = 1


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
        self._rows: list[list[SpannedCell]] = []
        self._cell: list[str] | None = None  # the text of the open table cell, all on one line
        self._heading: tuple[int, int] | None = None
        self.headings: list[Heading] = []
        self.tables: list[TableSpan] = []

    def result(self) -> str:
        return "".join(self._parts)

    def gap(self, lines: int) -> None:
        """End the line; inside a table cell, where everything stands on one line, only a space."""
        if self._cell is not None:
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
        if self._cell is not None:
            self.inline(text)
            return
        text = normalise_lines(text)  # a reference such as &#13; brings its own
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
        if self._cell is None:
            self._marker = "  " * min(level, _MAX_INDENT) + marker

    def end_item(self) -> None:
        self._marker = ""
        self.gap(LINE)

    def start_row(self) -> None:
        """Start a row of a data table, which is written when the table ends."""
        self._rows.append([])

    def start_cell(self) -> None:
        self._space = False
        self._cell = []

    def end_cell(self, *, columns: int, rows: int, is_header: bool) -> None:
        text = "".join(self._cell or ())
        self._rows[-1].append(SpannedCell(text, columns, rows, is_header))
        self._cell = None
        self._space = False

    def end_table(self) -> None:
        """Write the rows as a Markdown table; nothing when no cell held text."""
        builder = DocumentBuilder()
        write_spanned_table(builder, self._rows)
        self._rows = []
        table = builder.build(FileType.HTML)
        if table.text:
            self._marker = ""  # a table in a list item stands for itself
            self._space = False
            self._put(table.text)
            at = self._length - len(table.text)
            self.tables += [
                TableSpan(at + span.start, at + span.header_end, at + span.end) for span in table.tables
            ]
        self.gap(PARAGRAPH)

    def start_heading(self, level: int) -> None:
        self.gap(PARAGRAPH)
        self._marker = ""  # a heading in a list item stands for itself
        self._heading = (level, len(self._parts))

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
        if self._cell is not None:
            self._cell.append(f" {text}" if self._space and self._cell else text)
            self._space = False
            return
        spaced = self._space and not self._gap
        self._flush()
        if self._marker:
            self._write(self._marker)
            self._marker = ""
        elif spaced and self._parts and not self._parts[-1].endswith((" ", "\n")):
            self._write(" ")
        self._space = self._broken = False
        self._write(text)

    def _flush(self) -> None:
        if self._gap and self._length:
            self._write("\n" * self._gap)
        self._gap = 0

    def _write(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
