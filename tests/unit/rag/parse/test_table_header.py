import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.parse.table_header import Kind, count_header_rows, kind_of


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        (Kind.NOTHING, ["", " ", "—", "n/a"]),
        (Kind.NUMBER, ["7", "-7.5", "1 234,56", "(12)", "$5", "12 %", "3.5 €", "USD 7", "1e-5", ".5"]),
        (Kind.YEAR, ["2024", "1999", "2025E"]),
        (Kind.DATE, ["2024-03-05", "2024-03", "5.3.2024", "03/05/24", "14:30", "2024-03-05 14:30"]),
        (Kind.FLAG, ["TRUE", "false"]),
        (Kind.TEXT, ["Sales", "FY 22", "Q1", "4 apples", "1.2.3 Scope", "7" * 100]),
    ],
)
def test_kinds_of_cells(kind: Kind, cells: list[str]) -> None:
    assert {cell: kind_of(cell) for cell in cells} == dict.fromkeys(cells, kind)


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        ([["a", "b"], ["1", "2"]], 1),
        ([["1", "2"], ["3", "4"]], 0),
        ([["x", "x"], ["x", "x"]], 0),
        ([["Name", "City"], ["Jo", "Rome"]], 1),
        ([["Name", "x" * 100], ["Jo", "Rome"]], 0),
        ([["", "2023", "2024"], ["Sales", "10", "12"]], 1),
        ([["2024-01-01", "start", "ok"], ["2024-01-02", "stop", "ok"]], 0),
        ([["", "Sales", ""], ["Region", "EU", "US"], ["a", "1", "2"]], 2),
        ([["In million", "", "2024"], ["", "Sales", ""], ["Tea", "1", "2"], ["Milk", "3", "4"]], 2),
        ([["Name", "Age"], ["Jo", "n/a"], ["Li", "30"]], 1),
        ([["only", "one", "row"]], 0),
        ([], 0),
    ],
)
def test_the_header_is_what_looks_different_from_the_rows_below(rows: list[list[str]], count: int) -> None:
    assert count_header_rows(rows) == count


@given(
    st.lists(
        st.lists(st.sampled_from(["", "word", "7", "2024", "2024-01-01", "TRUE"]), max_size=4), max_size=8
    )
)
def test_a_header_never_takes_all_rows(rows: list[list[str]]) -> None:
    assert 0 <= count_header_rows(rows) <= min(4, max(0, len(rows) - 1))
