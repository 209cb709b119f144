"""Requests back to the parameters of boto3's methods, by botocore's own description of each service."""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.validate import ParamValidator

from tests.standins.bedrock.errors import invalid

SERVED: Mapping[str, tuple[str, ...]] = {
    "bedrock-runtime": (
        "Converse",
        "ConverseStream",
        "InvokeModel",
        "InvokeModelWithResponseStream",
        "ApplyGuardrail",
        "CountTokens",
    ),
    "bedrock-agent-runtime": ("Rerank",),
    "bedrock": (
        "ListFoundationModels",
        "GetFoundationModel",
        "GetFoundationModelAvailability",
        "ListInferenceProfiles",
        "GetInferenceProfile",
    ),
    "comprehend": ("DetectPiiEntities",),
}
_FAILED = "Value '{}' at '{}' failed to satisfy constraint"
_PLACE = re.compile(r"\{(\w+)(\+?)\}")
_SIGNED_FOR = re.compile(r"Credential=[^/]+/\d+/([^/]+)/")


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived; `path` is still percent-encoded, and names of headers are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def region(self) -> str:
        """That of the signature; "" without one."""
        found = _SIGNED_FOR.search(self.headers.get("authorization", ""))
        return found.group(1) if found else ""


@dataclass(frozen=True, slots=True)
class _Route:
    operation: OperationModel
    method: str
    path: re.Pattern[str]
    target: str | None

    def matches(self, request: Request) -> re.Match[str] | None:
        if (request.method, request.headers.get("x-amz-target")) != (self.method, self.target):
            return None
        return self.path.fullmatch(request.path)


@lru_cache(maxsize=1)
def _routes() -> tuple[_Route, ...]:
    loader = Loader()
    services = {name: ServiceModel(loader.load_service_model(name, "service-2"), name) for name in SERVED}
    return tuple(
        _route(services[service].operation_model(name)) for service, names in SERVED.items() for name in names
    )


def _route(operation: OperationModel) -> _Route:
    path = _PLACE.sub(
        lambda place: f"(?P<{place[1]}>{'.+' if place[2] else '[^/]+'})", operation.http["requestUri"]
    )
    prefix = operation.service_model.metadata.get("targetPrefix")
    target = f"{prefix}.{operation.name}" if prefix else None
    return _Route(operation, operation.http["method"], re.compile(path), target)


def read(request: Request) -> tuple[OperationModel, dict[str, Any]] | None:
    """The operation and its parameters, not yet checked; None for a request that is none.

    Raises:
        ApiError: The body is no JSON.
    """
    for route in _routes():
        if found := route.matches(request):
            shape = route.operation.input_shape
            params = dict(_from_outside_the_body(shape, request, found.groupdict()))
            return route.operation, params | _from_body(shape, request.body)
    return None


def problems(shape: Shape, params: Mapping[str, Any]) -> list[str]:
    """What boto3 or the service itself would refuse about the parameters."""
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        return str(report.generate_report()).splitlines()
    return list(_out_of_bounds(shape, params, ""))


def _from_outside_the_body(
    shape: Shape, request: Request, places: Mapping[str, str]
) -> Iterator[tuple[str, Any]]:
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    for name, member in shape.members.items():
        where, key = member.serialization.get("location"), member.serialization.get("name", name)
        texts: Mapping[str, str] = {
            "uri": {key: unquote(places.get(key, ""))},
            "querystring": query,
            "header": {key: request.headers[key.lower()]} if key.lower() in request.headers else {},
        }.get(where or "", {})
        if key in texts:
            yield name, int(texts[key]) if member.type_name == "integer" else texts[key]


def _from_body(shape: Shape, body: bytes) -> dict[str, Any]:
    payload = shape.serialization.get("payload")
    if payload and shape.members[payload].type_name == "blob":
        return {payload: body}
    if not body:
        return {}
    try:
        found = json.loads(body)
    except ValueError as exc:
        raise invalid("The request body is not valid JSON") from exc
    if not isinstance(found, dict):
        raise invalid("The request body is not a JSON object")
    read_back: dict[str, Any] = _from_json(shape, found)
    return read_back


def _from_json(shape: Shape, value: Any) -> Any:
    """The value as boto3 takes it. What the shape doesn't know stays, so that the check finds it."""
    if getattr(shape, "is_document_type", False):
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        names = {m.serialization.get("name", name): (name, m) for name, m in shape.members.items()}
        present = {key: part for key, part in value.items() if part is not None}
        known = {names[key][0]: _from_json(names[key][1], present[key]) for key in present if key in names}
        return known | {key: part for key, part in present.items() if key not in names}
    if shape.type_name == "list" and isinstance(value, list):
        return [_from_json(shape.member, part) for part in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: _from_json(shape.value, part) for key, part in value.items()}
    if shape.type_name == "blob" and isinstance(value, str):
        return _decoded(value)
    return value


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as exc:
        raise invalid("A blob of the request body is not valid base64") from exc


def _out_of_bounds(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """Names that are in no list of names, and what is too long or too large: boto3 lets both pass."""
    if getattr(shape, "is_document_type", False):
        return
    names, largest = shape.metadata.get("enum"), shape.metadata.get("max")
    size = value if isinstance(value, int | float) else len(value)
    if names and value not in names:
        yield f"{_FAILED.format(value, path)}: Member must satisfy enum value set: {names}"
    if largest is not None and size > largest:
        yield f"{_FAILED.format('', path)}: Member must be at most {largest}, not {size}"
    for name, member, part in _parts(shape, value):
        yield from _out_of_bounds(member, part, f"{path}.{name}" if path else name)


def _parts(shape: Shape, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    if shape.type_name == "structure":
        for name, part in value.items():
            yield name, shape.members[name], part
    elif shape.type_name == "list":
        for at, part in enumerate(value, start=1):
            yield f"{at}.member", shape.member, part
    elif shape.type_name == "map":
        for name, part in value.items():
            yield name, shape.value, part
