"""Tables of Word documents: rows and cells, whatever stands around them, and which cells are merged."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lxml import etree

from rag.parse.grid import Area
from rag.parse.office_values import integer, is_on
from rag.parse.ooxml import W

_MAX_SPAN = 100  # columns; Word allows 63
_LONG_CELL = 800  # characters; a cell that long holds prose, so the table is layout
_AROUND = frozenset(W + name for name in ("sdt", "sdtContent", "ins", "moveTo", "customXml"))


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a row.

    Attributes:
        element: `<w:tc>`.
        columns: How many columns it spans.
        is_continued: It is the lower part of a cell that began in a row above.
    """

    element: etree._Element
    columns: int
    is_continued: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table.

    Attributes:
        cells: From left to right.
        indent: Empty columns before the first.
        is_header: Word repeats it at the top of each page.
    """

    cells: Sequence[Cell]
    indent: int
    is_header: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as rows of text, with its merged cells; `header_rows` is None when the file does not tell."""

    rows: list[list[str]]
    merged: list[Area]
    header_rows: int | None


def read_rows(table: etree._Element) -> list[Row]:
    """The rows of `<w:tbl>`, without deleted and hidden ones."""
    rows = []
    for element in _children(table, f"{W}tr"):
        properties = element.find(f"{W}trPr")
        if properties is not None and (
            properties.find(f"{W}del") is not None or is_on(properties.find(f"{W}hidden"))
        ):
            continue
        rows.append(
            Row(
                cells=[_cell(cell) for cell in _children(element, f"{W}tc")],
                indent=_number(properties, "gridBefore", 0),
                is_header=properties is not None and is_on(properties.find(f"{W}tblHeader")),
            )
        )
    return rows


def is_continued(cell: etree._Element) -> bool:
    """Whether `<w:tc>` is the lower part of a merged cell; Word does not show what is in it."""
    merge = cell.find(f"{W}tcPr/{W}vMerge")
    return merge is not None and merge.get(f"{W}val", "continue") == "continue"


def is_layout(rows: Sequence[Row], is_heading: Callable[[etree._Element], bool]) -> bool:
    """Whether the table only places things on the page.

    Args:
        rows: Its rows.
        is_heading: Whether a paragraph is a heading.
    """
    cells = [cell.element for row in rows for cell in row.cells if not cell.is_continued]
    if any(_length(cell) > _LONG_CELL or any(map(is_heading, cell.iter(f"{W}p"))) for cell in cells):
        return True
    is_line = len(rows) == 1 or all(len(row.cells) <= 1 for row in rows)
    return is_line and any(_paragraphs_with_text(cell) > 1 for cell in cells)


def laid_out(rows: Sequence[Row], texts: Sequence[Sequence[str]]) -> Grid:
    """The table with its cells in their columns.

    Args:
        rows: Its rows.
        texts: The text of each cell of each row.
    """
    grid: list[list[str]] = []
    merged: list[Area] = []
    begun: dict[int, tuple[int, int]] = {}  # cells of the row above, by column: first row and right edge
    for number, (row, row_texts) in enumerate(zip(rows, texts, strict=True)):
        line = [""] * row.indent
        here: dict[int, tuple[int, int]] = {}
        for cell, text in zip(row.cells, row_texts, strict=True):
            left = len(line)
            above = begun.get(left) if cell.is_continued else None
            here[left] = above or (number, left + cell.columns)
            line += ["" if above else text, *[""] * (cell.columns - 1)]
        merged += _ended(begun, here, number)
        begun = here
        grid.append(line)
    merged += _ended(begun, {}, len(rows))
    headers = next((number for number, row in enumerate(rows) if not row.is_header), 0)
    return Grid(grid, merged, headers or None)


def _ended(begun: dict[int, tuple[int, int]], here: dict[int, tuple[int, int]], bottom: int) -> list[Area]:
    """The cells that do not go on in row `bottom`, if they span more than one row or column."""
    return [
        Area(top, left, bottom, right)
        for left, (top, right) in begun.items()
        if here.get(left) != (top, right) and (right - left > 1 or bottom - top > 1)
    ]


def _children(parent: etree._Element, tag: str) -> Iterator[etree._Element]:
    """Children of that kind, also those in content controls and in tracked insertions."""
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in _AROUND:
            yield from _children(child, tag)


def _cell(element: etree._Element) -> Cell:
    columns = max(1, _number(element.find(f"{W}tcPr"), "gridSpan", 1))
    return Cell(element, columns, is_continued=is_continued(element))


def _number(properties: etree._Element | None, name: str, default: int) -> int:
    found = properties.find(W + name) if properties is not None else None
    return integer(found.get(f"{W}val"), default, most=_MAX_SPAN) if found is not None else default


def _paragraphs_with_text(cell: etree._Element) -> int:
    return sum(_length(paragraph) > 0 for paragraph in cell.iterfind(f".//{W}p"))


def _length(element: etree._Element) -> int:
    return sum(len((text.text or "").strip()) for text in element.iter(f"{W}t"))
