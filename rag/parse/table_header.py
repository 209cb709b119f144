"""Which rows of a table of data are its header, told by what the cells look like.

A header names its columns, so it looks different from what stands below: words over numbers, years over
amounts. Where nothing differs (text over text), the first row is taken for a header if its cells are
different from each other and short.
"""

import re
from collections import Counter
from collections.abc import Sequence
from enum import Enum, auto

_LOOKED_AT = 50  # rows below the header that are compared with it
_MAX_HEADER_ROWS = 4
_LONG = 80  # characters; a cell longer than that names no column, and is no number
_NOTHING = frozenset({"", "-", "–", "—", ".", "..", "…", "n/a", "N/A", "#N/A", "na", "NA"})
_FLAGS = frozenset({"true", "false"})
_YEAR = re.compile(r"(?:19|20)\d\d[ABEF]?", re.ASCII)
_DATE = re.compile(
    r"\d{4}-\d{1,2}(?:-\d{1,2})?(?:[T ]\d{1,2}:\d\d.{0,12})?"
    r"|\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d\d)(?: \d{1,2}:\d\d.{0,9})?|\d{1,2}:\d\d(?::\d\d)?",
    re.ASCII,
)
_NUMBER = re.compile(
    r"[-+−–(]?\s?(?:[^\w\s.,'’]{1,3}|[A-Z]{3})?\s?[-+−–(]?[.,]?\d[\d.,'’\s]*"
    r"(?:[eE][-+]?\d+)?(?:[^\w\s]{1,3}|[A-Z]{2,3})?\)?"
)


class Kind(Enum):
    """What a cell looks like."""

    NOTHING = auto()
    TEXT = auto()
    NUMBER = auto()
    YEAR = auto()
    DATE = auto()
    FLAG = auto()


def kind_of(cell: str) -> Kind:
    """What the cell looks like; signs for "no value" are nothing."""
    cell = cell.strip()
    if cell in _NOTHING:
        return Kind.NOTHING
    if len(cell) > _LONG:
        return Kind.TEXT
    for kind, pattern in ((Kind.YEAR, _YEAR), (Kind.DATE, _DATE), (Kind.NUMBER, _NUMBER)):
        if pattern.fullmatch(cell):
            return kind
    return Kind.FLAG if cell.lower() in _FLAGS else Kind.TEXT


def count_header_rows(rows: Sequence[Sequence[str]]) -> int:
    """How many rows at the top are the header, 0 to 4; always fewer than there are rows.

    A further row belongs to it when it names columns that the rows above leave blank.
    """
    found = 0
    for at, row in enumerate(rows[: min(_MAX_HEADER_ROWS, len(rows) - 1)]):
        votes = _votes(row, rows[at + 1 :])
        if sum(votes) < 0 or (at and not _completes(rows[:at], row)):
            break
        if votes:
            found = at + 1
        elif 2 * sum(bool(cell.strip()) for cell in row) > len(row):
            return found or int(at == 0 and _are_names(row))
    return found


def _are_names(row: Sequence[str]) -> bool:
    names = [cell.strip() for cell in row if cell.strip()]
    return len(set(names)) == len(names) and all(len(name) <= _LONG for name in names)


def _votes(first: Sequence[str], below: Sequence[Sequence[str]]) -> list[int]:
    """For each column that tells: 1 when its first cell differs in kind from those below, -1 when not."""
    votes = []
    for column, cell in enumerate(first):
        kind = kind_of(cell)
        kinds = Counter(kind_of(row[column]) for row in below[:_LOOKED_AT] if column < len(row))
        del kinds[Kind.NOTHING]
        if kind is Kind.NOTHING or not kinds:
            continue
        common = kinds.most_common(1)[0][0]
        if not kind is common is Kind.TEXT:
            votes.append(-1 if kind is common else 1)
    return votes


def _completes(above: Sequence[Sequence[str]], row: Sequence[str]) -> bool:
    return any(
        cell.strip() and not any(column < len(other) and other[column].strip() for other in above)
        for column, cell in enumerate(row)
    )
