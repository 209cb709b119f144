"""Tables with merged cells, written so that every cell stands under its own header.

Markdown has no merged cells. A header cell that spans columns is repeated above each of them, so that what
stands below keeps its name. A body cell that spans rows is repeated in each, so that a row means the same
when it is read alone; one that spans columns stands in the first of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rag.parse.builder import DocumentBuilder
from rag.parse.table_header import Kind, kind_of

MAX_COLUMNS = 16_384  # Excel's; no other format has more
_REPEATED_CELL = 200  # characters; a longer merged cell is prose, and prose is not repeated
_REPEATED = 1_000_000  # characters that repeating may add to one table
_PADDED = 1_000_000  # cells; up to here short rows are filled up whatever it costs
_SPARSE = 20  # times more cells than filled ones: the rest would be nothing but bars
_MAX_HEADER_ROWS = 4


@dataclass(frozen=True, slots=True)
class Area:
    """Merged cells: rows `[top, bottom)` and columns `[left, right)`; the text is in the first of them."""

    top: int
    left: int
    bottom: int
    right: int

    def moved(self, rows: int, columns: int = 0) -> "Area":
        return Area(self.top - rows, self.left - columns, self.bottom - rows, self.right - columns)


def write_table(
    builder: DocumentBuilder,
    rows: Sequence[Sequence[str]],
    *,
    merged: Sequence[Area] = (),
    header_rows: int | None = None,
    rows_are_records: bool = False,
) -> None:
    """Append a table; a first row that is one cell merged over all columns becomes a paragraph above it.

    Args:
        builder: What it is written to.
        rows: Text of the cells; merged ones are empty but for their first.
        merged: Which cells are merged.
        header_rows: How many rows are the header; when None, the first and those that merged cells tie to it.
        rows_are_records: Each body row is a record too.
    """
    width = max(map(len, rows), default=0)
    titles = _title_rows(rows, merged, width)
    for row in rows[:titles]:
        builder.paragraph(" ".join("".join(row).split()))
    rows = rows[titles:]
    merged = [area.moved(titles) for area in merged if area.top >= titles]
    header_rows = None if header_rows is None else max(0, header_rows - titles)
    if is_mostly_blank(width * len(rows), sum(bool(cell) for row in rows for cell in row)):
        lines = (" | ".join(" ".join(cell.split()) for cell in row if cell.strip()) for row in rows)
        builder.paragraph("\n".join(line for line in lines if line))
        return
    if header_rows is None:
        header_rows = _tied_header_rows(rows, merged)
    builder.table(
        _filled(rows, merged, header_rows), header_rows=header_rows, rows_are_records=rows_are_records
    )


def is_mostly_blank(cells: int, filled: int) -> bool:
    """Whether a table would be nothing but bars, as when one row of thousands has thousands of columns."""
    return cells > _PADDED and cells > _SPARSE * filled


def _title_rows(rows: Sequence[Sequence[str]], merged: Sequence[Area], width: int) -> int:
    """How many rows at the top are one cell over the whole width; the last row is never one."""
    if width <= 1:
        return 0
    whole = {
        area.top for area in merged if area.bottom - area.top == 1 and area.left == 0 and area.right >= width
    }
    count = 0
    while count < len(rows) - 1 and count in whole:
        count += 1
    return count


def _tied_header_rows(rows: Sequence[Sequence[str]], merged: Sequence[Area]) -> int:
    """1, or more when a cell spans columns of the header and what stands below it are names too."""
    count = 1
    while count < min(_MAX_HEADER_ROWS, len(rows) - 1):
        above = [area for area in merged if area.top == count - 1 and area.right - area.left > 1]
        tied = any(area.top < count < area.bottom for area in merged)
        if not above or not (tied or _names_below(rows, count, above)):
            break
        count += 1
    return count


def _names_below(rows: Sequence[Sequence[str]], at: int, above: Sequence[Area]) -> bool:
    """Whether row `at` names the columns below the areas `above`.

    It has words there, and either the rest of the row is blank, or the next row has numbers below the words.
    """
    inside = {column for area in above for column in range(area.left, area.right)}
    kinds = {column: kind_of(cell) for column, cell in enumerate(rows[at])}
    names = {column for column in inside if kinds.get(column) in {Kind.TEXT, Kind.YEAR}}
    if not names or any(kinds.get(column) in {Kind.NUMBER, Kind.DATE, Kind.FLAG} for column in inside):
        return False
    below = {column for column, cell in enumerate(rows[at + 1]) if kind_of(cell) is Kind.NUMBER}
    return names <= below or all(
        kind is Kind.NOTHING for column, kind in kinds.items() if column not in inside
    )


def _filled(
    rows: Sequence[Sequence[str]], merged: Sequence[Area], header_rows: int
) -> Sequence[Sequence[str]]:
    """The rows with the text of merged cells repeated where it belongs."""
    if not merged:
        return rows
    width = max(map(len, rows), default=0)
    filled = [[*row, *[""] * (width - len(row))] for row in rows]
    budget = _REPEATED
    for area in merged:
        if not (0 <= area.top < len(filled) and 0 <= area.left < width):
            continue
        text = filled[area.top][area.left]
        in_header = area.top < header_rows
        if not text or (len(text) > _REPEATED_CELL and not in_header):
            continue
        bottom = min(area.bottom, header_rows if in_header else len(filled))
        right = min(area.right, width) if in_header else area.left + 1
        budget -= (bottom - area.top) * (right - area.left) * len(text)
        if budget < 0:
            break
        for row in range(area.top, bottom):
            filled[row][area.left : right] = [text] * (right - area.left)
    return filled
