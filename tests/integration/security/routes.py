"""Every route of the service with the permission it declares, from the OpenAPI document and the routes.

`python -m tests.integration.security.routes` writes their table in docs/security.md anew.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from app.access.roles import PERMISSIONS, Permission, Role
from app.dependencies import Requirement
from app.factory import create_app
from app.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "security.md"
TABLE = re.compile(r"^\| Route \|.*?(?=\n\n)", re.MULTILINE | re.DOTALL)
# Fields of queries and bodies that name an object, like the parameters of paths.
NAMES_OF_OBJECTS = {"conversation_id", "request_id", "tenant_id"}
# Names that are nobody's: the route looks for them in the caller's tenant, and finds them or not.
FREE_NAMES = {"subject"}
# What a schema can't tell: of which there may be one, what has to be there, and what other routes rely on.
VALUES: dict[str, Any] = {
    "variants": [{"name": "control"}, {"name": "challenger", "settings": {"top_k": 3}}],
    "query": "When does the heron cross the river at dawn?",
    "dataset_path": "handbook.jsonl",
    "mime_type": "text/plain",
    "filename": "notes.txt",
    "expires_at": "2999-01-01T00:00:00Z",
}


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the OpenAPI document.

    Attributes:
        permission: What it declares to need; None for a public route.
        successes: Statuses below 400 that it documents.
        path_objects: Parameters of its path.
        query_objects: Parameters of its query that name an object.
        body_objects: Fields of its body that name an object.
        body: What it takes with the fields that are required, as JSON; None if it takes nothing.
    """

    method: str
    path: str
    permission: Permission | None
    successes: frozenset[int]
    path_objects: tuple[str, ...]
    query_objects: tuple[str, ...]
    body_objects: tuple[str, ...]
    body: Mapping[str, Any] | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def objects(self) -> tuple[str, ...]:
        """All that a request can name, by what it is called."""
        return (*self.path_objects, *self.query_objects, *self.body_objects)

    @property
    def is_walled(self) -> bool:
        """Whether a request names something that may be another tenant's."""
        return not set(self.objects) <= FREE_NAMES

    def request(self, objects: Mapping[str, UUID | str], *, unique: str) -> dict[str, Any]:
        """Arguments of a client's request on these objects. Names in it that must be new hold `unique`."""
        named = {name: str(value) for name, value in objects.items()}
        request: dict[str, Any] = {
            "method": self.method,
            "url": self.path.format(**{name: named[name] for name in self.path_objects}),
            "params": {name: named[name] for name in self.query_objects},
        }
        if self.body is not None:
            body = {name: unique if value == "" else value for name, value in self.body.items()}
            request["json"] = body | {name: named[name] for name in self.body_objects}
        return request


def all_routes() -> list[Route]:
    app = create_app(Settings(_env_file=None))
    document = app.openapi()
    permissions = dict(_permissions(app))
    return [
        _route(document, method.upper(), path, operation, permissions)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def access_matrix(routes: list[Route]) -> str:
    """Which role may call what, as a Markdown table by path."""
    lines = [
        f"| Route | Permission | {' | '.join(Role)} |",
        f"|---|---|{'---|' * len(Role)}",
    ]
    for route in sorted(routes, key=lambda route: route.path):
        may = (
            "yes" if route.permission is None or route.permission in PERMISSIONS[role] else "403"
            for role in Role
        )
        lines.append(f"| `{route}` | {route.permission or 'none: public'} | {' | '.join(may)} |")
    return "\n".join(lines)


def _permissions(app: FastAPI) -> Iterator[tuple[tuple[str, str], Permission]]:
    for context in iter_route_contexts(app.routes):
        for dependant in _below(getattr(context, "dependant", None)):
            if isinstance(dependant.call, Requirement):
                for method in context.methods or ():
                    yield (method, context.path_format or ""), dependant.call.permission


def _below(dependant: Dependant | None) -> Iterator[Dependant]:
    if dependant is not None:
        yield dependant
        for child in dependant.dependencies:
            yield from _below(child)


def _route(
    document: Mapping[str, Any],
    method: str,
    path: str,
    operation: Mapping[str, Any],
    permissions: Mapping[tuple[str, str], Permission],
) -> Route:
    parameters = operation.get("parameters", [])
    places = {place: [p["name"] for p in parameters if p["in"] == place] for place in ("path", "query")}
    content = operation.get("requestBody", {}).get("content", {})
    schema = _resolved(document, content["application/json"]["schema"]) if content else {}
    return Route(
        method,
        path,
        permissions.get((method, path)),
        frozenset(int(status) for status in operation["responses"] if status[0] in "123"),
        tuple(places["path"]),
        tuple(name for name in places["query"] if name in NAMES_OF_OBJECTS),
        tuple(name for name in schema.get("properties", {}) if name in NAMES_OF_OBJECTS),
        _example(document, schema) if content else None,
    )


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself, of several the first."""
    if "$ref" in schema:
        return _resolved(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return _resolved(document, schema[several][0])
    return schema


def _example(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """A small valid value. Free text is "", which stands for something new."""
    schema = _resolved(document, schema)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"):
        case "object":
            required = schema.get("required", [])
            return {
                name: VALUES.get(name, _example(document, schema["properties"][name])) for name in required
            }
        case "array":
            return [_example(document, schema["items"])] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case _:
            return ""


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(TABLE.sub(lambda _: access_matrix(all_routes()), page), encoding="utf-8")
