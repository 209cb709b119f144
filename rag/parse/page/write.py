"""Writes a page into a document: its text in reading order, tables and headings in their places."""

from collections.abc import Sequence

from rag.parse.builder import DocumentBuilder
from rag.parse.page.layout import Layout, PageHeading, PageTable
from rag.parse.page.text import PageText


def write_page(
    builder: DocumentBuilder,
    layout: Layout,
    tidy: PageText,
    *,
    tables: Sequence[PageTable] = (),
    headings: Sequence[PageHeading] = (),
) -> None:
    """Append a page's lines; each table stands where its first line was, each heading by itself."""
    tabled = {table.lines[0]: table for table in tables}
    headed = {heading.first: heading for heading in headings}
    skipped = {line for table in tables for line in table.lines}
    start = 0  # of the lines that are not written yet
    number = 0
    while number < len(layout.lines):
        if number not in headed and number not in skipped:
            number += 1
            continue
        _write_lines(builder, layout, tidy, start, number)
        if number in tabled:
            _write_table(builder, tabled[number], tidy)
        last = number
        if number in headed:
            heading = headed[number]
            last = heading.last
            builder.heading(tidy.tidy(_lines(layout, number, last + 1)), heading.level)
        start = number = last + 1
    _write_lines(builder, layout, tidy, start, number)


def _write_lines(builder: DocumentBuilder, layout: Layout, tidy: PageText, start: int, end: int) -> None:
    if start < end:
        builder.verbatim(tidy.tidy(_lines(layout, start, end)))


def _lines(layout: Layout, start: int, end: int) -> str:
    """The raw text of lines `[start, end)`."""
    return layout.text[layout.lines[start].start : layout.lines[end - 1].end]


def _write_table(builder: DocumentBuilder, table: PageTable, tidy: PageText) -> None:
    builder.paragraph(tidy.tidy(table.caption))
    rows = [[tidy.tidy(cell) for cell in row] for row in table.rows]
    builder.table(rows, header_rows=table.header_rows)
