import pytest

from rag.parse.numerals import numeral


@pytest.mark.parametrize(
    ("number", "style", "shown"),
    [
        (14, "decimal", "14"),
        (4, "decimalZero", "04"),
        (1, "lowerLetter", "a"),
        (28, "upperLetter", "BB"),
        (2024, "upperRoman", "MMXXIV"),
        (9, "lowerRoman", "ix"),
        (0, "lowerRoman", "0"),
        (4000, "upperRoman", "4000"),
        (10**9, "lowerLetter", "1000000000"),
        (3, "chineseCounting", "3"),
    ],
)
def test_list_numbers(number: int, style: str, shown: str) -> None:
    assert numeral(number, style) == shown
