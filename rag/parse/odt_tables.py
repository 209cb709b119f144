"""Tables of OpenDocument files: rows and cells with their repetitions, and which cells are merged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lxml import etree

from rag.parse.grid import Area
from rag.parse.odt_styles import TEXT
from rag.parse.office_values import integer

TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_AROUND = frozenset(TABLE + name for name in ("table-header-rows", "table-rows", "table-row-group"))
_MAX_SPAN = 1000  # columns or rows of one cell
_MAX_REPEATED = 100  # times that a row or a cell with text is repeated; empty ones may be so a million times
_LONG_CELL = 800  # characters; a cell that long holds prose, so the table is layout


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell; `element` is None when another cell covers it, or when it repeats one."""

    element: etree._Element | None
    columns: int = 1
    rows: int = 1


def read_rows(table: etree._Element) -> tuple[list[list[Cell]], int]:
    """The rows of `<table:table>`, and how many of them the file tells to be the header."""
    rows: list[list[Cell]] = []
    header_rows = 0
    for row in _rows(table):
        cells = _cells(row)
        repeated = integer(row.get(f"{TABLE}number-rows-repeated"), 1, least=1, most=_MAX_REPEATED)
        has_text = any(cell.element is not None and _length(cell.element) for cell in cells)
        rows += [cells] * (repeated if has_text else 1)
        parent = row.getparent()
        if parent is not None and parent.tag == f"{TABLE}table-header-rows":
            header_rows = len(rows)
    return rows, header_rows


def is_layout(rows: Sequence[Sequence[Cell]]) -> bool:
    """Whether the table only places things: one column of more than a list, headings, or prose."""
    cells = [cell.element for row in rows for cell in row if cell.element is not None]
    if any(_length(cell) > _LONG_CELL or _has_heading(cell) for cell in cells):
        return True
    is_line = len(rows) == 1 or all(len(row) <= 1 for row in rows)
    return is_line and any(_paragraphs(cell) > 1 for cell in cells)


def merged_areas(rows: Sequence[Sequence[Cell]]) -> list[Area]:
    """The cells that span more than one row or column; covered cells stand in the rows too."""
    return [
        Area(top, left, top + cell.rows, left + cell.columns)
        for top, row in enumerate(rows)
        for left, cell in enumerate(row)
        if cell.rows > 1 or cell.columns > 1
    ]


def _rows(parent: etree._Element) -> Iterator[etree._Element]:
    for child in parent:
        if child.tag == f"{TABLE}table-row":
            yield child
        elif child.tag in _AROUND:
            yield from _rows(child)


def _cells(row: etree._Element) -> list[Cell]:
    cells: list[Cell] = []
    for cell in row.iterfind("*"):
        if cell.tag not in {f"{TABLE}table-cell", f"{TABLE}covered-table-cell"}:
            continue
        most = _MAX_REPEATED if _length(cell) else _MAX_SPAN
        repeated = integer(cell.get(f"{TABLE}number-columns-repeated"), 1, least=1, most=most)
        if cell.tag == f"{TABLE}covered-table-cell":
            cells += [Cell(None)] * repeated
        else:
            columns = integer(cell.get(f"{TABLE}number-columns-spanned"), 1, least=1, most=_MAX_SPAN)
            rows = integer(cell.get(f"{TABLE}number-rows-spanned"), 1, least=1, most=_MAX_SPAN)
            cells += [Cell(cell, columns, rows)] * repeated
    return cells


def _paragraphs(cell: etree._Element) -> int:
    return sum(_length(paragraph) > 0 for paragraph in cell.iter(f"{TEXT}p", f"{TEXT}h"))


def _length(element: etree._Element) -> int:
    return sum(len(text.strip()) for text in element.itertext())


def _has_heading(cell: etree._Element) -> bool:
    return next(cell.iter(f"{TEXT}h"), None) is not None
