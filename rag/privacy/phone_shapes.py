"""How a telephone number is written, and what is written much like one: dates, years, ISBNs, amounts."""

import re
from dataclasses import dataclass

GROUP = re.compile("[0-9]+")
_DATE = re.compile(
    r"(?<!\d)(?:(?:1[89]|20)\d\d( ?[-./] ?)(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])( ?[-./] ?)(?:0?[1-9]|[12]\d|3[01])\2(?:1[89]|20)\d\d)(?!\d)"
)
_DAY = re.compile(r"(?:1[89]|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[0-2]\d[0-5]\d)?")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_BRACKETS = re.compile(r"[^()]*(?:\(\+?\d{1,5}\)[^()]*)?")  # accountants write losses as (123) (456)
_NOT_PHONES = frozenset({(3, 2, 4), (5, 4), (4, 4, 4, 4)})  # US social security, US postal code, card


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run of digits, or neighbouring groups of one.

    Attributes:
        start: Its first character in the text.
        raw: It as written.
        groups: Its groups of digits.
    """

    start: int
    raw: str
    groups: tuple[str, ...]

    @property
    def end(self) -> int:
        return self.start + len(self.raw)

    @property
    def digits(self) -> str:
        return "".join(self.groups)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(len, self.groups))

    @property
    def separators(self) -> frozenset[str]:
        return frozenset(GROUP.sub("", self.raw))

    @property
    def is_north_american(self) -> bool:
        """Grouped as in North America, with its country code or without."""
        return self.shape == (3, 3, 4) or (self.shape == (1, 3, 3, 4) and self.groups[0] == "1")


def candidate(text: str, start: int, end: int) -> Candidate:
    """The digits in `[start, end)` of the text; a bracket that closes behind them is not theirs."""
    if text[start] == "(" and ")" not in text[start:end]:
        start += 1
    return Candidate(start, text[start:end], tuple(GROUP.findall(text, start, end)))


def is_something_else(number: Candidate) -> bool:
    groups, shape = number.groups, number.shape
    if len(set(number.digits)) == 1 or _DATE.search(number.raw):
        return True
    if len(groups) == 1:
        return _DAY.fullmatch(groups[0]) is not None
    if shape in _NOT_PHONES or all(map(_YEAR.fullmatch, groups)) or _has_stray_digit(number):
        return True
    between = "".join(GROUP.split(number.raw)[1:])
    if "/" in between[1:] or not _BRACKETS.fullmatch(number.raw):  # 030/1234567, but not 100/400/1200
        return True
    return "." in between and not _is_dotted(number)


def _has_stray_digit(number: Candidate) -> bool:
    """A group of one digit at the end, or inside a number without a country code, or a 0 in front of one."""
    international = number.raw.startswith(("+", "(+", "00"))
    checked = number.groups[-1:] if international else number.groups[1:]
    alone = not international and number.groups[0] == "0" and not number.raw.startswith("(0)")
    return alone or any(len(group) == 1 for group in checked)


def _is_dotted(number: Candidate) -> bool:
    """`905.674.3793`, `01.23.45.67.89`; other dots are decimals, thousands, versions and IPv4 addresses."""
    two_each = all(length == 2 for length in number.shape) and number.digits.startswith("0")  # noqa: PLR2004
    if number.is_north_american or two_each or number.raw.startswith(("+", "(")):
        return True
    only_dots = number.separators == {"."}
    return only_dots and number.digits.startswith("0") and len(number.groups) > 2 and min(number.shape) > 1  # noqa: PLR2004
