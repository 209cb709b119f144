import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from app.asked import asked_record, narrowed
from app.filter_limits import MAX_CONDITIONS, MAX_DEPTH, MAX_VALUES
from app.filter_schema import Filters
from app.problems import MEDIA_TYPE, install_problem_handlers
from app.schemas.chat import ChatRequest
from app.schemas.ingest import IngestLabels
from app.schemas.search import SearchRequest
from rag.filters import All, AnyOf, Condition, Filter, MetadataKey, Not, Operator, SourceField, Value
from rag.ports import SearchScope

FILE = Path(__file__).parents[2] / "data" / "naughty_strings" / "blns.json"
STRINGS: list[str] = json.loads(FILE.read_text(encoding="utf-8"))
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def metadata(key: str, operator: str, values: tuple[Value, ...] = ()) -> Condition:
    return Condition(MetadataKey(key), Operator(operator), values)


ENGLISH = Condition(SourceField.LANGUAGE, Operator.IN, ("en",))
GERMAN = Condition(SourceField.LANGUAGE, Operator.IN, ("de",))
FORMS: list[tuple[dict[str, Any], Filter | None]] = [
    ({}, None),
    ({"source_document_id": None, "metadata": {}, "all": None, "not": None}, None),
    ({"source_document_id": "a"}, Condition(SourceField.SOURCE_DOCUMENT_ID, Operator.IN, ("a",))),
    ({"source_document_id": ["a", "b"]}, Condition(SourceField.SOURCE_DOCUMENT_ID, Operator.IN, ("a", "b"))),
    ({"language": "en"}, ENGLISH),
    ({"language": ["en", "deu"]}, Condition(SourceField.LANGUAGE, Operator.IN, ("en", "deu"))),
    ({"created_at": {"gte": "2026-01-01"}}, Condition(SourceField.CREATED_AT, Operator.GTE, (NEW_YEAR,))),
    (
        {"updated_at": {"lt": "2026-01-01T01:00:00+01:00"}},
        Condition(SourceField.UPDATED_AT, Operator.LT, (NEW_YEAR,)),
    ),
    ({"metadata": {"team": "x"}}, metadata("team", "eq", ("x",))),
    ({"metadata": {"team": ["x", 1, True]}}, metadata("team", "in", ("x", 1, True))),
    ({"metadata": {"team": {"ne": "x"}}}, metadata("team", "ne", ("x",))),
    ({"metadata": {"team": {"in": ["x"]}}}, metadata("team", "in", ("x",))),
    ({"metadata": {"team": {"nin": ["x", 2]}}}, metadata("team", "nin", ("x", 2))),
    ({"metadata": {"due": {"gt": "2026-01-01"}}}, metadata("due", "gt", (NEW_YEAR,))),
    ({"metadata": {"due": {"eq": "2026-01-01"}}}, metadata("due", "eq", ("2026-01-01",))),
    ({"metadata": {"team": {"exists": True}}}, metadata("team", "exists")),
    ({"metadata": {"team": {"exists": False}}}, Not(metadata("team", "exists"))),
    (
        {"metadata": {"year": {"gte": 2020, "lt": 2026.5}, "team": False}},
        All(
            (
                metadata("year", "gte", (2020.0,)),
                metadata("year", "lt", (2026.5,)),
                metadata("team", "eq", (False,)),
            )
        ),
    ),
    ({"any": [{"language": "en"}, {"language": "de"}]}, AnyOf((ENGLISH, GERMAN))),
    ({"all": [{"language": "en"}, {"language": "de"}]}, All((ENGLISH, GERMAN))),
    ({"not": {"language": "en"}}, Not(ENGLISH)),
    ({"any": [{"not": {"language": "en"}}], "language": "de"}, All((GERMAN, AnyOf((Not(ENGLISH),))))),
]


@pytest.mark.parametrize(("form", "expected"), FORMS, ids=[json.dumps(form) for form, _ in FORMS])
def test_a_form_says_what_its_filter_does(form: dict[str, Any], expected: Filter | None) -> None:
    assert Filters.model_validate(form).to_filter() == expected


@pytest.mark.parametrize(("form", "expected"), FORMS, ids=[json.dumps(form) for form, _ in FORMS])
def test_a_form_kept_with_a_trace_says_it_still(form: dict[str, Any], expected: Filter | None) -> None:
    request = ChatRequest(query="Who?", filters=Filters.model_validate(form))
    kept = json.loads(json.dumps(asked_record(request, [], with_text=True)["filters"]))
    scope = SearchScope(uuid4())
    assert narrowed(scope, kept) == replace(scope, filter=expected)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_handlers(app)

    @app.post("/search")
    async def search(body: SearchRequest) -> str:
        return repr(body.filters.to_filter())

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as opened:
        yield opened


async def refusal(client: httpx.AsyncClient, filters: str) -> dict[str, Any]:
    """The only mistake that the service finds, its location from the filters on."""
    response = await client.post(
        "/search",
        content=f'{{"query": "x", "filters": {filters}}}'.encode(),
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    (error,) = response.json()["errors"]
    assert error["location"][:2] == ["body", "filters"]
    return {"at": error["location"][2:], "message": error["message"]}


def nested(levels: int) -> str:
    return '{"not": ' * levels + '{"language": "en"}' + "}" * levels


@pytest.mark.parametrize(
    ("filters", "location", "message"),
    [
        ('{"owner": "me"}', ["owner"], "Extra inputs"),
        ('{"source_document_id": []}', ["source_document_id"], "at least 1 item"),
        ('{"source_document_id": 5}', ["source_document_id"], "valid list"),
        ('{"source_document_id": ["a", 5]}', ["source_document_id", 1], "valid string"),
        ('{"source_document_id": {"eq": "a"}}', ["source_document_id"], "valid list"),
        ('{"source_document_id": " "}', ["source_document_id", 0], "must not be blank"),
        ('{"language": "EN"}', ["language", 0], "pattern"),
        ('{"language": "english"}', ["language", 0], "pattern"),
        ('{"language": "en\\n"}', ["language", 0], "pattern"),
        ('{"language": []}', ["language"], "at least 1 item"),
        ('{"language": ["en", null]}', ["language", 1], "valid string"),
        ('{"created_at": "2026-01-01"}', ["created_at"], "valid dictionary"),
        ('{"created_at": {}}', ["created_at"], "at least one of gt, gte, lt, lte"),
        ('{"created_at": {"eq": "2026-01-01"}}', ["created_at", "eq"], "Extra inputs"),
        ('{"created_at": {"gte": 2026}}', ["created_at", "gte"], "must be a date"),
        ('{"created_at": {"gte": null}}', ["created_at", "gte"], "must be a date"),
        ('{"updated_at": {"lt": "yesterday"}}', ["updated_at", "lt"], "must be a date"),
        ('{"updated_at": {"lt": "2026-02-30"}}', ["updated_at", "lt"], "must be a date"),
        ('{"metadata": []}', ["metadata"], "valid dictionary"),
        ('{"metadata": {"": 1}}', ["metadata", "", "[key]"], "at least 1 item"),
        ('{"metadata": {"a": null}}', ["metadata", "a"], "must be a text"),
        ('{"metadata": {"a": NaN}}', ["metadata", "a"], "must be a text"),
        ('{"metadata": {"a": 9223372036854775808}}', ["metadata", "a"], "must be a text"),
        ('{"metadata": {"a": "b\\u0000"}}', ["metadata", "a"], "NUL"),
        ('{"metadata": {"a": {"eq": "\\ud800"}}}', ["metadata", "a", "eq"], "lone surrogates"),
        ('{"metadata": {"a": []}}', ["metadata", "a"], "at least 1 item"),
        ('{"metadata": {"a": [1, [2]]}}', ["metadata", "a", 1], "must be a text"),
        ('{"metadata": {"a": {}}}', ["metadata", "a"], "at least one of eq, ne, in"),
        ('{"metadata": {"a": {"like": "b%"}}}', ["metadata", "a", "like"], "Extra inputs"),
        ('{"metadata": {"a": {"in_": ["b"]}}}', ["metadata", "a", "in_"], "Extra inputs"),
        ('{"metadata": {"a": {"eq": null}}}', ["metadata", "a", "eq"], "must not be null"),
        ('{"metadata": {"a": {"eq": [1]}}}', ["metadata", "a", "eq"], "must be a text"),
        ('{"metadata": {"a": {"ne": {"b": 1}}}}', ["metadata", "a", "ne"], "must be a text"),
        ('{"metadata": {"a": {"in": "b"}}}', ["metadata", "a", "in"], "valid list"),
        ('{"metadata": {"a": {"in": null}}}', ["metadata", "a", "in"], "must not be null"),
        ('{"metadata": {"a": {"nin": []}}}', ["metadata", "a", "nin"], "at least 1 item"),
        ('{"metadata": {"a": {"nin": [1, null]}}}', ["metadata", "a", "nin", 1], "must be a text"),
        ('{"metadata": {"a": {"gt": true}}}', ["metadata", "a", "gt"], "number or a date"),
        ('{"metadata": {"a": {"gte": "soon"}}}', ["metadata", "a", "gte"], "number or a date"),
        ('{"metadata": {"a": {"lt": [1]}}}', ["metadata", "a", "lt"], "number or a date"),
        ('{"metadata": {"a": {"lte": Infinity}}}', ["metadata", "a", "lte"], "number or a date"),
        ('{"metadata": {"a": {"gt": 1, "lt": "2026-01-01"}}}', ["metadata", "a"], "not both"),
        ('{"metadata": {"a": {"exists": 1}}}', ["metadata", "a", "exists"], "valid boolean"),
        ('{"metadata": {"a": {"exists": null}}}', ["metadata", "a", "exists"], "must not be null"),
        ('{"all": []}', ["all"], "at least 1 item"),
        ('{"any": {}}', ["any"], "valid list"),
        ('{"any": [{"language": "en"}, {}]}', ["any", 1], "at least one condition"),
        ('{"any": [{"metadata": {}}]}', ["any", 0], "at least one condition"),
        ('{"all": [{"any": [null]}]}', ["all", 0, "any", 0], "valid dictionary"),
        ('{"not": {}}', ["not"], "at least one condition"),
        ('{"not": [{"language": "en"}]}', ["not"], "valid dictionary"),
        ('{"not_": {"language": "en"}}', ["not_"], "Extra inputs"),
        ('{"all": [{"not": {"any": [{"owner": 1}]}}]}', ["all", 0, "not", "any", 0, "owner"], "Extra inputs"),
        (nested(MAX_DEPTH + 1), ["not"] * (MAX_DEPTH + 1), "at most 5 deep"),
        (nested(400), ["not"] * (MAX_DEPTH + 1), "at most 5 deep"),
        ('{"any": [' * 300 + "]}" * 300, ["any", 0] * (MAX_DEPTH + 1), "at most 5 deep"),
        ('{"metadata": {"a": ' + "[" * 400 + "]" * 400 + "}}", ["metadata", "a", 0], "must be a text"),
        (json.dumps({"source_document_id": ["a"] * 10_000}), ["source_document_id"], "at most 1000 values"),
        (json.dumps({"metadata": {"a": list(range(10_000))}}), ["metadata", "a"], "at most 1000 values"),
        (
            json.dumps({"metadata": {"a": [1] * 999, "b": {"nin": [1, 2]}}}),
            ["metadata", "b", "nin"],
            "at most 1000 values",
        ),
        (json.dumps({"any": [{"language": "en"}] * 101}), ["any", 100], "at most 100 conditions"),
        (json.dumps({"any": [{}] * 10_000}), ["any", 100], "at most 100 conditions"),
        (json.dumps({"metadata": dict.fromkeys(map(str, range(65)), 1)}), ["metadata"], "at most 64 items"),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else None,
)
async def test_a_mistake_is_refused_where_it_stands(
    client: httpx.AsyncClient, filters: str, location: list[str | int], message: str
) -> None:
    refused = await refusal(client, filters)
    assert refused["at"] == location
    assert message in refused["message"]


async def test_several_mistakes_are_all_named(client: httpx.AsyncClient) -> None:
    filters = {"language": "", "metadata": {"a": {"gt": True, "lt": False}}}
    response = await client.post("/search", json={"query": "x", "filters": filters})
    found = [error["location"][2:] for error in response.json()["errors"]]
    assert found == [["language", 0], ["metadata", "a", "gt"], ["metadata", "a", "lt"]]


async def test_ten_thousand_levels_are_refused(client: httpx.AsyncClient) -> None:
    """By the JSON decoder, which reads no such depth, or else by the limit."""
    content = f'{{"query": "x", "filters": {nested(10_000)}}}'.encode()
    response = await client.post("/search", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in {400, 422}
    assert response.headers["content-type"] == MEDIA_TYPE


def test_ten_thousand_levels_are_refused_by_the_limit() -> None:
    form: dict[str, Any] = {"language": "en"}
    for _ in range(10_000):
        form = {"all": [form]}
    with pytest.raises(ValidationError, match="at most 5 deep"):
        Filters.model_validate(form)


def test_all_limits_can_be_reached() -> None:
    names = [str(number) for number in range(MAX_VALUES)]
    assert Filters.model_validate({"source_document_id": names}).to_filter()
    assert Filters.model_validate({"any": [{"language": "en"}] * MAX_CONDITIONS}).to_filter()
    assert Filters.model_validate(json.loads(nested(MAX_DEPTH))).to_filter()


def test_naughty_strings_are_keys_and_values_like_any_other() -> None:
    for text in filter(None, STRINGS):
        form = {"metadata": {text[:256]: {"in": [text], "ne": text}}}
        expected = metadata(text[:256], "ne", (text,)), metadata(text[:256], "in", (text,))
        assert Filters.model_validate(form).to_filter() == All(expected)


def test_a_group_has_a_name() -> None:
    """The nameless reader of a source is everyone."""
    with pytest.raises(ValidationError, match=r"acl\.1"):
        IngestLabels.model_validate({"acl": ["hr", ""]})
