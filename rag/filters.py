"""Which sources a search may look into: an algebra of conditions on a source's own facts.

Logic is two-valued: a condition on something that the source doesn't have is false, and `Not` turns just that
around. So `ne` and `nin`, which are `Not` of `eq` and `in`, hold for a source without the key.

Equality compares values of one type exactly: 5 equals 5.0, but neither true nor "5" equals 1 or 5. A range
compares numbers with numbers, in double precision, and moments with texts that are dates; all else is out of
every range. `matches` is the definition; `db.repositories.filters` says the same in SQL.
"""

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from operator import ge, gt, le, lt
from typing import Any

from rag.errors import InvalidInputError

LONGEST_TEXT = 512  # bytes that stand in an index as they are; an entry of a B-tree must stay below 2,700
# Calendar dates in ISO 8601's extended format only: "20260101" is rather a number, and "2026-W01" a name.
MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d"
    r"([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?(Z|[+-]([01]\d|2[0-3]):?[0-5]\d)?)?",
    re.ASCII,
)


class SourceField(StrEnum):
    """What every source has by itself. `SOURCE_DOCUMENT_ID` is the caller's own name for it."""

    SOURCE_DOCUMENT_ID = "source_document_id"
    LANGUAGE = "language"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"


@dataclass(frozen=True, slots=True)
class MetadataKey:
    """A key of the metadata that callers give to a source."""

    key: str


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"
    IN = "in"
    NIN = "nin"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    EXISTS = "exists"


LISTS = frozenset({Operator.IN, Operator.NIN})
COMPARISONS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.GT: gt,
    Operator.GTE: ge,
    Operator.LT: lt,
    Operator.LTE: le,
}
RANGES = frozenset(COMPARISONS)
NEGATIONS = frozenset({Operator.NE, Operator.NIN})
TIMES = frozenset({SourceField.CREATED_AT, SourceField.UPDATED_AT})

Field = SourceField | MetadataKey
Bound = float | datetime
Value = str | int | float | bool | datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison.

    `exists` takes no value, `in` and `nin` one or more, every other operator one. Ranges take what `bound_of`
    gives, all others texts, numbers and booleans. The source's name and language are texts without ranges,
    its times have nothing but ranges.

    Raises:
        InvalidInputError: The operator, the number of values or their types don't fit.
    """

    field: Field
    operator: Operator
    values: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        if self.operator is Operator.EXISTS:
            fits = not self.values
        elif self.operator in LISTS:
            fits = bool(self.values)
        else:
            fits = len(self.values) == 1
        if not fits:
            raise InvalidInputError(f"{self.operator} does not take {len(self.values)} values")
        if not _comparable(self.field, self.operator, self.values):
            raise InvalidInputError(f"{self.operator} does not compare such values here")


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; so it does when there is none."""

    parts: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds; so it doesn't when there is none."""

    parts: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """The part doesn't hold."""

    part: "Filter"


Filter = Condition | All | AnyOf | Not


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """All of a source that a filter can ask for."""

    source_document_id: str
    language: str | None
    created_at: datetime
    updated_at: datetime
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Attribute:
    """A metadata value in the form that is compared.

    Attributes:
        value: The type's first letter, a colon and the value; the same for values that are equal.
        number: The number in double precision, if it is one.
        moment: The moment, if it is a text that is a date.
    """

    value: str
    number: float | None = None
    moment: datetime | None = None


def matches(condition: Filter, source: SourceFacts) -> bool:
    """Whether the filter holds for the source."""
    match condition:
        case All(parts):
            return all(matches(part, source) for part in parts)
        case AnyOf(parts):
            return any(matches(part, source) for part in parts)
        case Not(part):
            return not matches(part, source)
        case Condition(field, operator, values):
            return _compare(_attribute(field, source), operator, values)


def attribute_of(value: object) -> Attribute | None:
    """How a metadata value is compared; None for what isn't: lists, objects, null, not a number, infinity."""
    match value:
        case bool():
            return Attribute(f"b:{str(value).lower()}")
        case int() | float():
            return _number_attribute(value)
        case str():
            return Attribute(f"s:{_bounded(value)}", moment=moment_of(value))
        case _:
            return None


def moment_of(text: str) -> datetime | None:
    """The moment that a text names, in UTC: an ISO 8601 date (its midnight) or date-time, else None.

    What says no offset is taken as UTC. Digits behind microseconds are dropped.
    """
    if not MOMENT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # no such day, or one before the year 1 or after 9999 in UTC
        return None


def bound_of(value: object) -> Bound:
    """The end of a range: a number in double precision, or the moment that a text names.

    Raises:
        InvalidInputError: Neither a number nor a date.
    """
    if isinstance(value, int | float) and (attribute := attribute_of(value)) and attribute.number is not None:
        return attribute.number
    if isinstance(value, str) and (moment := moment_of(value)):
        return moment
    raise InvalidInputError(
        "must be a number or a date (ISO 8601, such as 2026-01-31 or 2026-01-31T08:00:00Z)"
    )


def _comparable(field: Field, operator: Operator, values: Sequence[Value]) -> bool:
    ranged = operator in RANGES
    if field in TIMES:
        return ranged and all(_is_moment(value) for value in values)
    if isinstance(field, SourceField):
        return not ranged and all(isinstance(value, str) for value in values)
    if ranged:
        return all(_is_moment(value) or _is_number(value) for value in values)
    return all(attribute_of(value) for value in values)


def _is_moment(value: object) -> bool:
    return isinstance(value, datetime) and value.tzinfo is not None


def _is_number(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _attribute(field: Field, source: SourceFacts) -> Attribute | None:
    match field:
        case MetadataKey(key):
            return attribute_of(source.metadata.get(key))
        case SourceField.SOURCE_DOCUMENT_ID:
            return attribute_of(source.source_document_id)
        case SourceField.LANGUAGE:
            return attribute_of(source.language)
        case SourceField.CREATED_AT:
            return Attribute("", moment=source.created_at)
        case SourceField.UPDATED_AT:
            return Attribute("", moment=source.updated_at)


def _compare(found: Attribute | None, operator: Operator, values: Sequence[Value]) -> bool:
    if operator in NEGATIONS:
        return not _equals(found, values)
    if operator is Operator.EXISTS:
        return found is not None
    if operator in RANGES:
        return found is not None and _in_range(found, operator, values[0])
    return _equals(found, values)


def _equals(found: Attribute | None, values: Sequence[Value]) -> bool:
    wanted = (attribute_of(value) for value in values)
    return found is not None and any(found.value == other.value for other in wanted if other)


def _in_range(found: Attribute, operator: Operator, bound: Value) -> bool:
    place = found.moment if isinstance(bound, datetime) else found.number
    return place is not None and COMPARISONS[operator](place, bound)


def _number_attribute(number: float) -> Attribute | None:
    try:
        double = float(number)
    except OverflowError:
        return None
    if not math.isfinite(double):
        return None
    # By its decimal digits, which JSON and jsonb keep, and not by the double's exact value, which they don't.
    exact = Decimal(number) if isinstance(number, int) else Decimal(repr(number))
    whole = exact == exact.to_integral_value()
    return Attribute(f"n:{int(exact) if whole else repr(number)}", number=double)


def _bounded(text: str) -> str:
    """The text; of a long one as much as an index holds, and a digest of all of it.

    A shortened text is longer than any that is not, so that no text can be written to equal another's.
    """
    encoded = text.encode()
    if len(encoded) <= LONGEST_TEXT:
        return text
    return encoded[:LONGEST_TEXT].decode(errors="ignore") + hashlib.sha256(encoded).hexdigest()
