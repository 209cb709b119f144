"""Fields that several requests share. They refuse NUL characters and lone surrogates."""

import math
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    WithJsonSchema,
)

from rag.errors import InvalidInputError
from rag.ingest import check_name

MAX_VALUE_LENGTH = 4096  # characters
HALF_PRECISION = 65504  # largest number that a stored vector can hold
MAX_METADATA_KEYS = 64  # filterable fields, not a document store


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise ValueError(f"must not contain lone surrogates, such as the one at {exc.start}") from exc
    return text


def _indexable(text: str) -> str:
    try:
        check_name(text)
    except InvalidInputError as exc:
        raise ValueError(str(exc)) from exc
    return text


def plain_value(value: object) -> object:
    """A metadata value: one message for all that it may not be, instead of one for each kind it could be."""
    if isinstance(value, str) and len(value) <= MAX_VALUE_LENGTH:
        return _storable(value)
    if isinstance(value, bool) or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"must be a text of at most {MAX_VALUE_LENGTH} characters, a number or a boolean")


def not_all_zero(vector: list[float]) -> list[float]:
    if not any(vector):
        raise ValueError("must not be all zero: it points nowhere")
    return vector


def as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _written_out(value: Any) -> Any:
    """Refuses seconds since 1970: the schema doesn't know them, and "2026" would be in 1970."""
    try:
        float(value)
    except (TypeError, ValueError):
        return value
    raise ValueError("must be a date (ISO 8601), not a number")


def _counted(value: Any) -> Any:
    """Refuses what Pydantic would count: true for 1, "1" for 1. JSON's 1.0 is an integer."""
    if isinstance(value, bool | str):
        raise ValueError("must be a number")  # noqa: TRY004 - Pydantic's way to refuse a value
    return value


IsNumber = BeforeValidator(_counted)
Flag = Annotated[bool, Strict()]  # neither 0 nor "no"
Day = Annotated[date, BeforeValidator(_written_out)]
Moment = Annotated[datetime, BeforeValidator(_written_out)]
Text = Annotated[str, AfterValidator(_storable)]
Visible = Annotated[Text, AfterValidator(_not_blank)]
Name = Annotated[Visible, Field(min_length=1, max_length=1024), AfterValidator(_indexable)]
OneOrMore = Annotated[
    list[Name],
    Field(min_length=1, max_length=1000),
    BeforeValidator(as_list, json_schema_input_type=str | list[str]),
]
Title = Annotated[Visible, Field(min_length=1, max_length=1024)]
Value = Annotated[
    bool | int | float | str,
    PlainValidator(plain_value),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "boolean"},
                {"type": "number"},
                {"type": "string", "maxLength": MAX_VALUE_LENGTH},
            ]
        }
    ),
]
Key = Annotated[Text, Field(min_length=1, max_length=256)]
Metadata = Annotated[dict[Key, Value], Field(max_length=MAX_METADATA_KEYS)]
Group = Annotated[Text, Field(min_length=1, max_length=256)]
Acl = Annotated[list[Group], Field(max_length=256)]
Query = Annotated[Visible, Field(min_length=1, max_length=4000)]
Component = Annotated[float, Field(ge=-HALF_PRECISION, le=HALF_PRECISION, allow_inf_nan=False)]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
