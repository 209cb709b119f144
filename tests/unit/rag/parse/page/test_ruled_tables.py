"""Ruled tables that no simple PDF shows."""

from collections.abc import Sequence

from rag.parse.page.layout import Box, Drawing, Layout, Line, Rule, Word
from rag.parse.page.ruled_tables import ruled_tables


def layout(rows: Sequence[Sequence[str]], *, extra: Sequence[Rule] = ()) -> Layout:
    """A grid of cells of 100 by 20 points; each word is a line of the text."""
    height, width = len(rows), len(rows[0])
    words: list[Word] = []
    lines: list[Line] = []
    at = 0
    for row, cells in enumerate(rows):
        for column, text in enumerate(cells):
            box = Box(100 * column + 10, -20 * row - 15, 100 * column + 60, -20 * row - 5)
            words.append(Word(text, at, at + len(text), len(lines), box))
            lines.append(Line(at, at + len(text), box))
            at += len(text) + 2
    drawing = Drawing(
        horizontal=tuple(Rule(-20 * n, 0, 100 * width) for n in range(height + 1)),
        vertical=(*(Rule(100 * n, -20 * height, 0) for n in range(width + 1)), *extra),
    )
    text = "\r\n".join(word for row in rows for word in row)
    return Layout(text, tuple(lines), tuple(words), drawing)


def test_scripts_from_right_to_left_begin_at_the_right() -> None:
    rows = [["السعر", "الاسم"], ["12", "مسمار"], ["15", "برغي"]]
    (table,) = ruled_tables(layout(rows))
    assert table.rows == (("الاسم", "السعر"), ("مسمار", "12"), ("برغي", "15"))


def test_a_cell_that_is_no_rectangle_leaves_the_text_as_it_is() -> None:
    page = layout([["a", "b"], ["c", "d"], ["e", "f"]])
    half = Rule(50, -40, 0)  # parts the first column in two rows of three
    broken = Layout(page.text, page.lines, page.words, Drawing(page.drawing.horizontal[::3], (half,)))
    assert len(ruled_tables(page)) == 1
    assert ruled_tables(broken) == []


def test_more_rules_than_a_table_has_are_a_drawing() -> None:
    page = layout([["a", "b"], ["c", "d"]])
    hatching = [Rule(100 + n / 10, -40, 0) for n in range(1000)]
    assert len(ruled_tables(page)) == 1
    assert ruled_tables(layout([["a", "b"], ["c", "d"]], extra=hatching)) == []
