"""How large a filter may be: looked at first, for validation goes as deep as its input does."""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

MAX_DEPTH = 5  # `all`, `any` and `not` inside one another: more than that, nobody can read
MAX_VALUES = 1000  # as many as a list of names may have
MAX_CONDITIONS = 100  # each is a look-up for every passage that is considered

Location = tuple[str | int, ...]
SOURCE_FIELDS = ("source_document_id", "language", "created_at", "updated_at")


def check_limits(filters: object) -> None:
    """Count what stands in a filter as it was sent, however wrong; what is no filter at all is let through.

    Raises:
        ValidationError: It nests too deeply or has too many values or conditions; says where that begins.
    """
    values = conditions = 0
    waiting: list[tuple[int, Location, object]] = [(0, (), filters)]
    while waiting:
        depth, location, found = waiting.pop()
        if not isinstance(found, dict):
            continue
        if depth > MAX_DEPTH:
            raise _too_much(location, f"all, any and not must nest at most {MAX_DEPTH} deep")
        parts = list(_parts(location, found))
        operands = list(_operands(location, found))
        if not parts and not operands:
            conditions += 1  # it will be refused, but must not come by the thousand either
        for place, operand in operands:
            conditions += 1
            values += len(operand) if isinstance(operand, list) else 1
            if values > MAX_VALUES:
                raise _too_much(place, f"a filter must have at most {MAX_VALUES} values in all")
        if conditions > MAX_CONDITIONS:
            raise _too_much(location, f"a filter must have at most {MAX_CONDITIONS} conditions in all")
        waiting += [(depth + 1, *part) for part in reversed(parts)]


def _parts(location: Location, filters: Mapping[str, object]) -> Iterator[tuple[Location, object]]:
    for name in ("all", "any"):
        if isinstance(parts := filters.get(name), list):
            yield from (((*location, name, index), part) for index, part in enumerate(parts))
    if "not" in filters:
        yield (*location, "not"), filters["not"]


def _operands(location: Location, filters: Mapping[str, object]) -> Iterator[tuple[Location, object]]:
    metadata = filters.get("metadata")
    fields = [((*location, name), filters[name]) for name in SOURCE_FIELDS if name in filters]
    if isinstance(metadata, dict):
        fields += [((*location, "metadata", key), operand) for key, operand in metadata.items()]
    for place, operand in fields:
        if isinstance(operand, dict):
            yield from (((*place, operator), value) for operator, value in operand.items())
        else:
            yield place, operand


def _too_much(location: Location, message: str) -> ValidationError:
    error = InitErrorDetails(
        type=PydanticCustomError("filter_too_large", "{message}", {"message": message}),
        loc=location,
        input=None,
    )
    return ValidationError.from_exception_data("Filters", [error])
