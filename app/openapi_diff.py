"""What breaks clients between two OpenAPI documents.

A request breaks when the new service takes less: a path, method, parameter or field gone, something required
that was not, a narrower set of values. A response breaks when it gives less, or something else: a field gone
or no longer certain to be there, a type that was not there before. Bounds and enumerations count in requests
only. Not read, for FastAPI writes none of them: `allOf`, `not`, conditions, `prefixItems`.
(After "API design guidance: breaking changes", Azure.)
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
METHODS = {"get", "put", "post", "delete", "patch"}
PARTS = (("items", "[]"), ("additionalProperties", ".*"), ("propertyNames", " (names)"))
LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """One line for each change from `old` to `new` that can break a client; empty when none can."""
    return sorted(set(_paths(old, new)))


def _paths(old: Schema, new: Schema) -> Iterator[str]:
    for path, operations in old["paths"].items():
        for method in METHODS & operations.keys():
            name, after = f"{method.upper()} {path}", new["paths"].get(path, {}).get(method)
            if after:
                yield from _operation(name, operations[method], after, (old, new))
            else:
                yield f"{name} is gone"


def _operation(name: str, before: Schema, after: Schema, documents: tuple[Schema, Schema]) -> Iterator[str]:
    for place in ("path", "query", "header", "cookie"):
        schemas = _parameters(before, place), _parameters(after, place)
        yield from _Comparison(documents, request=True).run(f"{name} {place}", *schemas)
    body, new_body = before.get("requestBody", {}), after.get("requestBody", {})
    if new_body.get("required") and not body.get("required"):
        yield f"{name} now needs a body"
    yield from _contents(f"{name} request", body, new_body, _Comparison(documents, request=True))
    answers = after.get("responses", {})
    for status, response in before.get("responses", {}).items():
        if answer := answers.get(status) or answers.get(f"{status[0]}XX") or answers.get("default"):
            yield from _contents(f"{name} {status}", response, answer, _Comparison(documents, request=False))
        else:
            yield f"{name} no longer answers {status}"


def _parameters(operation: Schema, place: str) -> Schema:
    """The parameters in one place as the fields of an object."""
    found = [item for item in operation.get("parameters", []) if item["in"] == place]
    fields = {item["name"]: item.get("schema", {}) for item in found}
    return {"properties": fields, "required": [item["name"] for item in found if item.get("required")]}


def _contents(where: str, before: Schema, after: Schema, comparison: "_Comparison") -> Iterator[str]:
    contents = after.get("content", {})
    for media, content in before.get("content", {}).items():
        if media in contents:
            yield from comparison.run(where, content.get("schema", {}), contents[media].get("schema", {}))
        else:
            yield f"{where} is no longer {media}"


@dataclass(frozen=True, slots=True)
class _Branch:
    """One of the alternatives that a schema admits, its reference followed."""

    name: str  # of the referenced schema; empty for one written in place
    kind: str  # its JSON type, or "any"
    schema: Schema

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})" if self.name else self.kind


class _Comparison:
    """Walks two schemas side by side, following references; each pair of referenced schemas once."""

    def __init__(self, documents: tuple[Schema, Schema], *, request: bool) -> None:
        self._old, self._new = documents
        self._request = request
        self._seen: set[str] = set()

    def run(self, where: str, before: Schema, after: Schema) -> Iterator[str]:
        """Each old alternative must still be taken in a request; in a response, each new one be old."""
        old, new = list(_branches(self._old, before)), list(_branches(self._new, after))
        given, allowed = (old, new) if self._request else (new, old)
        pairs = [(branch, _partner(branch, allowed)) for branch in given]
        if any(partner is None for _, partner in pairs) and all(branch.kind != "any" for branch in allowed):
            yield f"{where} changed from {_names(old)} to {_names(new)}"
        for branch, partner in pairs:
            if partner:
                yield from self._pair(where, *((branch, partner) if self._request else (partner, branch)))

    def _pair(self, where: str, old: _Branch, new: _Branch) -> Iterator[str]:
        if old.name and new.name:
            if (pair := repr((old, new))) in self._seen:
                return
            self._seen.add(pair)
        before, after = old.schema, new.schema
        yield from self._fields(where, before, after)
        if self._request:
            yield from _narrowed(where, before, after)
        elif "format" in before and after.get("format") != before["format"]:
            yield f"{where} is no longer a {before['format']}"
        for keyword, mark in PARTS:
            part, replacement = before.get(keyword, {}), after.get(keyword, {})
            if self._request and replacement is False and part is not False:
                yield f"{where} no longer takes other fields"
            elif (part or replacement) and False not in (part, replacement):
                parts = ({} if schema is True else schema for schema in (part, replacement))
                yield from self.run(f"{where}{mark}", *parts)

    def _fields(self, where: str, before: Schema, after: Schema) -> Iterator[str]:
        fields, replacements = before.get("properties", {}), after.get("properties", {})
        required, now_required = set(before.get("required", [])), set(after.get("required", []))
        for field, schema in fields.items():
            if field in replacements:
                yield from self.run(f"{where}.{field}", schema, replacements[field])
            else:
                yield f"{where}.{field} is gone"
        if self._request:
            yield from (f"{where}.{field} is now required" for field in now_required - required)
        else:
            uncertain = (required & replacements.keys()) - now_required
            yield from (f"{where}.{field} is no longer certain" for field in uncertain)


def _branches(document: Schema, schema: Schema, name: str = "") -> Iterator[_Branch]:
    while "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        schema = document["components"]["schemas"][name]
    alternatives = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    common = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
    for alternative in alternatives:
        yield from _branches(document, common | alternative, name)
    if not alternatives:
        kinds = schema.get("type", "any")
        yield from (_Branch(name, kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _partner(branch: _Branch, others: list[_Branch]) -> _Branch | None:
    """The alternative of the same type to compare a branch with, if possible of the same name or content."""
    kinds = (branch.kind, "number") if branch.kind == "integer" else (branch.kind,)
    same = [other for other in others if other.kind in kinds]
    same.sort(key=lambda it: (it.name == branch.name, it.kind == branch.kind, it.schema == branch.schema))
    return same[-1] if same else None


def _narrowed(where: str, before: Schema, after: Schema) -> Iterator[str]:
    narrower = [key for key in LOWER_BOUNDS if after.get(key, -math.inf) > before.get(key, -math.inf)]
    narrower += [key for key in UPPER_BOUNDS if after.get(key, math.inf) < before.get(key, math.inf)]
    narrower += [key for key in ("format", "pattern") if key in after and after[key] != before.get(key)]
    yield from (f"{where} has a narrower {key}" for key in narrower)
    taken, still_taken = (schema.get("enum", [schema.get("const")]) for schema in (before, after))
    if still_taken != [None] and not set(taken) <= set(still_taken):
        yield f"{where} now takes only {_names(still_taken)}"


def _names(values: Any) -> str:
    return " or ".join(sorted(map(str, values)))
