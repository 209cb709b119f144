"""Tables that are longer than a chunk, written so that every part of them stands below its header."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.chunking.blocks import caption_start
from rag.chunking.cells import split_cells, tidy_row, tidy_rule
from rag.chunking.edits import Edit, apply_edits
from rag.chunking.fields import FieldWriter
from rag.chunking.measure import CHARACTERS_PER_TOKEN, Measure
from rag.chunking.strategy import ChunkStrategy
from rag.documents import ParsedDocument, RecordSpan, TableSpan
from rag.parse.types import FileType
from rag.tokens import Tokenizer

# Files that are rows of data. Tables elsewhere are laid out for reading and stay tables if they can.
_DATA = frozenset({FileType.CSV, FileType.TSV, FileType.XLSX})
_LONG_ROW = 60  # tokens: more than a quarter of a chunk of 220, so that three fill it with their header
_SAMPLE = 200  # rows that are looked at to tell prose from numbers
_PAIR = 2  # columns: a key and its value need no header to be read
_GAP = "\n\n"
_LINE = re.compile(r"[^\n]+")


@dataclass(frozen=True, slots=True)
class _Row:
    start: int  # in the document
    end: int
    line: str  # without what only lines columns up
    size: int


@dataclass(frozen=True, slots=True)
class _Table:
    start: int  # in the document
    head: str  # the header and the line below it, tidied
    headers: list[str]
    rows: list[_Row]
    size: int  # of all of it, as it stands in the document


def repeat_table_headers(
    document: ParsedDocument,
    *,
    tokenizer: Tokenizer,
    target_tokens: int,
    strategy: ChunkStrategy = ChunkStrategy.AUTO,
) -> ParsedDocument:
    """The document with every table either short enough for a chunk or written as several that are.

    A table stays as it is when it fits into a chunk together with the headings and the caption right above
    it, or when its header is empty. Others become several, each with the same header and as many rows as fit,
    the first together with a short introduction. A row that doesn't fit below the header becomes one or more
    records `Header: value; Header: value`; all rows do when most don't fit, and in a file of data (CSV, TSV,
    XLSX) when they are long and mostly words. No text is lost, and headings, pages and records are moved
    along. To be done once, before the text is stored: a chunk is a slice of what this returns.

    Args:
        document: As parsed.
        tokenizer: The embedder's; it sees the tables, and what is right above them.
        target_tokens: Most tokens of a chunk's text.
        strategy: How the document will be cut up. By record, all rows in a file of data become records.
    """
    rewriter = _Rewriter(document, tokenizer, target_tokens, strategy)
    edits = [edit for table in document.tables if (edit := rewriter.edit(table)) is not None]
    return apply_edits(document, edits) if edits else document


class _Parts:
    """Puts a table's new text together."""

    def __init__(self, head: str) -> None:
        self.head = head
        self.tables: list[TableSpan] = []
        self._records: list[RecordSpan] = []
        self._moved: list[tuple[int, int]] = []
        self._parts: list[str] = []
        self._length = 0

    def add(self, text: str) -> int:
        """Where `text` begins."""
        gap = _GAP if self._parts else ""
        self._parts += [gap, text]
        start = self._length + len(gap)
        self._length = start + len(text)
        return start

    def add_table(self, rows: Sequence[_Row]) -> None:
        start = self.add("\n".join([self.head, *(row.line for row in rows)]))
        at = header_end = start + len(self.head)
        for row in rows:
            first, at = at + 1, at + 1 + len(row.line)
            self._moved += [(row.start, first), (row.end, at)]
        self.tables.append(TableSpan(start, header_end, at))

    def add_records(self, row: _Row, lines: Sequence[str]) -> None:
        starts = [self.add(line) for line in lines]
        self._moved += [(row.start, starts[0]), (row.end, self._length)] if starts else []
        self._records += [RecordSpan(at, at + len(line)) for at, line in zip(starts, lines, strict=True)]

    def edit(self, start: int, end: int) -> Edit:
        return Edit(
            start=start,
            end=end,
            text="".join(self._parts),
            tables=tuple(self.tables),
            records=tuple(self._records),
            moved=tuple(self._moved),
        )


class _Rewriter:
    def __init__(
        self, document: ParsedDocument, tokenizer: Tokenizer, target: int, strategy: ChunkStrategy
    ) -> None:
        self._document = document
        self._tokenizer = tokenizer
        self._target = target
        self._is_data = document.mime_type in _DATA
        self._by_record = self._is_data and strategy is ChunkStrategy.RECORD

    def edit(self, span: TableSpan) -> Edit | None:
        """The table in parts that fit; None if it is to stay as it is."""
        text = self._document.text[span.start : span.end].rstrip()
        if not self._by_record and len(text) <= self._target // 2:  # a token has a character or more
            return None
        table = _read(span, self._measure(text))
        if not self._by_record and table.size + self._lead(span.start) <= self._target:
            return None
        if not table.rows or not any(table.headers):
            return None
        return self._written(table).edit(span.start, span.start + len(text))

    def _written(self, table: _Table) -> _Parts:
        parts = _Parts(table.head)
        fields = FieldWriter(table.headers, self._tokenizer, self._target)
        widest = self._target - self._measure(table.head).size(0, len(table.head))  # row that fits below it
        if self._are_records(table, widest):
            widest = 0
        above = self._introduction(table.start)
        for run in _runs(table.rows, widest, first=widest - above):
            if run[0].size <= widest:
                parts.add_table(run)
            else:
                room = above if run[0] is table.rows[0] else 0
                parts.add_records(run[0], fields.lines(split_cells(run[0].line), above=room))
        if not parts.tables and fields.unsaid:
            parts.add("; ".join(fields.unsaid))
        return parts

    def _are_records(self, table: _Table, widest: int) -> bool:
        """Whether all the rows are better read as records."""
        rows = table.rows
        too_wide = len(table.headers) > _PAIR and sum(row.size > widest for row in rows) > len(rows) / 2
        long = sum(row.size for row in rows) / len(rows) > _LONG_ROW
        return self._by_record or too_wide or (self._is_data and long and _is_prose(rows[:_SAMPLE]))

    def _lead(self, table: int) -> int:
        """The size of the headings and the caption right above, which stay with the table."""
        text, headings = self._document.text, self._document.headings
        last = self._heading_above(table)
        start = headings[last].end if last >= 0 else 0
        start = caption_start(text, start, table, count=self._count, target_tokens=self._target)
        if last >= 0 and not text[headings[last].end : start].strip():
            start = self._first_heading(last)
        return self._size(start, table)

    def _introduction(self, table: int) -> int:
        """The size of the section above the table, which had better stay with its first rows."""
        last = self._heading_above(table)
        return self._size(self._first_heading(last) if last >= 0 else 0, table) or self._lead(table)

    def _heading_above(self, table: int) -> int:
        """The number of the last heading above the table; -1 without one."""
        return bisect_right(self._document.headings, table, key=lambda heading: heading.start) - 1

    def _first_heading(self, last: int) -> int:
        """Where the first heading begins with nothing but headings from there to heading `last`."""
        headings = self._document.headings
        while last > 0 and not self._document.text[headings[last - 1].end : headings[last].start].strip():
            last -= 1
        return headings[last].start

    def _size(self, start: int, table: int) -> int:
        """The size of the text from `start` to the table; 0 if it is over half a chunk."""
        most = self._target // 2
        if table - start > most * CHARACTERS_PER_TOKEN:
            return 0
        size = self._measure(self._document.text[start:table]).size(0, table - start)
        return size if size <= most else 0

    def _count(self, start: int, end: int) -> int:
        return len(self._tokenizer.token_spans(self._document.text[start:end]))

    def _measure(self, text: str) -> Measure:
        return Measure(text, self._tokenizer, self._target)


def _read(span: TableSpan, measure: Measure) -> _Table:
    """The table at `span`; `measure` knows its own text."""
    header, *rules = measure.text[: span.header_end - span.start].strip().split("\n")
    rows = []
    for found in _LINE.finditer(measure.text, span.header_end - span.start):
        line = tidy_row(found[0])
        if line:
            tokens = measure.count(found.start() - 1, found.end())
            size = max(tokens, -(-(len(line) + 1) // CHARACTERS_PER_TOKEN))
            start, end = measure.stripped(*found.span())
            rows.append(_Row(span.start + start, span.start + end, line, size))
    return _Table(
        start=span.start,
        head="\n".join([tidy_row(header), *map(tidy_rule, rules)]),
        headers=split_cells(header),
        rows=rows,
        size=measure.size(0, len(measure.text)),
    )


def _is_prose(rows: Sequence[_Row]) -> bool:
    text = re.sub(r"[\s|]", "", "".join(row.line for row in rows))
    return sum(map(str.isalpha, text)) > len(text) / 2


def _runs(rows: Sequence[_Row], widest: int, *, first: int) -> Iterator[list[_Row]]:
    """Rows that share a header; one larger than `widest` is alone. The first run has `first` tokens."""
    run: list[_Row] = []
    room = first
    for row in rows:
        if run and row.size > room:
            yield run
            run, room = [], widest
        run.append(row)
        room -= row.size
    yield run
