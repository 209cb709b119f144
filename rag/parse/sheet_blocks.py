"""Finds the tables of a sheet: a spreadsheet has cells, and people see blocks of them.

Empty rows part blocks, and so do empty columns where two tables stand side by side. Empty rows and columns
that only give air stay inside: when what follows has no header of its own, it belongs to the table above.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rag.parse.grid import Area
from rag.parse.table_header import Kind, count_header_rows, kind_of

Cells = Mapping[int, Mapping[int, str]]  # text by row and column, none of it empty
_LOOKED_AT = 60  # rows of a block that decide about its header
_MAX_HEADER_ROWS = 4
_MAX_AIR = 2  # empty rows between parts of one table
_MAX_GAPS = 64  # empty columns; a sheet with more is one wide table with air
_MIN_OVERLAP = 0.5  # of the shorter side's rows; less, and the two sides are tables of their own


@dataclass(frozen=True, slots=True)
class Block:
    """Cells that belong together: some rows, and the columns they use, both in order."""

    cells: Cells
    rows: Sequence[int]
    columns: Sequence[int]

    @classmethod
    def of(cls, cells: Cells, rows: Sequence[int]) -> "Block":
        return cls(cells, rows, sorted({column for row in rows for column in cells[row]}))

    def dense(self, start: int, stop: int) -> list[list[str]]:
        """The cells of rows `start` to `stop` (positions in `rows`), `""` where there is nothing."""
        return [[self.cells[row].get(column, "") for column in self.columns] for row in self.rows[start:stop]]

    def titles(self) -> int:
        """How many rows at the top are words in the first column alone; all of them when no row has more."""
        return self._alone(self.rows)

    def remarks(self) -> int:
        """How many rows at the end are words in the first column alone; no row of a table is only a label."""
        return self._alone(self.rows[::-1])

    def _alone(self, rows: Sequence[int]) -> int:
        for at, row in enumerate(rows):
            only = self.cells[row].get(self.columns[0], "")
            if len(self.cells[row]) > 1 or kind_of(only) is not Kind.TEXT:
                return at
        return len(rows)

    def areas(self, merged: Sequence[Area]) -> list[Area]:
        """Those of the merged cells that begin in the block, in its own rows and columns.

        Args:
            merged: Merged cells of the sheet, by their top row.
        """
        first = bisect_left(merged, self.rows[0], key=lambda area: area.top)
        last = bisect_left(merged, self.rows[-1] + 1, key=lambda area: area.top)
        return [
            Area(
                bisect_left(self.rows, area.top),
                bisect_left(self.columns, area.left),
                bisect_left(self.rows, area.bottom),
                bisect_left(self.columns, area.right),
            )
            for area in merged[first:last]
            if area.left in self.cells.get(area.top, {})
        ]


def is_header(cells: Cells, row: int, headers: Sequence[Area]) -> bool:
    """Whether the row lies within one of the headers that the file tells."""
    first, last = min(cells[row]), max(cells[row])
    return any(area.top == row and area.left <= first and last < area.right for area in headers)


def blocks(cells: Cells, headers: Sequence[Area] = ()) -> list[Block]:
    """The blocks of a sheet, from top to bottom and from left to right.

    Args:
        cells: The sheet's cells.
        headers: Rows that are known to be headers of what is below them; a block begins with each.
    """
    found: list[Block] = []
    waiting = [cells]
    while waiting:
        part = waiting.pop()
        bands = _joined(part, _bands(part, headers))
        sides = [_sides(band) for band in bands]
        if all(len(side) == 1 for side in sides):
            found += bands
        else:
            waiting += [side for band_sides in reversed(sides) for side in reversed(band_sides)]
    return found


def _bands(cells: Cells, headers: Sequence[Area]) -> list[tuple[Block, bool]]:
    """Rows without an empty row between them; True with those that begin with a header the file tells."""
    told = {area.top for area in headers}
    bands: list[list[int]] = []
    told_bands: list[bool] = []
    for row in sorted(cells):
        is_told = row in told and is_header(cells, row, headers)
        if bands and row == bands[-1][-1] + 1 and not is_told:
            bands[-1].append(row)
        else:
            bands.append([row])
            told_bands.append(is_told)
    return [(Block.of(cells, rows), is_told) for rows, is_told in zip(bands, told_bands, strict=True)]


def _joined(cells: Cells, bands: list[tuple[Block, bool]]) -> list[Block]:
    """The bands, with those that continue a table joined to it."""
    tables: list[list[int]] = []
    first = last = -1  # columns of the table that a band may continue; none when negative
    for band, is_told in bands:
        air = band.rows[0] - tables[-1][-1] - 1 if tables else 0
        fits = 0 <= first <= band.columns[0] and band.columns[-1] <= last and air <= _MAX_AIR
        if fits and not is_told and _continues(band):
            tables[-1] += band.rows
            continue
        tables.append(list(band.rows))
        first, last = (band.columns[0], band.columns[-1]) if is_told or _has_header(band) else (-1, -1)
    return [Block.of(cells, rows) for rows in tables]


def _has_header(band: Block) -> bool:
    """Whether the band begins with a header, or is nothing but one."""
    rows = band.dense(band.titles(), _LOOKED_AT)
    is_header_alone = 0 < len(rows) <= _MAX_HEADER_ROWS and not _has_numbers(rows)
    return is_header_alone or count_header_rows(rows) > 0


def _continues(band: Block) -> bool:
    """Whether the band goes on with the table above: it has labels and numbers, but no header."""
    rows = band.dense(band.titles(), _LOOKED_AT)
    return len(band.columns) > 1 and _has_numbers(rows) and count_header_rows(rows) == 0


def _has_numbers(rows: Sequence[Sequence[str]]) -> bool:
    return any(kind_of(cell) is Kind.NUMBER for row in rows for cell in row)


def _sides(band: Block) -> list[Cells]:
    """The band's cells, in parts where two tables stand side by side."""
    columns = band.columns
    gaps = [(left, right) for left, right in pairwise(columns) if right - left > 1]
    edges = [right for left, right in gaps if len(gaps) <= _MAX_GAPS and _parts_tables(band, left, right)]
    sides: list[dict[int, dict[int, str]]] = [{} for _ in range(len(edges) + 1)]
    for row in band.rows:
        for column, text in band.cells[row].items():
            sides[bisect_left(edges, column + 1)].setdefault(row, {})[column] = text
    return list(sides)


def _parts_tables(band: Block, left: int, right: int) -> bool:
    """Whether the empty columns between `left` and `right` part two tables, rather than years of one.

    They do when the two sides hardly share rows, when one begins beside the other's numbers, or when each has
    labels and numbers of its own.
    """
    before = [row for row in band.rows if min(band.cells[row]) <= left]
    after = [row for row in band.rows if max(band.cells[row]) >= right]
    overlap = min(before[-1], after[-1]) - max(before[0], after[0]) + 1
    if overlap < _MIN_OVERLAP * (min(before[-1] - before[0], after[-1] - after[0]) + 1):
        return True
    sides = [_side(band, before, 0, left + 1), _side(band, after, right, band.columns[-1] + 1)]
    starts = [_first_number(side) for side in sides]
    if before[0] > starts[1] or after[0] > starts[0]:
        return True
    return all(_has_own_labels(side) for side in sides)


def _side(band: Block, rows: Sequence[int], start: int, stop: int) -> Block:
    """The first rows of one side of a band."""
    part = {
        row: {column: text for column, text in band.cells[row].items() if start <= column < stop}
        for row in rows[:_LOOKED_AT]
    }
    return Block.of(part, rows[:_LOOKED_AT])


def _first_number(side: Block) -> int:
    """The first row with a number; without any, where a header would have ended."""
    numbers = (row for row in side.rows if _has_numbers([list(side.cells[row].values())]))
    return next(numbers, side.rows[0] + _MAX_HEADER_ROWS)


def _has_own_labels(side: Block) -> bool:
    """Whether the side is a table in itself: different words in its first column, and numbers beside them."""
    rows = side.dense(side.titles(), _LOOKED_AT)
    labels = [row[0] for row in rows[1:]]
    return (
        len(side.columns) > 1
        and len(labels) > 1
        and len(set(labels)) == len(labels)
        and all(kind_of(label) is Kind.TEXT for label in labels)
        and _has_numbers(rows)
    )
