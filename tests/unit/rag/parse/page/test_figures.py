import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.parse.page.figures import closes_figure, is_amount, is_figure, is_year, opens_figure


@pytest.mark.parametrize(
    "text",
    [
        "5",
        "1,234",
        "1.234,50",
        "(459)",
        "$ 79,268",
        "$ (1,837)",
        "12.5 %",
        "(0.6)%",
        "5.39E-05",
        "€3",
        "+7",
        "—",
        "-",
        "$ —",
        "-%",
        "N/A",
        "1'200",
        "3 (1)",
        "−4.2",
        "12,34,567",
        "US$ 5",
    ],
)
def test_figures(text: str) -> None:
    assert is_figure(text)


@pytest.mark.parametrize(
    "text", ["", "$", "%", "Note 7", "January 28, 2023", "3rd", "a", "1-2-3", "10 km", "(a)"]
)
def test_words_are_no_figures(text: str) -> None:
    assert not is_figure(text)


@given(st.integers(-(10**9), 10**9), st.sampled_from(["{:,}", "{:d}", "$ {:,}", "{:,} %", "({:,})"]))
def test_every_number_is_a_figure(number: int, shape: str) -> None:
    assert is_figure(shape.format(number))


@given(st.text(max_size=40))
def test_any_text_is_one_or_the_other(text: str) -> None:
    assert is_amount(text) <= is_figure(text)


def test_years_are_told_from_amounts() -> None:
    assert all(map(is_year, ["2017", "FY2023", "Fiscal 2024", "2017 (1)", "’1999"]))
    assert not any(map(is_year, ["17", "20,170", "$ 2017", "3017"]))
    assert all(map(is_amount, ["$ 5", "5 %", "1,000", "2.5"]))
    assert not any(map(is_amount, ["2017", "5", "—"]))


def test_signs_that_stand_apart() -> None:
    assert opens_figure("$")
    assert opens_figure("(€")
    assert closes_figure(")")
    assert closes_figure("%")
    assert not any([opens_figure("A"), opens_figure(""), closes_figure("5"), closes_figure("")])
