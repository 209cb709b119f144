"""A filter as it goes over HTTP, and the condition that it stands for."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    ModelWrapValidatorHandler,
    PlainSerializer,
    PlainValidator,
    StrictBool,
    TypeAdapter,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)

from app.field_types import MAX_METADATA_KEYS, Key, OneOrMore, Request, Value, as_list, plain_value
from app.filter_limits import MAX_CONDITIONS, MAX_VALUES, check_limits
from rag.errors import InvalidInputError
from rag.filters import (
    All,
    AnyOf,
    Bound,
    Condition,
    Filter,
    MetadataKey,
    Not,
    Operator,
    SourceField,
    bound_of,
    moment_of,
)
from rag.ports import SearchScope


def _given(value: object) -> object:
    """Null is no operand: taken for an absent one, it would open what the caller meant to close."""
    if value is None:
        raise ValueError("must not be null")
    return value


def _bound(value: object) -> Bound:
    try:
        return bound_of(value)
    except InvalidInputError as exc:
        raise ValueError(str(exc)) from exc


def _moment(value: object) -> datetime:
    if isinstance(value, str) and (moment := moment_of(value)):
        return moment
    raise ValueError("must be a date (ISO 8601), such as 2026-01-31 or 2026-01-31T08:00:00Z")


def _bound_as_json(value: Bound) -> float | str:
    return value.isoformat() if isinstance(value, datetime) else value


def _metadata_condition(value: object, validate: ModelWrapValidatorHandler["MetadataOperators"]) -> Any:
    """Operators as they are, a list as `in`, a value as `eq`; a mistake is found where the caller made it."""
    if isinstance(value, dict):
        return validate(value)
    if isinstance(value, list):
        return validate({"in": VALUES.validate_python(value)})
    return validate({"eq": plain_value(value)})


Values = Annotated[list[Value], Field(min_length=1, max_length=MAX_VALUES)]
VALUES: TypeAdapter[list[Any]] = TypeAdapter(Values)
Language = Annotated[str, Field(pattern="^[a-z]{2,3}$")]
Languages = Annotated[
    list[Language],
    Field(min_length=1, max_length=MAX_VALUES),
    BeforeValidator(as_list, json_schema_input_type=Language | list[Language]),
]
DATES: list[dict[str, JsonValue]] = [
    {"type": "string", "format": "date"},
    {"type": "string", "format": "date-time"},
]
# Without it, what a plain validator gives is serialised twice, the second time with a warning.
BOUND_AS_JSON = PlainSerializer(_bound_as_json, when_used="json-unless-none")
MomentBound = Annotated[
    datetime | None, PlainValidator(_moment), BOUND_AS_JSON, WithJsonSchema({"anyOf": DATES})
]
AnyBound = Annotated[
    Bound | None,
    PlainValidator(_bound),
    BOUND_AS_JSON,
    WithJsonSchema({"anyOf": [{"type": "number"}, *DATES]}),
]
OneValue = Annotated[Value | None, BeforeValidator(_given, json_schema_input_type=Value)]
ManyValues = Annotated[Values | None, BeforeValidator(_given, json_schema_input_type=Values)]


class Operators(Request):
    """Comparisons of one field, all of which must hold."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"must have at least one of {', '.join(self._operands(given=False))}")
        return self

    def conditions(self, field: SourceField | MetadataKey) -> list[Filter]:
        given = self._operands(given=True)
        return [_condition(field, operator, operand) for operator, operand in given.items()]

    def _operands(self, *, given: bool) -> dict[Operator, Any]:
        """The values by operator, of those that were given or of all that there are."""
        return {
            Operator(info.alias or name): getattr(self, name)
            for name, info in type(self).model_fields.items()
            if name in self.model_fields_set or not given
        }


class TimeOperators(Operators):
    """A span of time. A date is its midnight; what has no offset is UTC."""

    gt: MomentBound = None
    gte: MomentBound = None
    lt: MomentBound = None
    lte: MomentBound = None


class MetadataOperators(Operators):
    """Comparisons of one metadata value, all of which must hold.

    A source without the key meets `ne`, `nin` and `exists: false` alone. Ranges are over numbers or dates.
    """

    eq: OneValue = None
    ne: OneValue = None
    in_: ManyValues = Field(default=None, alias="in")
    nin: ManyValues = None
    gt: AnyBound = None
    gte: AnyBound = None
    lt: AnyBound = None
    lte: AnyBound = None
    exists: Annotated[StrictBool | None, BeforeValidator(_given, json_schema_input_type=bool)] = None

    @model_validator(mode="after")
    def _one_kind_of_range(self) -> Self:
        bounds = [bound for bound in (self.gt, self.gte, self.lt, self.lte) if bound is not None]
        if len({isinstance(bound, datetime) for bound in bounds}) > 1:
            raise ValueError("a range must be over numbers or over dates, not both")
        return self


MetadataCondition = Annotated[
    MetadataOperators,
    WrapValidator(_metadata_condition, json_schema_input_type=Value | Values | MetadataOperators),
]


class Filters(Request):
    """Narrow a search to some sources. All that is given must hold; null is the same as leaving it out."""

    source_document_id: OneOrMore | None = None
    language: Languages | None = None
    created_at: TimeOperators | None = None
    updated_at: TimeOperators | None = None
    metadata: Annotated[dict[Key, MetadataCondition], Field(max_length=MAX_METADATA_KEYS)] = Field(default={})
    all: "Parts | None" = None
    any: "Parts | None" = None
    not_: "Part | None" = Field(default=None, alias="not")

    @model_validator(mode="before")
    @classmethod
    def _within_limits(cls, data: object) -> object:
        check_limits(data)
        return data

    def to_filter(self) -> Filter | None:
        """All that was given as one filter; None if nothing was."""
        found = [*self._source_conditions(), *self._metadata_conditions(), *self._combinations()]
        return found[0] if len(found) == 1 else All(tuple(found)) if found else None

    def narrow(self, scope: SearchScope) -> SearchScope:
        return replace(scope, filter=self.to_filter())

    def _source_conditions(self) -> Iterator[Filter]:
        if self.source_document_id:
            yield Condition(SourceField.SOURCE_DOCUMENT_ID, Operator.IN, tuple(self.source_document_id))
        if self.language:
            yield Condition(SourceField.LANGUAGE, Operator.IN, tuple(self.language))
        if self.created_at:
            yield from self.created_at.conditions(SourceField.CREATED_AT)
        if self.updated_at:
            yield from self.updated_at.conditions(SourceField.UPDATED_AT)

    def _metadata_conditions(self) -> Iterator[Filter]:
        for key, operators in self.metadata.items():
            yield from operators.conditions(MetadataKey(key))

    def _combinations(self) -> Iterator[Filter]:
        if self.all:
            yield from _filters(self.all)
        if self.any:
            yield AnyOf(tuple(_filters(self.any)))
        if self.not_:
            yield from (Not(part) for part in _filters([self.not_]))


def _not_empty(part: Filters) -> Filters:
    """An empty part would match everything: `any` would let all through, `not` nothing."""
    if part.to_filter() is None:
        raise ValueError("must have at least one condition")
    return part


Part = Annotated[Filters, AfterValidator(_not_empty)]
Parts = Annotated[list[Part], Field(min_length=1, max_length=MAX_CONDITIONS)]
Filters.model_rebuild()


def _filters(parts: Sequence[Filters]) -> Iterator[Filter]:
    return (found for part in parts if (found := part.to_filter()))


def _condition(field: SourceField | MetadataKey, operator: Operator, operand: Any) -> Filter:
    if operator is Operator.EXISTS:
        present = Condition(field, operator)
        return present if operand else Not(present)
    return Condition(field, operator, tuple(operand) if isinstance(operand, list) else (operand,))
