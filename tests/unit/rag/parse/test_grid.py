import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.parse.builder import DocumentBuilder
from rag.parse.grid import Area, write_table


def written(rows: list[list[str]], *merged: Area, header_rows: int | None = None) -> list[str]:
    builder = DocumentBuilder()
    write_table(builder, rows, merged=merged, header_rows=header_rows)
    return builder.build("text/plain").text.split("\n")


def test_a_header_over_several_columns_names_each_and_takes_the_names_below() -> None:
    rows = [["", "Sales", ""], ["Region", "2023", "2024"], ["North", "1", "2"]]
    assert written(rows, Area(0, 1, 1, 3))[0] == "| Region | Sales 2023 | Sales 2024 |"
    rows = [["", "Sales", ""], ["", "old", "new"], ["North", "high", "low"]]
    assert written(rows, Area(0, 1, 1, 3))[0] == "|  | Sales old | Sales new |"
    rows = [["Region", "Sales", ""], ["North", "high", "low"], ["South", "low", "low"]]
    assert written(rows, Area(0, 1, 1, 3))[0] == "| Region | Sales | Sales |"


def test_a_body_cell_over_several_rows_is_repeated_unless_it_is_prose() -> None:
    rows = [["a", "b"], ["x", "1"], ["", "2"]]
    assert written(rows, Area(1, 0, 3, 1))[2:] == ["| x | 1 |", "| x | 2 |"]
    rows[1][0] = "prose " * 50
    assert written(rows, Area(1, 0, 3, 1))[3] == "|  | 2 |"


def test_a_body_cell_over_several_columns_stands_in_the_first() -> None:
    assert written([["a", "b"], ["x", ""]], Area(1, 0, 2, 2))[2] == "| x |  |"


def test_repeating_has_an_end() -> None:
    rows = [["a", "b"]] + [["word " * 30, "x"]] + [["", "x"]] * 50_000
    assert sum(map(len, written(rows, Area(1, 0, len(rows), 1)))) < 1_000_000


@pytest.mark.parametrize("header_rows", [None, 1, 2])
def test_a_first_row_merged_over_all_columns_is_a_line_above(header_rows: int | None) -> None:
    rows = [["Prices", ""], ["Item", "EUR"], ["Tea", "2"], ["Milk", "1"]]
    lines = written(rows, Area(0, 0, 1, 2), header_rows=header_rows)
    assert lines[:2] == ["Prices", ""]
    assert "Item" in "".join(lines[2:5])


AREAS = st.builds(
    lambda top, left, rows, columns: Area(top, left, top + rows, left + columns),
    *[st.integers(min_value=0, max_value=4)] * 2,
    *[st.integers(min_value=1, max_value=1_000_000)] * 2,
)


@given(
    rows=st.lists(st.lists(st.sampled_from(["", "word", "7", "a b"]), max_size=4), max_size=6),
    merged=st.lists(AREAS, max_size=4),
)
def test_any_merging_keeps_the_cells_and_the_form(rows: list[list[str]], merged: list[Area]) -> None:
    text = "\n".join(written(rows, *merged))
    covered = {
        (row, column)
        for area in merged
        for row in range(area.top, min(area.bottom, 6))
        for column in range(area.left, min(area.right, 4))
    }
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            assert (at, column) in covered or cell in text
