"""The columns of a table of figures, and the rows above the figures that head them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rag.parse.page.figures import is_figure
from rag.parse.page.layout import Rule, Word
from rag.parse.page.rows import Block, Cell, Row

_MAX_HEADER = 6  # rows
_MAX_LABELS = 3  # rows between the header and the first figures, such as "Current assets:"
_CENTRED = 0.02  # of the width: a title, not a header
_LABEL_SHARE = 0.6  # of the way to the first figures, which may be short in a wide column
# In heights of a line:
_HEADER_GAP = 1.6  # between rows of the header
_OVERHANG = 2.0  # of a header's middle to the left of its column
_INDENT = 2.0  # from where labels begin: what begins before is none of the figures' headers
_UNDERLINE = 0.6  # from a header's cell to the rule below it
_SPLIT_GAP = 0.4  # between the header cells of two columns
_STACKED = 1.5  # between the middles of a header's two lines

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the columns stand, from left to right; with labels, the first holds them."""

    spans: tuple[Span, ...]
    has_labels: bool

    @property
    def zone(self) -> float:
        """Where the columns behind the labels begin."""
        return self.spans[int(self.has_labels)][0]

    @property
    def label_end(self) -> float:
        """Headers with their middle before this head the labels."""
        left = self.spans[0][0]
        return left + _LABEL_SHARE * (self.zone - left)

    @property
    def figures(self) -> range:
        """The columns behind the labels."""
        return range(int(self.has_labels), len(self.spans))

    def at(self, cell: Cell) -> int | None:
        """The one column that `cell` stands in; None when it reaches into several, or none."""
        met = [n for n in self.figures if overlap(self.spans[n], cell.span) > 0]
        is_label = cell.left < self.label_end or (cell.left < self.zone and not met)
        if self.has_labels and is_label and not cell.is_figure:
            return 0
        return met[0] if len(met) == 1 else None

    def nearest(self, x: float) -> int:
        """The column of figures nearest to `x`."""
        return min(self.figures, key=lambda n: max(self.spans[n][0] - x, x - self.spans[n][1], 0))

    def under(self, left: float, right: float) -> list[int]:
        """The columns of figures of which `[left, right]` covers at least half; else the nearest."""
        met = [
            n
            for n in self.figures
            if overlap((left, right), self.spans[n]) > (self.spans[n][1] - self.spans[n][0]) / 2
        ]
        return met or [self.nearest((left + right) / 2)]


def merged(spans: Iterable[Span]) -> list[Span]:
    """Overlapping spans as one, from left to right."""
    whole: list[Span] = []
    for left, right in sorted(spans):
        if whole and left < whole[-1][1]:
            whole[-1] = whole[-1][0], max(right, whole[-1][1])
        else:
            whole.append((left, right))
    return whole


def overlap(one: Span, other: Span) -> float:
    return min(one[1], other[1]) - max(one[0], other[0])


def placed(row: Row, columns: Columns) -> tuple[str, ...] | None:
    """A row's text by column; None when a cell has no column of its own."""
    texts = [""] * len(columns.spans)
    for cell in row.cells:
        column = columns.at(cell)
        if column is None or texts[column]:
            return None
        texts[column] = cell.text
    return tuple(texts)


def header_rows(above: Sequence[Row], columns: Columns, block: Block) -> tuple[list[Row], list[Row]]:
    """Of the rows above the figures, the columns' headers and the labels between them and the figures."""
    header: list[Row] = []
    labels: list[Row] = []
    for row in reversed(above[-_MAX_HEADER - _MAX_LABELS :]):
        if header and row.bottom - header[0].top > _HEADER_GAP * row.height:
            break
        if _is_header(row, columns, block):
            header.insert(0, row)
        elif not header and len(labels) < _MAX_LABELS and _is_label(row, columns):
            labels.insert(0, row)
        else:
            break
    return header[-_MAX_HEADER:], labels if header else []


def _is_label(row: Row, columns: Columns) -> bool:
    return columns.has_labels and placed(row, columns) is not None and len(row.cells) == 1


def _is_header(row: Row, columns: Columns, block: Block) -> bool:
    """Whether cells stand over the columns of figures, with at most one over the labels."""
    over = [cell for cell in row.cells if _is_over(cell, row, columns)]
    beside = [cell for cell in row.cells if columns.has_labels and cell.centre < columns.label_end]
    only = row.cells[0] if len(row.cells) == 1 else None
    if only is not None and not only.is_figure:
        off = abs(only.centre - (block.left + block.right) / 2)
        if off < _CENTRED * (block.right - block.left):
            return False
    return bool(over) and len(beside) <= 1


def _is_over(cell: Cell, row: Row, columns: Columns) -> bool:
    indented = not columns.has_labels or cell.left > columns.spans[0][0] + _INDENT * row.height
    return indented and cell.centre >= columns.zone - _OVERHANG * row.height


def header_texts(header: Sequence[Row], columns: Columns, rules: Sequence[Rule]) -> list[tuple[str, ...]]:
    """The header's text by column; what stands over several columns is repeated in each."""
    lines: list[tuple[str, ...]] = []
    below: list[tuple[Cell, list[int]]] = []
    for row in reversed(header):
        texts = [""] * len(columns.spans)
        heads = [(cell, _headed(cell, row, columns, rules, below)) for cell in _split(row, columns)]
        for cell, numbers in heads:
            for number in numbers:
                texts[number] = f"{texts[number]} {cell.text}".strip()
        lines.insert(0, tuple(texts))
        below = heads
    return lines


def _split(row: Row, columns: Columns) -> Iterator[Cell]:
    """The row's cells; those of neighbouring columns that stand so close that they were taken for one."""
    for cell in row.cells:
        part: list[Word] = []
        for word in cell.words:
            if part and _are_of_two(part[-1], word, row, columns):
                yield _of(part)
                part = []
            part.append(word)
        yield _of(part)


def _are_of_two(left: Word, right: Word, row: Row, columns: Columns) -> bool:
    """Whether two neighbouring words of a header head two columns."""
    apart = right.box.left - left.box.right > _SPLIT_GAP * row.height
    return apart and columns.nearest(left.box.centre) != columns.nearest(right.box.centre)


def _of(words: Sequence[Word]) -> Cell:
    is_number = is_figure(" ".join(word.text for word in words))
    return Cell(tuple(words), words[0].box.left, words[-1].box.right, is_number)


def _headed(
    cell: Cell, row: Row, columns: Columns, rules: Sequence[Rule], below: list[tuple[Cell, list[int]]]
) -> list[int]:
    """The columns that a header's cell heads: as far as the rule below it reaches, or the cell itself.

    A cell right above another one heads the same columns; one alone in the middle heads all.
    """
    if columns.has_labels and not cell.is_figure and cell.centre < columns.label_end:
        return [0]
    left, right = cell.span
    for rule in rules:
        near = abs(rule.at - row.bottom) <= _UNDERLINE * row.height
        if near and rule.start <= cell.centre <= rule.end and _is_alone(row, rule):
            left, right = min(left, rule.start), max(right, rule.end)
    middle = (columns.zone + columns.spans[-1][1]) / 2
    if len(row.cells) == 1 and abs(cell.centre - middle) < _STACKED * row.height:
        return list(columns.figures)
    headed = columns.under(left, right)
    for other, numbers in below:
        if abs(other.centre - cell.centre) < _STACKED * row.height and set(headed) < set(numbers):
            return numbers
    return headed


def _is_alone(row: Row, rule: Rule) -> bool:
    """Whether a rule underlines one cell of a row, and so tells its width."""
    return sum(overlap(cell.span, (rule.start, rule.end)) > 0 for cell in row.cells) == 1
