from copy import deepcopy
from typing import Any

import pytest

from app.openapi_diff import breaking_changes

DOCUMENT: dict[str, Any] = {
    "paths": {
        "/chat": {
            "post": {
                "parameters": [
                    {"in": "query", "name": "lang", "required": False, "schema": {"type": "string"}}
                ],
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Ask"}}}
                },
                "responses": {
                    "200": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}
                    },
                    "4XX": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
                    },
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Ask": {
                "type": "object",
                "required": ["query"],
                "properties": {
                    "query": {"type": "string", "maxLength": 9},
                    "mode": {"type": "string", "enum": ["a", "b"]},
                    "limit": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
                    "filters": {"type": "object", "additionalProperties": {"type": "number"}},
                },
            },
            "Answer": {
                "type": "object",
                "required": ["answer"],
                "properties": {
                    "answer": {"type": "string"},
                    "related": {"type": "array", "items": {"$ref": "#/components/schemas/Answer"}},
                    "ranks": {"anyOf": [{"$ref": "#/components/schemas/Ranks"}, {"type": "null"}]},
                    "at": {"oneOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}]},
                },
            },
            "Ranks": {"type": "object", "properties": {"vector": {"type": "integer"}}},
            "Problem": {"type": "object", "properties": {"detail": {"type": "string"}}},
        }
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The document with one place replaced, or taken out for None."""
    document = deepcopy(DOCUMENT)
    *parents, last = path.split(".")
    place: Any = document
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    where = int(last) if isinstance(place, list) else last
    if value is None:
        del place[where]
    else:
        place[where] = value
    return document


SCHEMAS = "components.schemas"
PARAMETER = "paths./chat.post.parameters.0"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("paths./chat", None, "POST /chat is gone"),
        ("paths./chat.post.parameters", [], "POST /chat query.lang is gone"),
        (f"{PARAMETER}.required", True, "POST /chat query.lang is now required"),
        (f"{PARAMETER}.schema.type", "integer", "POST /chat query.lang changed from string to integer"),
        (f"{PARAMETER}.schema.pattern", "^..$", "POST /chat query.lang has a narrower pattern"),
        ("paths./chat.post.requestBody.required", True, "POST /chat now needs a body"),
        ("paths./chat.post.requestBody", None, "POST /chat request is no longer application/json"),
        (f"{SCHEMAS}.Ask.properties.mode", None, "POST /chat request.mode is gone"),
        (f"{SCHEMAS}.Ask.required", ["query", "mode"], "POST /chat request.mode is now required"),
        (
            f"{SCHEMAS}.Ask.properties.mode.enum",
            ["a"],
            "POST /chat request.mode now takes only a",
        ),
        (
            f"{SCHEMAS}.Ask.properties.query.type",
            "integer",
            "POST /chat request.query changed from string to integer",
        ),
        (f"{SCHEMAS}.Ask.properties.query.enum", ["a"], "POST /chat request.query now takes only a"),
        (f"{SCHEMAS}.Ask.properties.query.const", "a", "POST /chat request.query now takes only a"),
        (f"{SCHEMAS}.Ask.properties.query.maxLength", 8, "POST /chat request.query has a narrower maxLength"),
        (f"{SCHEMAS}.Ask.properties.query.minLength", 1, "POST /chat request.query has a narrower minLength"),
        (
            f"{SCHEMAS}.Ask.properties.limit.anyOf.0.minimum",
            2,
            "POST /chat request.limit has a narrower minimum",
        ),
        (
            f"{SCHEMAS}.Ask.properties.limit.anyOf.0.exclusiveMaximum",
            9,
            "POST /chat request.limit has a narrower exclusiveMaximum",
        ),
        (
            f"{SCHEMAS}.Ask.properties.limit.anyOf.1",
            None,
            "POST /chat request.limit changed from integer or null to integer",
        ),
        (
            f"{SCHEMAS}.Ask.properties.filters.additionalProperties.type",
            "integer",
            "POST /chat request.filters.* changed from number to integer",
        ),
        (f"{SCHEMAS}.Ask.additionalProperties", False, "POST /chat request no longer takes other fields"),
        (f"{SCHEMAS}.Answer.properties.answer", None, "POST /chat 200.answer is gone"),
        (f"{SCHEMAS}.Ranks.properties.vector", None, "POST /chat 200.ranks.vector is gone"),
        (
            f"{SCHEMAS}.Ranks",
            {},
            "POST /chat 200.ranks changed from Ranks (object) or null to Ranks (any) or null",
        ),
        (
            f"{SCHEMAS}.Answer.properties.at.oneOf.0.format",
            None,
            "POST /chat 200.at is no longer a date-time",
        ),
        (f"{SCHEMAS}.Problem.properties", {}, "POST /chat 4XX.detail is gone"),
        ("paths./chat.post.responses.4XX", None, "POST /chat no longer answers 4XX"),
        (f"{SCHEMAS}.Answer.required", [], "POST /chat 200.answer is no longer certain"),
        (
            f"{SCHEMAS}.Answer.properties.answer",
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "POST /chat 200.answer changed from string to null or string",
        ),
    ],
)
def test_what_breaks_a_client_is_named(path: str, value: Any, message: str) -> None:
    assert message in breaking_changes(DOCUMENT, changed(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{SCHEMAS}.Ask.properties.extra", {"type": "string"}),
        (f"{SCHEMAS}.Ask.properties.query", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (f"{SCHEMAS}.Ask.required", []),
        (f"{SCHEMAS}.Ask.properties.query.maxLength", 10),
        (f"{SCHEMAS}.Ask.properties.mode.enum", ["a", "b", "c"]),
        (f"{SCHEMAS}.Ask.properties.limit.anyOf.0.type", "number"),
        (f"{SCHEMAS}.Ask.properties.limit", {"type": ["null", "integer"]}),
        (f"{SCHEMAS}.Ask.properties.filters.additionalProperties", True),
        (f"{SCHEMAS}.Answer.properties.ranks", {"$ref": "#/components/schemas/Ranks"}),
        (f"{SCHEMAS}.Answer.properties.at.oneOf.1", None),
        (f"{SCHEMAS}.Answer.properties.answer.maxLength", 9),
        (f"{SCHEMAS}.Ranks.additionalProperties", False),
        (f"{SCHEMAS}.Answer.properties.extra", {"type": "string"}),
        (f"{SCHEMAS}.Answer.required", ["answer", "related"]),
        (f"{PARAMETER}.schema", {"anyOf": [{"type": "null"}, {"type": "string"}]}),
        ("paths./chat.post.responses.404", {"description": "Not found"}),
        ("paths./new", {"get": {"responses": {}}}),
    ],
)
def test_what_adds_to_the_interface_breaks_nobody(path: str, value: Any) -> None:
    assert breaking_changes(DOCUMENT, changed(path, value)) == []


def test_one_of_two_alternatives_may_not_lose_a_field() -> None:
    either = {"anyOf": [{"$ref": "#/components/schemas/Ranks"}, {"$ref": "#/components/schemas/Problem"}]}
    old, new = (changed(f"{SCHEMAS}.Answer", deepcopy(either)) for _ in range(2))
    new["components"]["schemas"]["Problem"]["properties"] = {}
    assert "POST /chat 200.detail is gone" in breaking_changes(old, new)


def test_another_name_for_the_same_schema_breaks_nobody() -> None:
    new = changed(f"{SCHEMAS}.Answer.properties.ranks.anyOf.0", {"$ref": "#/components/schemas/Places"})
    new["components"]["schemas"]["Places"] = new["components"]["schemas"].pop("Ranks")
    assert breaking_changes(DOCUMENT, new) == []
