"""What an experiment is judged by. A metric has one value per subject, whatever they did."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from feedback.experiments.rows import Row
from rag.errors import InvalidInputError

_SPEC = re.compile(r"(?P<above>[^/:]+)(?:/(?P<below>[^/:]+))?(?P<options>(?::[a-z]+(?:=[0-9.]+)?)*)")

_SMALLEST = 1e-30  # squares of ratios of such numbers are still finite


class Kind(StrEnum):
    PROPORTION = "proportion"  # whether any of a subject's values is above 0
    MEAN = "mean"  # of a subject's values, then over subjects
    RATIO = "ratio"  # sum by sum


class Role(StrEnum):
    PRIMARY = "primary"  # decides
    SECONDARY = "secondary"  # informs
    GUARDRAIL = "guardrail"  # must not become worse


class Direction(StrEnum):
    """Which is better."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a variant.

    Attributes:
        numerator: The column that is measured.
        denominator: Of a ratio, the column that it is divided by.
        kind: None until the data tell: a proportion if every subject's value is 0 or 1, else a mean.
        margin: Of a guardrail, the relative loss that must be ruled out before anything is promoted.
    """

    numerator: str
    role: Role
    direction: Direction
    denominator: str | None = None
    kind: Kind | None = None
    margin: float | None = None

    @property
    def name(self) -> str:
        return f"{self.numerator}/{self.denominator}" if self.denominator else self.numerator

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.numerator, self.denominator) if self.denominator else (self.numerator,)


# What is analysed if no metric is named: those of them that the rows have.
DEFAULTS = (
    Metric("converted", Role.PRIMARY, Direction.HIGHER, kind=Kind.PROPORTION),
    Metric("rating", Role.SECONDARY, Direction.HIGHER, kind=Kind.MEAN),
    Metric("cost_usd", Role.SECONDARY, Direction.LOWER, kind=Kind.MEAN),
    Metric("errors", Role.GUARDRAIL, Direction.LOWER, kind=Kind.MEAN),
    Metric("latency_ms", Role.GUARDRAIL, Direction.LOWER, kind=Kind.MEAN),
)


def parse_metric(spec: str, role: Role, direction: Direction) -> Metric:
    """A metric from `COLUMN`, or `COLUMN/COLUMN` for a ratio, and options such as `:lower` or `:mean`.

    Raises:
        InvalidInputError: It is written otherwise.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise InvalidInputError(f"{spec!r} is not COLUMN or COLUMN/COLUMN with options after ':'")
    below = match["below"]
    kind, margin = Kind.RATIO if below else None, None
    for option in filter(None, match["options"].split(":")):
        if option in list(Direction):
            direction = Direction(option)
        elif option in (Kind.MEAN, Kind.PROPORTION) and not below:
            kind = Kind(option)
        elif option.startswith("margin=") and role is Role.GUARDRAIL:
            margin = _margin(option)
        else:
            raise InvalidInputError(f"{spec!r}: {option} is not an option of this metric")
    return Metric(match["above"], role, direction, below, kind, margin)


def _margin(option: str) -> float:
    try:
        margin = float(option.removeprefix("margin="))
    except ValueError:
        margin = 0.0
    if margin <= 0:
        raise InvalidInputError(f"{option} is not a share above 0, such as margin=0.05")
    return margin


def measure(metric: Metric, rows: Sequence[Row]) -> tuple[float, float] | None:
    """A subject's numerator and denominator; None if nothing was measured.

    A ratio counts the rows that have both columns.

    Raises:
        InvalidInputError: A value is not a finite number, a denominator is negative, or a proportion's value
        is
            neither 0 nor 1.
    """
    values = [tuple(number(row, column) for column in metric.columns) for row in rows if _has(row, metric)]
    if not values:
        return None
    first = [value[0] for value in values]
    match metric.kind:
        case Kind.RATIO:
            return sum(first), sum(value[1] for value in values)
        case Kind.PROPORTION:
            return max(_zero_or_one(metric, value, rows) for value in first), 1.0
        case _:
            return sum(first) / len(first), 1.0


def number(row: Row, column: str) -> float:
    """An outcome as a finite number.

    Raises:
        InvalidInputError: It is none, or so small or large that its variance could not be computed.
    """
    written = row.outcomes[column]
    try:
        value = float(written) if isinstance(written, str | int | float) else None
    except (ValueError, OverflowError):
        value = None
    if value is None or not isfinite(value):
        raise InvalidInputError(f"{row.origin}: {column} is {str(written)[:50]!r}, not a finite number")
    if value and not _SMALLEST <= abs(value) <= 1 / _SMALLEST:
        raise InvalidInputError(f"{row.origin}: {column} is {value:g}, too small or large to compute with")
    return value


def _has(row: Row, metric: Metric) -> bool:
    if not all(column in row.outcomes for column in metric.columns):
        return False
    if metric.denominator and number(row, metric.denominator) < 0:
        raise InvalidInputError(
            f"{row.origin}: {metric.denominator} is negative, but {metric.name} divides by it"
        )
    return True


def _zero_or_one(metric: Metric, value: float, rows: Sequence[Row]) -> float:
    if value not in (0, 1):
        raise InvalidInputError(f"{rows[0].origin}: {metric.name} is {value:g}, but a proportion has 0 and 1")
    return value
