"""What breaks clients between two OpenAPI documents.

A request breaks when the new service takes less: a path, method, parameter or field gone, something required
that was not, a narrower set of values. A response breaks when it gives less: a field gone, or no longer
certain to be there. (Hyrum Wright's law aside; after "API design guidance: breaking changes", Azure.)
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
METHODS = ("get", "put", "post", "delete", "patch")


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """One line for each change from `old` to `new` that can break a client; empty when none can."""
    return sorted(set(_paths(old, new)))


def _paths(old: Schema, new: Schema) -> Iterator[str]:
    for path, operations in old["paths"].items():
        for method in METHODS:
            if method not in operations:
                continue
            name = f"{method.upper()} {path}"
            replacement = new["paths"].get(path, {}).get(method)
            if replacement is None:
                yield f"{name} is gone"
            else:
                yield from _operation(name, operations[method], replacement, old, new)


def _operation(name: str, before: Schema, after: Schema, old: Schema, new: Schema) -> Iterator[str]:
    yield from _parameters(name, before.get("parameters", []), after.get("parameters", []))
    bodies = before.get("requestBody", {}).get("content", {})
    for media, content in bodies.items():
        replacement = after.get("requestBody", {}).get("content", {}).get(media)
        if replacement is None:
            yield f"{name} no longer takes {media}"
        else:
            yield from _Comparison(old, new, request=True).run(
                f"{name} request", content.get("schema", {}), replacement.get("schema", {})
            )
    if not before.get("requestBody", {}).get("required") and after.get("requestBody", {}).get("required"):
        yield f"{name} now needs a body"
    yield from _responses(name, before, after, old, new)


def _parameters(name: str, before: list[Schema], after: list[Schema]) -> Iterator[str]:
    known = {(p["in"], p["name"]): p for p in before}
    remaining = {(p["in"], p["name"]): p for p in after}
    for key in known:
        if key not in remaining:
            yield f"{name} no longer takes the parameter {key[1]}"
    for key, parameter in remaining.items():
        if parameter.get("required") and not known.get(key, {}).get("required"):
            yield f"{name} now needs the parameter {key[1]}"


def _responses(name: str, before: Schema, after: Schema, old: Schema, new: Schema) -> Iterator[str]:
    for status, response in before.get("responses", {}).items():
        if not status.startswith("2"):
            continue
        replacement = after.get("responses", {}).get(status)
        if replacement is None:
            yield f"{name} no longer answers {status}"
            continue
        for media, content in response.get("content", {}).items():
            if media not in replacement.get("content", {}):
                yield f"{name} {status} is no longer {media}"
                continue
            yield from _Comparison(old, new, request=False).run(
                f"{name} {status}",
                content.get("schema", {}),
                replacement["content"][media].get("schema", {}),
            )


class _Comparison:
    """Walks two schemas side by side, following references; each pair of references once."""

    def __init__(self, old: Schema, new: Schema, *, request: bool) -> None:
        self._old = old
        self._new = new
        self._request = request
        self._seen: set[tuple[str, str]] = set()

    def run(self, where: str, before: Schema, after: Schema) -> Iterator[str]:
        key = (before.get("$ref", ""), after.get("$ref", ""))
        if all(key):
            if key in self._seen:
                return
            self._seen.add(key)
        before, after = _resolve(self._old, before), _resolve(self._new, after)
        yield from self._types(where, before, after)
        yield from self._fields(where, before, after)
        if "items" in before and "items" in after:
            yield from self.run(f"{where}[]", before["items"], after["items"])

    def _types(self, where: str, before: Schema, after: Schema) -> Iterator[str]:
        had, has = _kinds(self._old, before), _kinds(self._new, after)
        lost, gained = had - has, has - had
        if had and has and ((self._request and lost) or (not self._request and gained)):
            yield f"{where} changed from {_names(had)} to {_names(has)}"
        narrower = set(before.get("enum", ())) - set(after.get("enum") or before.get("enum", ()))
        if self._request and narrower:
            yield f"{where} no longer takes {_names(narrower)}"

    def _fields(self, where: str, before: Schema, after: Schema) -> Iterator[str]:
        fields, replacements = before.get("properties", {}), after.get("properties", {})
        required, now_required = set(before.get("required", [])), set(after.get("required", []))
        for field, schema in fields.items():
            if field not in replacements:
                yield f"{where}.{field} is gone"
            else:
                yield from self.run(f"{where}.{field}", schema, replacements[field])
        if self._request:
            yield from (f"{where}.{field} is now required" for field in now_required - required)
        else:
            gone = (required - now_required) & set(replacements)
            yield from (f"{where}.{field} is no longer certain" for field in gone)


def _resolve(document: Schema, schema: Schema) -> Schema:
    while "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    return schema


def _kinds(document: Schema, schema: Schema) -> frozenset[str]:
    """The JSON types that a schema admits; empty for any."""
    schema = _resolve(document, schema)
    if "type" in schema:
        kinds = schema["type"]
        return frozenset(kinds if isinstance(kinds, list) else [kinds])
    alternatives = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    return frozenset(kind for alternative in alternatives for kind in _kinds(document, alternative))


def _names(values: set[Any] | frozenset[Any]) -> str:
    return " or ".join(sorted(map(str, values)))
