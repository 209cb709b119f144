from copy import deepcopy
from typing import Any

import pytest

from app.openapi_diff import breaking_changes

DOCUMENT: dict[str, Any] = {
    "paths": {
        "/chat": {
            "post": {
                "parameters": [{"in": "query", "name": "lang", "required": False}],
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Ask"}}}
                },
                "responses": {
                    "200": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}
                    }
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Ask": {
                "type": "object",
                "required": ["query"],
                "properties": {"query": {"type": "string"}, "mode": {"type": "string", "enum": ["a", "b"]}},
            },
            "Answer": {
                "type": "object",
                "required": ["answer"],
                "properties": {
                    "answer": {"type": "string"},
                    "related": {"type": "array", "items": {"$ref": "#/components/schemas/Answer"}},
                },
            },
        }
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The document with one place replaced, or taken out for None."""
    document = deepcopy(DOCUMENT)
    *parents, last = path.split(".")
    place: Any = document
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


SCHEMAS = "components.schemas"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("paths./chat", None, "POST /chat is gone"),
        ("paths./chat.post.parameters", [], "POST /chat no longer takes the parameter lang"),
        (
            "paths./chat.post.parameters",
            [{"in": "query", "name": "lang", "required": True}],
            "POST /chat now needs the parameter lang",
        ),
        (f"{SCHEMAS}.Ask.properties.mode", None, "POST /chat request.mode is gone"),
        (f"{SCHEMAS}.Ask.required", ["query", "mode"], "POST /chat request.mode is now required"),
        (
            f"{SCHEMAS}.Ask.properties.mode.enum",
            ["a"],
            "POST /chat request.mode no longer takes b",
        ),
        (
            f"{SCHEMAS}.Ask.properties.query.type",
            "integer",
            "POST /chat request.query changed from string to integer",
        ),
        (f"{SCHEMAS}.Answer.properties.answer", None, "POST /chat 200.answer is gone"),
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
        (f"{SCHEMAS}.Answer.properties.extra", {"type": "string"}),
        (f"{SCHEMAS}.Answer.required", ["answer", "related"]),
        ("paths./new", {"get": {"responses": {}}}),
    ],
)
def test_what_adds_to_the_interface_breaks_nobody(path: str, value: Any) -> None:
    assert breaking_changes(DOCUMENT, changed(path, value)) == []
