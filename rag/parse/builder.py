"""Puts a document's text together, and keeps count of where its headings, tables, pages and records are.

Parsers of formats with a structure of their own (office files, books, mail, records) write through this, so
that one kind of thing looks the same whatever it came from: paragraphs are separated by a blank line, list
items are `- …`, tables are Markdown with their header first, headings stand on a line of their own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rag.documents import Heading, PageSpan, ParsedDocument, RecordSpan, TableSpan
from rag.parse.titles import tidy_title

PAGE_BREAK = "\n\f"
_PARAGRAPH = "\n\n"
_MAX_LEVEL = 6
_MAX_INDENT = 8  # list levels; deeper ones are shown at this depth


class DocumentBuilder:
    r"""Append in reading order, then `build`. White space around what is appended is dropped."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._in_lines = False  # the last part was a line, and a line may stand directly under it
        self._starts: list[int] = []  # where each part begins
        self._headings: list[Heading] = []
        self._tables: list[TableSpan] = []
        self._pages: list[PageSpan] = []
        self._records: list[RecordSpan] = []

    @property
    def length(self) -> int:
        """Characters so far, the gap before the next part not counted."""
        return self._length

    def heading(self, title: str, level: int) -> None:
        """A heading on a line of its own; `level` counts from 1 and is cut at 6."""
        title = tidy_title(title)
        if title:
            start = self._append(title)
            level = min(max(level, 1), _MAX_LEVEL)
            self._headings.append(Heading(start=start, end=self._length, level=level, title=title))

    def paragraph(self, text: str) -> None:
        """A block of text; line breaks inside it are kept."""
        text = text.strip()
        if text:
            self._append(text)

    def line(self, text: str) -> None:
        """A block that stands directly under the one before it when that is a line too."""
        text = text.strip()
        if text:
            self._append(text, is_line=True)

    def item(self, text: str, *, depth: int = 0, marker: str = "- ") -> None:
        """A list item; `depth` counts from 0."""
        text = text.strip()
        if text:
            indented = "  " * min(max(depth, 0), _MAX_INDENT) + marker + " ".join(text.split())
            self._append(indented, is_line=True)

    def verbatim(self, text: str) -> None:
        """Text whose lines and indentation mean something, such as code."""
        if text.strip():
            self._append(text.strip("\n"))

    def table(
        self, rows: Sequence[Sequence[str]], *, header_rows: int = 1, rows_are_records: bool = False
    ) -> None:
        """A Markdown table; of several header rows, the cells of a column are joined.

        Rows may be of different lengths: short ones are filled up. Empty rows and columns are left out. With
        `header_rows` 0 the header's cells are empty. A table of one cell is a paragraph. With
        `rows_are_records` the line of each row below the header is a record too.
        """
        header, body = _shaped(rows, header_rows)
        if len(header) == 1 and len(body) + bool(header[0]) <= 1:
            self.paragraph(header[0] or "".join(cell for row in body for cell in row))
            return
        if not header:
            return
        rule = "| " + " | ".join("---" for _ in header) + " |"
        head = f"{_row(header)}\n{rule}"
        lines = [_row(row) for row in body]
        start = self._append("\n".join([head, *lines]))
        self._tables.append(TableSpan(start=start, header_end=start + len(head), end=self._length))
        if rows_are_records:
            self._add_records(lines, start + len(head))

    @contextmanager
    def page(self, number: int) -> Iterator[None]:
        """What is appended inside is on page (or slide, or sheet) `number`, counted from 1."""
        if self._pages:
            self._parts.append(PAGE_BREAK)
            self._length += len(PAGE_BREAK)
        start = self._length
        yield
        self._pages.append(PageSpan(number=number, start=start, end=self._length))

    @contextmanager
    def record(self) -> Iterator[None]:
        """What is appended inside is one record, such as a row of a table of data or an object of JSON."""
        first = len(self._starts)
        yield
        if len(self._starts) > first:
            self._records.append(RecordSpan(start=self._starts[first], end=self._length))

    def document(self, part: ParsedDocument, *, level: int) -> None:
        """Another document's text with all that is known of it, its headings below `level`."""
        if not part.text.strip():
            return
        lead = len(part.text) - len(part.text.lstrip())
        above = self._headings[-1:]
        at = self._append(part.text.strip()) - lead
        end = self._length
        self._add_pages(part, at, above[0] if above and above[0].end + len(_PARAGRAPH) == at + lead else None)
        for h in part.headings:
            if at + h.end <= end:
                deeper = min(h.level + level, _MAX_LEVEL)
                self._headings.append(Heading(at + h.start, at + h.end, deeper, h.title))
        self._tables += [TableSpan(at + t.start, at + t.header_end, at + t.end) for t in part.tables]
        self._records += [RecordSpan(at + r.start, at + r.end) for r in part.records]

    def build(
        self, mime_type: str, *, title: str | None = None, warnings: Sequence[str] = ()
    ) -> ParsedDocument:
        return ParsedDocument(
            text="".join(self._parts),
            mime_type=mime_type,
            title=title,
            headings=tuple(self._headings),
            pages=tuple(self._pages),
            tables=tuple(self._tables),
            records=tuple(self._records),
            warnings=tuple(warnings),
        )

    def _add_pages(self, part: ParsedDocument, at: int, heading: Heading | None) -> None:
        """The pages of a document whose text begins at `at`; a heading above it is on the first of them."""
        start, end = self._starts[-1], self._length
        for page in part.pages:
            first, last = max(at + page.start, start), max(at + page.end, start)
            if heading is not None and page is part.pages[0] and first == start:
                first = heading.start
            self._pages.append(PageSpan(page.number, min(first, end), min(last, end)))

    def _add_records(self, lines: list[str], at: int) -> None:
        """Each line is a record; `at` is where the line above the first ends."""
        for line in lines:
            start, at = at + 1, at + 1 + len(line)
            self._records.append(RecordSpan(start=start, end=at))

    def _append(self, text: str, *, is_line: bool = False) -> int:
        """Where `text` begins, after the gap that parts it from what is there already."""
        fresh = not self._parts or self._parts[-1] == PAGE_BREAK
        gap = "" if fresh else "\n" if is_line and self._in_lines else _PARAGRAPH
        start = self._length + len(gap)
        self._parts += [gap, text]
        self._length = start + len(text)
        self._in_lines = is_line
        self._starts.append(start)
        return start


def _shaped(rows: Sequence[Sequence[str]], header_rows: int) -> tuple[list[str], list[list[str]]]:
    """Header and body, all of one width, without empty rows and columns."""
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    width = max((len(row) for row in cells), default=0)
    cells = [row + [""] * (width - len(row)) for row in cells]
    used = [column for column in range(width) if any(row[column] for row in cells)]
    header = [_joined([row[column] for row in cells[:header_rows]]) for column in used]
    body = [[row[column] for column in used] for row in cells[header_rows:] if any(row)]
    return header, body


def _joined(parts: list[str]) -> str:
    """The header cells above one column; a cell merged over several rows counts once."""
    return " ".join(part for n, part in enumerate(parts) if part and part not in parts[:n])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
