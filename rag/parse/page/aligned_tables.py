"""Tables without rules between their cells: rows of figures that stand in columns, as in financial reports.

Columns are where the figures of several rows stand below each other. Only what is surely a table is taken:
at least two columns of figures over three rows (two below a row of years), no row with two cells in one
column, and nothing else on the lines of text that it stands for. Everything else stays text.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise, zip_longest
from statistics import median

from rag.parse.page.columns import Columns, header_rows, header_texts, merged, overlap, placed
from rag.parse.page.figures import is_amount
from rag.parse.page.layout import Layout, PageTable
from rag.parse.page.rows import Block, Cell, Row, blocks

_MIN_ROWS = 3  # of figures
_MIN_ROWS_BELOW_YEARS = 2
_MIN_COLUMNS = 2  # of figures
_MAX_BETWEEN = 4  # rows without figures between two with them
_MAX_COLUMNS = 40
_MAX_ROWS = 200  # of a table on one page; small print has 100 lines
_PROSE = 0.6  # of the width: one cell that wide is a sentence, not a label
_FLUSH = 3.0  # points: a closing bracket stands out
_FAR = 12.0  # points between a label and a lone figure
_MOST = 0.8  # of the figures
_ROW_GAP = 3.0  # heights of a line between rows of a table


def aligned_tables(layout: Layout, taken: frozenset[int]) -> list[PageTable]:
    """The page's tables of figures, save on lines in `taken`."""
    words = [word for word in layout.words if word.line not in taken]
    return [
        table
        for block in blocks(words)
        for above, body in _candidates(block)
        for table in _tables(above, body, block, layout)
    ]


def _candidates(block: Block) -> Iterator[tuple[list[Row], list[Row]]]:
    """What may be a table: the rows above its first row of figures, and those from there to its last."""
    for stretch in _stretches(block):
        data = [n for n, row in enumerate(stretch) if row.has_data]
        start = 0  # of what no table has taken
        while data:
            first = last = data.pop(0)
            while data and _goes_on(stretch[last + 1 : data[0]]):
                last = data.pop(0)
            yield stretch[start:first], stretch[first : last + 1]
            start = last + 1


def _tables(above: list[Row], body: list[Row], block: Block, layout: Layout) -> Iterator[PageTable]:
    """The table, or if it is none, those above and below its longest run of rows without figures."""
    if sum(row.has_data for row in body) < _MIN_ROWS_BELOW_YEARS or len(body) > _MAX_ROWS:
        return
    columns = _columns([row for row in body if row.has_data])
    if columns is not None and all(placed(row, columns) is not None for row in body):
        table = _table(above, body, columns, block, layout)
        if table is not None:
            yield table
        return
    start, end = _longest_break(body)
    if start < end:
        yield from _tables(above, body[:start], block, layout)
        yield from _tables(body[start:end], body[end:], block, layout)


def _longest_break(body: list[Row]) -> tuple[int, int]:
    data = [n for n, row in enumerate(body) if row.has_data]
    last, following = max(pairwise(data), key=lambda pair: pair[1] - pair[0])
    return last + 1, following


def _stretches(block: Block) -> Iterator[list[Row]]:
    """Rows that follow each other closely, without prose between them."""
    stretch: list[Row] = []
    for row, below in zip_longest(block.rows, block.rows[1:]):
        far = stretch and stretch[-1].bottom - row.top > _ROW_GAP * row.height
        is_prose = _is_prose(row, below, block)
        if far or is_prose:
            yield stretch
            stretch = []
        if not is_prose:
            stretch.append(row)
    yield stretch


def _is_prose(row: Row, below: Row | None, block: Block) -> bool:
    """Whether a row is a line of a sentence, and not the first line of a long label."""
    wide = max(cell.width for cell in row.cells) > _PROSE * (block.right - block.left)
    goes_on = below is not None and below.has_data and below.cells[0].text[:1].islower()
    return wide and not row.has_data and not goes_on


def _goes_on(between: list[Row]) -> bool:
    return len(between) <= _MAX_BETWEEN and not any(row.is_years for row in between)


def _table(
    above: list[Row], body: list[Row], columns: Columns, block: Block, layout: Layout
) -> PageTable | None:
    below_years = bool(above) and above[-1].is_years
    if sum(row.has_data for row in body) < (_MIN_ROWS_BELOW_YEARS if below_years else _MIN_ROWS):
        return None
    header, labels = header_rows(above, columns, block)
    lines = _whole_lines([*header, *labels, *body], layout)
    while header and not lines:
        header = header[1:]
        labels = labels if header else []
        lines = _whole_lines([*header, *labels, *body], layout)
    if not lines or not (header or columns.has_labels):
        return None
    headed = header_texts(header, columns, layout.drawing.horizontal)
    return PageTable(lines, (*headed, *_unwrapped([*labels, *body], columns)), len(header))


def _columns(data: Sequence[Row]) -> Columns | None:
    """The columns of rows of figures; None when they are not clear."""
    if max(len(row.cells) for row in data) > _MAX_COLUMNS:
        return None
    figures = [cell for row in data for cell in row.figures]
    spans = merged(cell.span for cell in figures)
    labels = [row.cells[0] for row in data if not row.cells[0].is_figure]
    filled = [[cell for cell in figures if overlap(column, cell.span) > 0] for column in spans]
    inner = [cell.span for row in data for cell in row.cells[1:] if not cell.is_figure]
    spans += merged(span for span in inner if not any(overlap(column, span) > 0 for column in spans))
    if sum(len(cells) > 1 for cells in filled) < _MIN_COLUMNS and not _is_clear(filled[0], labels):
        return None
    if len(spans) > _MAX_COLUMNS:
        return None
    first = [(min(cell.left for cell in labels), max(cell.right for cell in labels))] if labels else []
    return Columns((*first, *sorted(spans)), has_labels=bool(labels))


def _is_clear(figures: list[Cell], labels: list[Cell]) -> bool:
    """Whether the only column of figures is one of amounts, flush right and far from its labels."""
    edge = median(cell.right for cell in figures)
    flush = sum(abs(cell.right - edge) < _FLUSH for cell in figures)
    distance = min(cell.left for cell in figures) - max((cell.right for cell in labels), default=0)
    return (
        len(figures) >= _MIN_ROWS
        and len(labels) == len(figures)
        and flush >= _MOST * len(figures)
        and distance > _FAR
        and any(is_amount(cell.text) for cell in figures)
    )


def _whole_lines(rows: Sequence[Row], layout: Layout) -> tuple[int, ...]:
    """The text lines that hold these rows, if they hold nothing else and follow each other; or none."""
    words = [word for row in rows for word in row.words]
    lines = {word.line for word in words}
    inside = sum(word.line in lines for word in layout.words)
    between = [n for n in range(min(lines), max(lines)) if layout.lines[n].box is not None]
    return tuple(sorted(lines)) if inside == len(words) and lines.issuperset(between) else ()


def _unwrapped(rows: Sequence[Row], columns: Columns) -> Iterator[tuple[str, ...]]:
    """The rows' texts, with labels that run over two lines put together."""
    held: tuple[str, ...] | None = None
    held_has_data = False
    for row in rows:
        texts = placed(row, columns) or ()
        goes_on = columns.has_labels and texts[0][:1].islower() and not (held_has_data and row.has_data)
        if held is not None and goes_on:
            held = (f"{held[0]} {texts[0]}", *(a or b for a, b in zip(held[1:], texts[1:], strict=True)))
            held_has_data = held_has_data or row.has_data
        else:
            if held is not None:
                yield held
            held, held_has_data = texts, row.has_data
    if held is not None:
        yield held
