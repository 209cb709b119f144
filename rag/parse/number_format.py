"""Numbers of spreadsheets and charts as a person sees them (ISO/IEC 29500 part 1, 18.8.31, number formats).

Decimals, percent, currency and leading zeros are shown as formatted. Two things are not, because what they
look like depends on the reader's country: thousands have no separator, and dates are ISO 8601
(`2024-03-05 14:30`). Negative numbers have a minus sign, never brackets.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

BUILT_IN = {  # numbers of formats that files don't spell out; dates beyond 14 differ by country, not in parts
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00",
    12: "# ?/?", 13: "# ??/??", 14: "mm-dd-yy", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "m/d/yy h:mm", 37: "#,##0", 38: "#,##0",
    39: "#,##0.00", 40: "#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
    **dict.fromkeys([*range(27, 32), 36, *range(50, 59)], "yyyy-mm-dd"), 32: "h:mm", 33: "h:mm:ss",
}  # fmt: skip
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LAST_DAY = 2_958_466  # the day after 9999-12-31
_LEAP_BUG = 60  # Lotus 1-2-3 took 1900 for a leap year, and Excel's serial numbers still do
_EXACT = 10**15  # Excel keeps 15 digits
_MAX_DECIMALS = 30  # Excel's limit
_CONTEXT = Context(prec=60, rounding=ROUND_HALF_UP)  # 15 digits before the point, 30 after, and some to spare
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|[_*].|\[(?P<bracket>[^\]]*)\]|(?P<general>General)'
    r"|(?P<exponent>E[+-])|(?P<clock>AM/PM|A/P)|(?P<date>y+|m+|d+|h+|s+)|(?P<digits>[0#?.,]+)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_ELAPSED = re.compile("h+|m+|s+")


@dataclass(frozen=True, slots=True)
class _Section:
    """One of the up to four parts of a number format.

    Attributes:
        digits: The placeholders, such as `#,##0.00`; empty when there are none.
        before: What stands before the number, such as `$`.
        after: What stands after it, such as ` €`.
        is_percent: The number is shown times 100.
        dates: Letters of the date parts in order, minutes as `M`, elapsed ones in capitals with a `[`.
        is_plain: It is shown without regard to the format, which is General, or too special.
    """

    digits: str = ""
    before: str = ""
    after: str = ""
    is_percent: bool = False
    dates: tuple[str, ...] = ()
    is_plain: bool = False


def display(value: float, code: str, *, from_1904: bool = False) -> str:
    """What a cell with that number and number format shows.

    Args:
        value: The number; for dates the days since 1900, or since 1904.
        code: The number format, such as `0.0%`.
        from_1904: The workbook counts days from 1904.
    """
    sections = _sections(code)
    if sections[0].dates:
        return _date(value, sections[0].dates, from_1904=from_1904)
    section = sections[0]
    if value < 0 and len(sections) > 1:
        section = sections[1]
    elif value == 0 and len(sections) > 2:  # noqa: PLR2004  # positive; negative; zero
        section = sections[2]
    if section.is_plain or abs(value) >= _EXACT:
        return plain(value)
    if not section.digits:
        return (section.before + section.after).strip()
    number = _digits(abs(value), section)
    minus = "-" if value < 0 and number.strip("0.") else ""
    before = section.before.lstrip("(-+ ") if value < 0 else section.before
    return f"{minus}{before}{number}{section.after.rstrip(') ')}".strip()


def plain(value: float) -> str:
    """A number in format General: eleven digits at most, as in a wide cell."""
    if value == int(value) and abs(value) < _EXACT:
        return str(int(value))
    text = f"{value:.11g}"
    small = "e-" in text and abs(value) > 1e-10  # noqa: PLR2004  # below it zeros hide the number
    return f"{Decimal(text):f}" if small else text.replace("e", "E")


@lru_cache(maxsize=4096)
def _sections(code: str) -> tuple[_Section, ...]:
    parts, at = [""], 0
    for found in _TOKEN.finditer(code):
        if found["other"] == ";":
            parts.append("")
        else:
            parts[-1] += found[0]
        at = found.end()
    sections = tuple(_section(part) for part in parts)
    return (_Section(is_plain=True),) if "[<" in code or "[>" in code or "[=" in code or not at else sections


def _section(code: str) -> _Section:
    tokens = list(_TOKEN.finditer(code))
    dates = [part for token in tokens if (part := _date_part(token))]
    digits = [at for at, token in enumerate(tokens) if token["digits"]]
    if any(token["general"] or token["exponent"] or token["other"] == "@" for token in tokens):
        return _Section(is_plain=True)
    if len(digits) > 1 and not dates:
        return _Section(is_plain=True)  # fractions, or signs between the digits
    place = digits[0] if digits else len(tokens)
    return _Section(
        digits=tokens[place]["digits"] if digits else "",
        before="".join(map(_literal, tokens[:place])),
        after="".join(map(_literal, tokens[place + 1 :])),
        is_percent=any(token["other"] == "%" for token in tokens),
        dates=_with_minutes(dates),
    )


def _date_part(token: re.Match[str]) -> str:
    bracket = (token["bracket"] or "").lower()
    return (token["date"] or "").lower() or ("[" + bracket if _ELAPSED.fullmatch(bracket) else "")


def _literal(token: re.Match[str]) -> str:
    """What the token shows as it stands; of brackets, a currency sign."""
    bracket = token["bracket"] or ""
    sign = bracket[1:].partition("-")[0] if bracket.startswith("$") else ""
    return token["quoted"] or token["escaped"] or token["other"] or sign


def _with_minutes(dates: list[str]) -> tuple[str, ...]:
    """The date parts, with the months that are minutes as `n`: after hours or before seconds."""
    hours = [part.strip("[")[:1] == "h" for part in dates]
    seconds = [part.strip("[")[:1] == "s" for part in dates]
    return tuple(
        "n" * len(part)
        if part[0] == "m" and ((at and hours[at - 1]) or (at + 1 < len(dates) and seconds[at + 1]))
        else part
        for at, part in enumerate(dates)
    )


def _digits(value: float, section: _Section) -> str:
    whole, _, decimals = section.digits.replace("?", "0").partition(".")
    scale = len(section.digits) - len(section.digits.rstrip(","))
    places = min(len(decimals.replace(",", "")), _MAX_DECIMALS)
    number = Decimal(f"{value:.15g}").scaleb(2 * section.is_percent - 3 * scale)
    text = f"{_CONTEXT.quantize(number, Decimal(1).scaleb(-places)):f}"
    integer, _, fraction = text.partition(".")
    least = decimals.rfind("0") + 1
    fraction = fraction[:least] + fraction[least:].rstrip("0")
    integer = integer.zfill(whole.count("0"))
    return f"{integer}.{fraction}" if fraction else integer


def _date(value: float, parts: tuple[str, ...], *, from_1904: bool) -> str:
    if not 0 <= value < _LAST_DAY:
        return plain(value)
    if any(part.startswith("[") for part in parts):
        return _elapsed(value, parts)
    start = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30)  # noqa: DTZ001  # cells have no zone
    if not from_1904 and value < _LEAP_BUG:
        start += timedelta(days=1)
    try:
        moment = start + timedelta(seconds=round(value * 86400))
    except OverflowError:
        return plain(value)
    return f"{_day(moment, parts)} {_time(moment, parts)}".strip()


def _day(moment: datetime, parts: tuple[str, ...]) -> str:
    has_year, has_month = any(part[0] == "y" for part in parts), any(part[0] == "m" for part in parts)
    has_day = any(part in {"d", "dd"} for part in parts)
    if has_day:
        return f"{moment:%Y-%m-%d}"
    if has_year:
        return f"{moment:%Y-%m}" if has_month else f"{moment:%Y}"
    if has_month:
        return _MONTHS[moment.month - 1]
    return _DAYS[moment.weekday()] if any(part[0] == "d" for part in parts) else ""


def _time(moment: datetime, parts: tuple[str, ...]) -> str:
    shown = {part[0] for part in parts}
    if "h" in shown:
        return f"{moment:%H:%M:%S}" if "s" in shown else f"{moment:%H:%M}"
    return f"{moment:%M:%S}" if shown & {"n", "s"} else ""


def _elapsed(value: float, parts: tuple[str, ...]) -> str:
    seconds = round(value * 86400)
    minutes, seconds = divmod(seconds, 60)
    if any(part.startswith("[h") for part in parts):
        rest = f":{seconds:02}" if any(part[0] == "s" for part in parts) else ""
        return f"{minutes // 60}:{minutes % 60:02}{rest}"
    if any(part.startswith("[m") for part in parts):
        return f"{minutes}:{seconds:02}"
    return str(60 * minutes + seconds)
