"""Tables whose cells are parted by rules: a grid of lines, with cells merged where a line is missing.

Only what is surely a table is taken: the cells are rectangles, no word crosses a rule, no line of text
belongs to it only in part. Everything else stays text.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from unicodedata import bidirectional

from rag.parse.page.figures import is_figure, is_year
from rag.parse.page.layout import NEAR, Box, Layout, PageTable, Rule, Word

_MARGIN = 5.0  # points that a rule may stand out beyond the grid
_MAX_RULES = 300  # of a page, each way, once joined: more is a drawing
_MAX_CELLS = 5_000  # of a table: 100 rows of 50 columns on a page
_MAX_CELL_TEXT = 1_500  # characters; a cell that long is a frame around prose
_MAX_REPEATED = 60  # characters of a merged cell that are repeated in each row or column it covers
_MAX_HEADER = 4  # rows
_MIN_FILLED = 0.3  # of the cells; less is a chart's grid or a form
_CROSSING = 0.2  # of a word's width beyond its cell


@dataclass(frozen=True, slots=True)
class _Grid:
    """Rows count from the top; `ys` descend. `down[r][c]` and `right[r][c]`: a rule ends the cell there."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    right: tuple[tuple[bool, ...], ...]
    down: tuple[tuple[bool, ...], ...]

    @property
    def height(self) -> int:
        return len(self.ys) - 1

    @property
    def width(self) -> int:
        return len(self.xs) - 1

    def holds(self, box: Box) -> bool:
        return self.xs[0] <= box.centre <= self.xs[-1] and self.ys[-1] <= box.middle <= self.ys[0]


@dataclass(frozen=True, slots=True)
class _Cell:
    """Rows `[top, bottom)` and columns `[left, right)` of a grid."""

    top: int
    left: int
    bottom: int
    right: int


def ruled_tables(layout: Layout) -> list[PageTable]:
    """The page's tables with rules between their cells, from the top down."""
    horizontal, vertical = layout.drawing.horizontal, layout.drawing.vertical
    if max(len(horizontal), len(vertical)) > _MAX_RULES or not layout.words:
        return []
    tables = []
    for rows, columns in _touching(horizontal, vertical):
        grid = _grid(rows, columns)
        table = _table(grid, layout.words) if grid is not None else None
        if table is not None:
            tables.append(table)
    return tables


def _touching(
    horizontal: Sequence[Rule], vertical: Sequence[Rule]
) -> Iterator[tuple[list[Rule], list[Rule]]]:
    """Groups of rules that hang together, the highest first."""
    group = list(range(len(horizontal)))  # of each horizontal rule
    crossed: list[list[int]] = []  # by each vertical rule
    for upright in vertical:
        met = [n for n, flat in enumerate(horizontal) if _meet(flat, upright)]
        crossed.append(met)
        merged = {group[n] for n in met}
        if len(merged) > 1:
            group = [min(merged) if g in merged else g for g in group]
    for wanted in sorted(set(group), key=lambda g: -max(horizontal[n].at for n in _members(group, g))):
        members = set(_members(group, wanted))
        uprights = [v for v, met in zip(vertical, crossed, strict=True) if members.intersection(met)]
        yield [horizontal[n] for n in members], uprights


def _members(group: list[int], wanted: int) -> list[int]:
    return [n for n, g in enumerate(group) if g == wanted]


def _meet(flat: Rule, upright: Rule) -> bool:
    return (
        flat.start - NEAR <= upright.at <= flat.end + NEAR
        and upright.start - NEAR <= flat.at <= upright.end + NEAR
    )


def _grid(horizontal: list[Rule], vertical: list[Rule]) -> _Grid | None:
    """The grid that the rules make; sides without a rule of their own end where the others do."""
    if not (horizontal and vertical):
        return None
    xs = _levels([rule.at for rule in vertical], [end for r in horizontal for end in (r.start, r.end)])
    ys = _levels([rule.at for rule in horizontal], [end for r in vertical for end in (r.start, r.end)])[::-1]
    if len(xs) < 3 or len(ys) < 3 or (len(xs) - 1) * (len(ys) - 1) > _MAX_CELLS:  # noqa: PLR2004
        return None
    right = [_covered(vertical, xs[1:], (low + high) / 2) for high, low in pairwise(ys)]
    down = zip(*(_covered(horizontal, ys[1:], (a + b) / 2) for a, b in pairwise(xs)), strict=True)
    return _Grid(tuple(xs), tuple(ys), tuple(right), tuple(down))


def _levels(places: list[float], ends: list[float]) -> list[float]:
    """Where rules lie, ascending, and the outermost ends of the rules across that stand out beyond them."""
    levels: list[float] = []
    for place in sorted(places):
        if not levels or place - levels[-1] > NEAR:
            levels.append(place)
    if min(ends) < levels[0] - _MARGIN:
        levels.insert(0, min(ends))
    if max(ends) > levels[-1] + _MARGIN:
        levels.append(max(ends))
    return levels


def _covered(rules: list[Rule], levels: list[float], place: float) -> tuple[bool, ...]:
    """Of each level, whether a rule lies there that passes `place`."""
    passing = [rule.at for rule in rules if rule.start <= place <= rule.end]
    return tuple(any(abs(at - level) <= NEAR for at in passing) for level in levels)


def _table(grid: _Grid, words: Sequence[Word]) -> PageTable | None:
    inside = [word for word in words if grid.holds(word.box)]
    lines = {word.line for word in inside}
    if not lines or sum(word.line in lines for word in words) > len(inside):
        return None
    cells = _cells(grid)
    texts = _texts(grid, cells, inside) if cells is not None else None
    if cells is None or texts is None or not _is_convincing(grid, cells, texts):
        return None
    caption, first = _caption(grid, cells, texts)
    rows = [_row(grid, row, cells, texts) for row in range(first, grid.height)]
    if _runs_leftwards("".join(texts.values())):
        rows = [row[::-1] for row in rows]
    header = _header_rows(grid, first, cells, texts)
    return PageTable(tuple(sorted(lines)), tuple(rows), header, caption)


def _runs_leftwards(text: str) -> bool:
    """Whether most letters are of a script that is written from right to left."""
    leftwards = sum(bidirectional(character) in {"R", "AL"} for character in text)
    return leftwards > sum(map(str.isalpha, text)) / 2


def _cells(grid: _Grid) -> dict[tuple[int, int], _Cell] | None:
    """The cell at each place of the grid; None when one is not a rectangle."""
    seen: dict[tuple[int, int], _Cell] = {}
    for place in product(range(grid.height), range(grid.width)):
        if place in seen:
            continue
        reached = _reached(grid, place)
        rows, columns = {r for r, _ in reached}, {c for _, c in reached}
        cell = _Cell(min(rows), min(columns), max(rows) + 1, max(columns) + 1)
        if len(reached) != (cell.bottom - cell.top) * (cell.right - cell.left):
            return None
        seen |= dict.fromkeys(reached, cell)
    return seen


def _reached(grid: _Grid, start: tuple[int, int]) -> set[tuple[int, int]]:
    """The places that can be reached from `start` without crossing a rule."""
    reached, pending = {start}, [start]
    while pending:
        row, column = pending.pop()
        beside = []
        if column + 1 < grid.width and not grid.right[row][column]:
            beside.append((row, column + 1))
        if column and not grid.right[row][column - 1]:
            beside.append((row, column - 1))
        if row + 1 < grid.height and not grid.down[row][column]:
            beside.append((row + 1, column))
        if row and not grid.down[row - 1][column]:
            beside.append((row - 1, column))
        fresh = [place for place in beside if place not in reached]
        reached.update(fresh)
        pending += fresh
    return reached


def _texts(
    grid: _Grid, cells: dict[tuple[int, int], _Cell], words: Iterable[Word]
) -> dict[_Cell, str] | None:
    """The words of each cell, in text order; None when a word crosses a rule."""
    found: dict[_Cell, list[str]] = {cell: [] for cell in cells.values()}
    for word in words:
        column = max(0, sum(x <= word.box.centre for x in grid.xs[1:-1]))
        row = max(0, sum(y >= word.box.middle for y in grid.ys[1:-1]))
        cell = cells[row, column]
        out = max(grid.xs[cell.left] - word.box.left, word.box.right - grid.xs[cell.right])
        if out > NEAR + _CROSSING * word.box.width:
            return None
        found[cell].append(word.text)
    return {cell: " ".join(parts) for cell, parts in found.items()}


def _is_convincing(grid: _Grid, cells: dict[tuple[int, int], _Cell], texts: dict[_Cell, str]) -> bool:
    filled = [cell for cell, text in texts.items() if text]
    if not filled or len(filled) < _MIN_FILLED * len(texts):
        return False
    if max(map(len, texts.values())) > _MAX_CELL_TEXT:
        return False
    several = {cell.top for cell in filled if sum(other.top == cell.top for other in filled) > 1}
    columns = {cell.left for cell in filled}
    return len(several) > 1 and len(columns) > 1


def _caption(grid: _Grid, cells: dict[tuple[int, int], _Cell], texts: dict[_Cell, str]) -> tuple[str, int]:
    """The text of a top cell as wide as the table, and the row after it."""
    top = cells[0, 0]
    if top.right - top.left == grid.width and top.bottom < grid.height:
        return texts[top], top.bottom
    return "", 0


def _row(
    grid: _Grid, row: int, cells: dict[tuple[int, int], _Cell], texts: dict[_Cell, str]
) -> tuple[str, ...]:
    """One row; a short merged cell is repeated in all rows and columns that it covers."""
    shown = []
    for column in range(grid.width):
        cell = cells[row, column]
        text = texts[cell]
        first = (row, column) == (cell.top, cell.left)
        is_wide = cell.right - cell.left == grid.width
        shown.append(text if first or (len(text) <= _MAX_REPEATED and not is_wide) else "")
    return tuple(shown)


def _header_rows(
    grid: _Grid, first: int, cells: dict[tuple[int, int], _Cell], texts: dict[_Cell, str]
) -> int:
    """Rows at the top that are a header: below a cell that reaches over columns comes one more."""
    count = 0
    more = True
    while more and count < min(_MAX_HEADER, grid.height - first - 1):
        row = {cells[first + count, column] for column in range(grid.width)}
        if any(_is_data(texts[cell]) for cell in row):
            break
        count += 1
        deeper = any(cell.bottom > first + count for cell in row)
        more = deeper or any(cell.right - cell.left > 1 for cell in row)
    filled = sum(bool(texts[cells[first, column]]) for column in range(grid.width))
    return count if filled > 1 else 0


def _is_data(text: str) -> bool:
    """Whether a cell holds a figure; years may be a header, and so may dashes."""
    return any(map(str.isdigit, text)) and is_figure(text) and not is_year(text)
