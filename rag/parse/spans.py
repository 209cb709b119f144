"""Cells that span rows and columns, as HTML and its like have them, placed on a grid."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from rag.parse.builder import DocumentBuilder
from rag.parse.grid import Area, write_table

MAX_COLUMNS = 1000  # HTML's own limit for a span; what lies beyond is left out
_MAX_HEADER_ROWS = 4


@dataclass(frozen=True, slots=True)
class SpannedCell:
    """A cell; `columns` and `rows` are how many it covers, at least 1."""

    text: str
    columns: int = 1
    rows: int = 1
    is_header: bool = False


def span(raw: str | None) -> int:
    """The number of a `colspan` or `rowspan` attribute; 1 when it is none."""
    number = int(raw) if raw and len(raw) < 6 and raw.isascii() and raw.isdigit() else 1  # noqa: PLR2004
    return max(1, min(number, MAX_COLUMNS))


def write_spanned_table(builder: DocumentBuilder, rows: Sequence[Sequence[SpannedCell]]) -> None:
    """Append a table of cells in reading order; rows at its top that are one cell are titles above it."""
    texts, merged = _placed(rows)
    width = max(map(len, texts), default=0)
    titles = 0
    while titles < len(rows) - 1 and width > 1 and len(rows[titles]) == 1 and len(texts[titles]) == width:
        builder.paragraph(" ".join("".join(texts[titles]).split()))
        titles += 1
    merged = [area.moved(titles) for area in merged if area.top >= titles] if titles else merged
    write_table(builder, texts[titles:], merged=merged, header_rows=_header_rows(rows[titles:]))


def _placed(rows: Sequence[Sequence[SpannedCell]]) -> tuple[list[list[str]], list[Area]]:
    """The grid's texts, each in the first place that its cell covers, and the areas of spanning cells.

    A cell goes to the first free column of its row (HTML Standard, "forming a table"). Columns in which no
    cell begins are left out: a page may span thousands with a few words.
    """
    places = _places(rows)
    begun = sorted({area.left for row in places for area in row})
    columns = {column: number for number, column in enumerate(begun)}
    texts: list[list[str]] = []
    merged: list[Area] = []
    for row, areas in zip(rows, places, strict=True):
        placed: list[str] = []
        for cell, area in zip(row, areas, strict=False):  # what lies beyond the last column has no place
            left, right = columns[area.left], bisect_left(begun, area.right)
            placed += [""] * (left - len(placed)) + [cell.text] + [""] * (right - left - 1)
            if right - left > 1 or area.bottom - area.top > 1:
                merged.append(Area(area.top, left, area.bottom, right))
        texts.append(placed)
    return texts, merged


def _places(rows: Sequence[Sequence[SpannedCell]]) -> list[list[Area]]:
    """For each row, the areas that its cells cover."""
    taken: dict[int, int] = {}  # column: first row that is free again
    places: list[list[Area]] = []
    for number, row in enumerate(rows):
        areas: list[Area] = []
        column = 0
        for cell in row:
            while taken.get(column, 0) > number:
                column += 1
            right = min(column + cell.columns, MAX_COLUMNS)
            if right <= column:
                break
            areas.append(Area(number, column, min(number + cell.rows, len(rows)), right))
            if cell.rows > 1:
                taken.update(dict.fromkeys(range(column, right), areas[-1].bottom))
            column = right
        places.append(areas)
    return places


def _header_rows(rows: Sequence[Sequence[SpannedCell]]) -> int | None:
    """How many rows are marked as header; 0 when each row names itself, None when nothing tells."""
    marked = 0
    while marked < len(rows) and rows[marked] and all(cell.is_header for cell in rows[marked]):
        marked += 1
    if 1 < marked <= _MAX_HEADER_ROWS and marked < len(rows):
        return marked
    named = all(len(row) > 1 and row[0].is_header and not row[1].is_header for row in rows)
    return 0 if named and len(rows) > 1 else None
