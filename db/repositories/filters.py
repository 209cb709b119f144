"""Filters as SQL under row-level security: a condition on one source, and where to find all that may meet it.

A condition looks up each fact by primary key in a scalar subselect. The planner turns `EXISTS` and `IN` into
joins, if it likes by hashing a whole table; a scalar subselect it never does. A driver reads one index, in
plain columns and leakproof operators, which are all that row-level security leaves an index.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum

from rag.filters import (
    NEGATIONS,
    RANGES,
    TIMES,
    All,
    AnyOf,
    Condition,
    Field,
    Filter,
    MetadataKey,
    Not,
    Operator,
    SourceField,
    Value,
    attribute_of,
)

NOTHING_MORE = "true"
COMPARISON = {Operator.GT: ">", Operator.GTE: ">=", Operator.LT: "<", Operator.LTE: "<="}
# The alias hides no table of the statement around it, whose columns the source's expression may name.
FACT_OF_SOURCE = "coalesce((SELECT {test} FROM source_documents fact WHERE fact.id = {source}), false)"
FACT_OF_METADATA = """
coalesce((
    SELECT {test} FROM source_attributes fact WHERE fact.source_id = {source} AND fact.key = {key}
), false)
""".strip()
SOURCES = "SELECT fact.id AS source_id FROM source_documents fact WHERE fact.tenant_id = $1 AND {test}"
SOURCES_BY_METADATA = """
SELECT fact.source_id FROM source_attributes fact WHERE fact.tenant_id = $1 AND fact.key = {key} AND {test}
""".strip()


@dataclass(frozen=True, slots=True)
class CompiledFilter:
    """A filter as parts of one statement. Their text depends on the filter's shape, never on its values.

    Attributes:
        condition: Whether one source meets the filter; true or false, never null.
        driver: Selects `source_id` of all sources that may meet it, some of them repeatedly, by an index;
            `$1` is the tenant. None if nothing narrows them down. It takes some of `condition`'s parameters,
            and so stands beside it, not instead of it.
        remainder: What a source that the driver gives has still to meet: all, where there is no driver.
        values: The parameters, in their order.
    """

    condition: str
    driver: str | None
    remainder: str
    values: tuple[object, ...]


def compile_filter(condition: Filter, *, source: str, first: int) -> CompiledFilter:
    """Write the filter as SQL.

    Args:
        condition: The filter.
        source: SQL expression of the source's id, qualified, such as "m.source_id".
        first: Number of the first parameter.
    """
    parameters = _Parameters(first)
    part = _part(condition, source, parameters)
    values = tuple(parameters.values)
    if part.driver is None:
        return CompiledFilter(part.condition, None, part.condition, values)
    return CompiledFilter(part.condition, part.driver.statement, part.driver.remainder, values)


class _Breadth(IntEnum):
    """How many sources a driver is likely to give, fewest first."""

    NAME = 0
    VALUE = 1
    LANGUAGE = 2
    RANGE = 3
    TIME = 4
    PRESENCE = 5


@dataclass(frozen=True, slots=True)
class _Driver:
    breadth: _Breadth
    statement: str
    remainder: str = NOTHING_MORE


@dataclass(frozen=True, slots=True)
class _Part:
    condition: str
    driver: _Driver | None = None


@dataclass(slots=True)
class _Parameters:
    first: int
    values: list[object] = field(default_factory=list)

    def add(self, value: object, kind: str) -> str:
        self.values.append(value)
        return f"${self.first + len(self.values) - 1}::{kind}"


def _part(condition: Filter, source: str, parameters: _Parameters) -> _Part:
    match condition:
        case All(parts):
            ranges, others = _split_ranges(parts)
            found = [_part(part, source, parameters) for part in others]
            found += [_lookup(conditions, source, parameters) for conditions in ranges]
            return _all(found)
        case AnyOf(parts):
            return _any([_part(part, source, parameters) for part in parts])
        case Not(part):
            return _Part(f"NOT {_part(part, source, parameters).condition}")
        case Condition():
            return _lookup([condition], source, parameters)


def _split_ranges(parts: Iterable[Filter]) -> tuple[list[list[Condition]], list[Filter]]:
    """Both ends of a range together, for one look at one piece of an index; and all that isn't a range."""
    ranges: dict[str, list[Condition]] = {}
    others: list[Filter] = []
    for part in _flat(parts):
        if isinstance(part, Condition) and part.operator in RANGES:
            ranges.setdefault(f"{_column(part)} {part.field}", []).append(part)
        else:
            others.append(part)
    return list(ranges.values()), others


def _flat(parts: Iterable[Filter]) -> Iterator[Filter]:
    for part in parts:
        if isinstance(part, All):
            yield from _flat(part.parts)
        else:
            yield part


def _all(parts: Sequence[_Part]) -> _Part:
    condition = _joined(part.condition for part in parts)
    drivers = [(part, part.driver) for part in parts if part.driver]
    if not drivers:
        return _Part(condition)
    driven, driver = min(drivers, key=lambda pair: pair[1].breadth)
    left = [part.condition for part in parts if part is not driven]
    if driver.remainder != NOTHING_MORE:
        left.append(driver.remainder)
    return _Part(condition, replace(driver, remainder=_joined(left) if left else NOTHING_MORE))


def _joined(conditions: Iterable[str]) -> str:
    return f"({' AND '.join(conditions) or NOTHING_MORE})"


def _any(parts: Sequence[_Part]) -> _Part:
    condition = f"({' OR '.join(part.condition for part in parts) or 'false'})"
    drivers = [part.driver for part in parts if part.driver]
    driver = None
    if drivers and len(drivers) == len(parts):
        union = " UNION ALL ".join(driver.statement for driver in drivers)
        is_all = all(driver.remainder == NOTHING_MORE for driver in drivers)
        remainder = NOTHING_MORE if is_all else condition
        driver = _Driver(max(driver.breadth for driver in drivers), union, remainder)
    return _Part(condition, driver)


def _lookup(conditions: Sequence[Condition], source: str, parameters: _Parameters) -> _Part:
    """One fact of the source, of which all the conditions speak."""
    first = conditions[0]
    if isinstance(first.field, MetadataKey):
        fact, sources = FACT_OF_METADATA, SOURCES_BY_METADATA
        key = parameters.add(first.field.key, "text")
    else:
        fact, sources, key = FACT_OF_SOURCE, SOURCES, ""
    test = " AND ".join(_test(condition, parameters) for condition in conditions)
    condition = fact.format(test=test, source=source, key=key)
    if first.operator in NEGATIONS:
        return _Part(f"NOT {condition}")
    return _Part(condition, _Driver(_breadth(first), sources.format(test=test, key=key)))


def _test(condition: Condition, parameters: _Parameters) -> str:
    column = _column(condition)
    match condition.operator:
        case Operator.EXISTS:
            return f"{column} IS NOT NULL"
        case Operator.IN | Operator.NIN:
            wanted = [_text(condition.field, value) for value in condition.values]
            return f"{column} = ANY({parameters.add(wanted, 'text[]')})"
        case Operator.EQ | Operator.NE:
            return f"{column} = {parameters.add(_text(condition.field, condition.values[0]), 'text')}"
        case _:
            (bound,) = condition.values
            kind = "timestamptz" if isinstance(bound, datetime) else "double precision"
            return f"{column} {COMPARISON[condition.operator]} {parameters.add(bound, kind)}"


def _column(condition: Condition) -> str:
    if isinstance(condition.field, SourceField):
        return f"fact.{condition.field}"
    if condition.operator not in RANGES:
        return "fact.value"
    return "fact.moment" if isinstance(condition.values[0], datetime) else "fact.number"


def _text(of: Field, value: Value) -> str:
    if isinstance(of, SourceField):
        return str(value)
    attribute = attribute_of(value)
    assert attribute, "a condition has no other values"  # noqa: S101 - narrows the type
    return attribute.value


def _breadth(condition: Condition) -> _Breadth:
    if condition.operator is Operator.EXISTS:
        return _Breadth.PRESENCE
    if condition.field in TIMES:
        return _Breadth.TIME
    if condition.operator in RANGES:
        return _Breadth.RANGE
    match condition.field:
        case SourceField.SOURCE_DOCUMENT_ID:
            return _Breadth.NAME
        case SourceField.LANGUAGE:
            return _Breadth.LANGUAGE
        case _:
            return _Breadth.VALUE
