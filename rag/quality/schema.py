"""What the records of a document must look like: a small part of JSON Schema."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from rag.errors import InvalidInputError

_OF_RECORD = frozenset({"$schema", "$id", "title", "description", "type", "properties", "required"})
_OF_FIELD = frozenset({"title", "description", "type", "format", "enum"})
_INTEGER = re.compile(r"[+-]?\d+(?:\.0+)?")
_NUMBER = re.compile(r"[+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_BOOLEANS = frozenset({"true", "false"})


class FieldType(StrEnum):
    """What a value is written as; `DATE` is ISO 8601, with or without a time."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"

    def holds(self, value: str) -> bool:
        """Whether a text, not empty, is a value of this type."""
        match self:
            case FieldType.INTEGER:
                return _INTEGER.fullmatch(value) is not None
            case FieldType.NUMBER:
                return _NUMBER.fullmatch(value) is not None
            case FieldType.BOOLEAN:
                return value.lower() in _BOOLEANS
            case FieldType.DATE:
                return _is_date(value)
            case _:
                return True


@dataclass(frozen=True, slots=True)
class RecordSchema:
    """What every record must have.

    Attributes:
        required: Fields that must be there and not be empty.
        types: What the value is of a field that is there and not empty.
        allowed: The only values of a field that is there and not empty.
    """

    required: tuple[str, ...] = ()
    types: Mapping[str, FieldType] = field(default_factory=dict)
    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def from_json_schema(cls, schema: Mapping[str, Any]) -> Self:
        """The schema of an object: its `required`, and of its `properties` `type`, `format` and `enum`.

        Raises:
            InvalidInputError: It says anything else, which would go unchecked, or is not well formed.
        """
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, Mapping) or not isinstance(required, list):
            raise InvalidInputError("`properties` must be an object, and `required` a list of names")
        _refuse_unknown(schema, _OF_RECORD, "the schema")
        types, allowed = {}, {}
        for name, rule in properties.items():
            if not isinstance(rule, Mapping):
                raise InvalidInputError(f'what the schema says about "{name}" must be an object')
            _refuse_unknown(rule, _OF_FIELD, f'the field "{name}"')
            kind = _field_type(name, rule)
            if kind is not None:
                types[str(name)] = kind
            if "enum" in rule and not isinstance(rule["enum"], list):
                raise InvalidInputError(f'the `enum` of "{name}" must be a list')
            if "enum" in rule:
                allowed[str(name)] = frozenset(map(_as_text, rule["enum"]))
        return cls(required=tuple(map(str, required)), types=types, allowed=allowed)


def _refuse_unknown(schema: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = sorted(set(schema) - known)
    if unknown:
        raise InvalidInputError(f"{where} uses {', '.join(unknown)}, which is not checked here")


def _field_type(name: str, rule: Mapping[str, Any]) -> FieldType | None:
    """The one type of a field besides null; None if it has none."""
    given = rule.get("type", [])
    kinds = [kind for kind in (given if isinstance(given, list) else [given]) if kind != "null"]
    if rule.get("format") in {"date", "date-time"}:
        return FieldType.DATE
    if not kinds:
        return None
    try:
        (kind,) = kinds
        return FieldType(kind)
    except ValueError:
        raise InvalidInputError(
            f'the type of the field "{name}" must be one of {", ".join(FieldType)}'
        ) from None


def _as_text(value: object) -> str:
    """A value as the text of a record shows it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_date(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
