import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.parse.number_format import BUILT_IN, display

DAY = 45356  # 2024-03-05, counted from 1900


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (0.256, "0%", "26%"),
        (0.256, "0.0%", "25.6%"),
        (2.675, "0.00", "2.68"),
        (1234567.891, "#,##0.0", "1234567.9"),
        (1.5, "0.##", "1.5"),
        (1, "0.##", "1"),
        (-81, r"#,##0\ ;\(#,##0\)", "-81"),
        (-0.001, "0.0", "0.0"),
        (0, '_(* #,##0_);_(* \\(#,##0\\);_(* "—"_);_(@_)', "—"),
        (5, ";;;", ""),
        (3, '"Yes";;"No"', "Yes"),
        (12.5, "[$€-407] #,##0.00", "€ 12.50"),
        (12.5, '#,##0.00\\ "€"', "12.50 €"),
        (12345678, '0.0,,"M"', "12.3M"),
        (1067, "00000", "01067"),
        (0.05, "+0.0%;-0.0%", "+5.0%"),
        (-0.05, "+0.0%;-0.0%", "-5.0%"),
        (7, '[Red]#,##0 "days"', "7 days"),
        (0.5, "# ?/?", "0.5"),
        (5, "[>1]0;[<1]0.0", "5"),
        (0.1 + 0.2, "General", "0.3"),
        (1e-5, "General", "0.00001"),
        (1e20, "0.00", "1E+20"),
        (1.25, "", "1.25"),
        (1234, "0.00E+00", "1234"),
        (DAY, "dd/mm/yyyy", "2024-03-05"),
        (DAY, "[$-409]d-mmm-yy;@", "2024-03-05"),
        (DAY, "d mmmm", "2024-03-05"),
        (DAY, "mmm-yy", "2024-03"),
        (DAY, "yyyy", "2024"),
        (DAY, "mmmm", "Mar"),
        (DAY, "dddd", "Tue"),
        (DAY + 0.5 + 1 / 24, "m/d/yy h:mm", "2024-03-05 13:00"),
        (0.75, "h:mm AM/PM", "18:00"),
        (0.5 / 1440, "mm:ss", "00:30"),
        (1.5, "[h]:mm:ss", "36:00:00"),
        (1.5, "[mm]:ss", "2160:00"),
        (1.5, "[ss]", "129600"),
        (59, "yyyy-mm-dd", "1900-02-28"),
        (61, "yyyy-mm-dd", "1900-03-01"),
        (3_000_000, "yyyy-mm-dd", "3000000"),
        (-1, "yyyy-mm-dd", "-1"),
    ],
)
def test_numbers_are_shown_as_a_person_sees_them(value: float, code: str, shown: str) -> None:
    assert display(value, code) == shown


def test_days_may_count_from_1904() -> None:
    assert display(0, "yyyy-mm-dd", from_1904=True) == "1904-01-01"


@given(
    value=st.floats(allow_nan=False, allow_infinity=False),
    code=st.one_of(
        st.sampled_from(list(BUILT_IN.values())), st.text(alphabet='0#.,;%"\\[]hmsyd E+-/?$€', max_size=12)
    ),
)
def test_any_format_shows_any_number(value: float, code: str) -> None:
    assert "\n" not in display(value, code)


@given(value=st.floats(min_value=-1e9, max_value=1e9), places=st.integers(min_value=0, max_value=6))
def test_decimals_are_rounded_not_changed(value: float, places: int) -> None:
    shown = float(display(value, "#,##0." + "0" * places))
    # Sheets keep 15 digits: what is rounded to fewer places was rounded to those before.
    assert abs(shown - value) <= 0.51 * 10**-places + 1e-14 * abs(value)
