"""From the words of a page to rows of cells, as the eye sees them: by place, not by order."""

from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from rag.parse.page.figures import closes_figure, is_figure, is_year, opens_figure
from rag.parse.page.layout import Box, Word

# In heights of a line (type size plus leading, so a space is about 0.2):
_CELL_GAP = 0.85  # between two cells; justified prose stays below
_FIGURE_GAP = 0.35  # between two figures
_COLUMN_JUMP = 8  # upwards: the next column of the page, not the next cell of a header
_SMALL = 0.78  # a raised footnote sign
_TURNED = 2.5  # a word that runs upwards


@dataclass(frozen=True, slots=True)
class Cell:
    """Words that stand close together, from left to right."""

    words: tuple[Word, ...]
    left: float
    right: float
    is_figure: bool

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def centre(self) -> float:
        return (self.left + self.right) / 2

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def span(self) -> tuple[float, float]:
        return self.left, self.right


@dataclass(frozen=True, slots=True)
class Row:
    """Cells on one level, from left to right."""

    cells: tuple[Cell, ...]
    bottom: float
    top: float

    @property
    def height(self) -> float:
        return self.top - self.bottom

    @property
    def words(self) -> Iterator[Word]:
        return (word for cell in self.cells for word in cell.words)

    @property
    def figures(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.is_figure]

    @property
    def has_data(self) -> bool:
        """Figures behind a label, or at least two; a row of years is none."""
        figures = self.figures
        if all(is_year(cell.text) for cell in figures):
            return False
        return len(figures) > 1 if self.cells[0].is_figure else bool(figures)

    @property
    def is_years(self) -> bool:
        """At least two years, and no other figure: the top of a table."""
        figures = self.figures
        return len(figures) > 1 and all(is_year(cell.text) for cell in figures)


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one column of the page, from the top down."""

    rows: tuple[Row, ...]
    left: float
    right: float


def blocks(words: Sequence[Word]) -> Iterator[Block]:
    """The page's columns of text (as far as pdfium's order tells them), each as rows."""
    part: list[Word] = []
    for _, line in groupby(words, key=lambda word: word.line):
        on_line = list(line)
        if part and _jumps(part[-1].box, on_line[0].box):
            yield _block(part)
            part = []
        part += on_line
    if part:
        yield _block(part)


def _jumps(last: Box, here: Box) -> bool:
    return here.bottom - last.top > _COLUMN_JUMP * max(last.height, here.height)


def _block(words: list[Word]) -> Block:
    usual = median(word.box.height for word in words)
    upright = [word for word in words if word.box.height < _TURNED * usual]
    levels = _levels(upright)
    rows = [_row(level) for level in sorted(levels, key=lambda level: -level[0].box.middle)]
    return Block(tuple(rows), min(w.box.left for w in words), max(w.box.right for w in words))


def _levels(words: list[Word]) -> list[list[Word]]:
    """The words of each row, one of usual size first; raised ones join the row that they overlap most."""
    raised = _raised(words)
    levels: list[list[Word]] = []
    for word in sorted((word for word in words if word not in raised), key=lambda word: -word.box.middle):
        if levels and levels[-1][0].box.bottom < word.box.middle:
            levels[-1].append(word)
        else:
            levels.append([word])
    tops = [-level[0].box.top for level in levels]
    for word in raised:
        near = levels[max(0, bisect(tops, -word.box.top) - 2) :][:4]
        best = max(near, key=lambda level: _overlap(level[0].box, word.box), default=None)
        if best is None:
            levels.append([word])
        else:
            best.append(word)
    return levels


def _raised(words: list[Word]) -> dict[Word, None]:
    """Words that are much smaller than a word beside them."""
    lines: dict[int, Box] = {}
    for word in words:
        known = lines.get(word.line)
        if known is None or known.height < word.box.height:
            lines[word.line] = word.box
    found: dict[Word, None] = {}
    for word in words:
        for number in (word.line - 1, word.line, word.line + 1):
            tall = lines.get(number)
            if tall is None or word.box.height >= _SMALL * tall.height:
                continue
            if _overlap(tall, word.box) > word.box.height / 2:
                found[word] = None
    return found


def _overlap(one: Box, other: Box) -> float:
    return min(one.top, other.top) - max(one.bottom, other.bottom)


def _row(words: list[Word]) -> Row:
    band = words[0].box
    ordered = sorted(words, key=lambda word: word.box.left)
    cells: list[list[Word]] = [[ordered[0]]]
    for word in ordered[1:]:
        if _is_apart(cells[-1], word, band.height):
            cells.append([word])
        else:
            cells[-1].append(word)
    whole = [_cell(part, band.height) for part in _with_signs(cells)]
    return Row(tuple(whole), band.bottom, band.top)


def _is_apart(cell: list[Word], word: Word, height: float) -> bool:
    gap = word.box.left - cell[-1].box.right
    if gap > _CELL_GAP * height:
        return True
    if gap <= 0 or not is_figure(_text(cell)):
        return False
    return opens_figure(word.text) or (gap > _FIGURE_GAP * height and is_figure(word.text))


def _with_signs(cells: list[list[Word]]) -> list[list[Word]]:
    """Currency signs go with the figure after them, per cent signs and brackets with the one before."""
    joined: list[list[Word]] = []
    for cell in cells:
        text, before = _text(cell), _text(joined[-1]) if joined else ""
        opened = opens_figure(before) and is_figure(text)
        closed = closes_figure(text) and is_figure(before)
        if opened or closed:
            joined[-1].extend(cell)
        else:
            joined.append(list(cell))
    return joined


def _text(words: Iterable[Word]) -> str:
    return " ".join(word.text for word in words)


def _cell(words: list[Word], height: float) -> Cell:
    raised = all(word.box.height < _SMALL * height for word in words)
    left, right = min(word.box.left for word in words), max(word.box.right for word in words)
    return Cell(tuple(words), left, right, is_figure(_text(words)) and not raised)
