import json
from typing import Any

import pytest

from rag.documents import ParsedDocument
from rag.errors import InvalidInputError
from rag.parse import parse
from rag.parse.builder import DocumentBuilder
from rag.quality import FieldType, QualityRule, QualityRules, RecordSchema, check_quality
from tests.unit.rag.quality.texts import ENGLISH, broken_rules

PRODUCTS = RecordSchema(
    required=("name", "price"),
    types={
        "price": FieldType.NUMBER,
        "stock": FieldType.INTEGER,
        "new": FieldType.BOOLEAN,
        "since": FieldType.DATE,
    },
    allowed={"unit": frozenset({"piece", "box"})},
)
GOOD = {"name": "Kettle", "price": 24.5, "stock": 3, "new": True, "since": "2024-03-01", "unit": "box"}


def _json_lines(records: list[dict[str, Any]]) -> ParsedDocument:
    lines = "\n".join(json.dumps(record) for record in records)
    return parse(lines.encode(), filename="products.jsonl", mime_type=None)


def _csv(rows: list[str]) -> ParsedDocument:
    return parse("\n".join(rows).encode(), filename="products.csv", mime_type=None)


def _messages(document: ParsedDocument, schema: RecordSchema) -> list[str]:
    return [issue.message for issue in check_quality(document, rules=QualityRules(record_schema=schema))]


def test_records_that_fit_the_schema() -> None:
    assert _messages(_json_lines([GOOD, {"name": "Mug", "price": 7}]), PRODUCTS) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"price": None}, 'have no "price"'),
        ({"price": " "}, 'have no "price"'),
        ({"price": "cheap"}, 'have a "price" that is no number'),
        ({"stock": 1.5}, 'have a "stock" that is no integer'),
        ({"new": "maybe"}, 'have a "new" that is no boolean'),
        ({"since": "1 March"}, 'have a "since" that is no date'),
        ({"unit": "barrel"}, 'have a "unit" that is not allowed'),
    ],
)
def test_a_record_that_does_not_fit(change: dict[str, Any], message: str) -> None:
    document = _json_lines([GOOD, GOOD | change, GOOD])
    assert _messages(document, PRODUCTS) == [f"1 of 3 records {message}"]


def test_the_commonest_problems_are_named_first() -> None:
    document = _json_lines([{"name": "Kettle"}, {"name": "Mug"}, {"price": 3, "stock": 2}])
    assert _messages(document, PRODUCTS) == ['2 of 3 records have no "price"; 1 of 3 records have no "name"']


def test_an_object_in_a_required_field_counts() -> None:
    document = _json_lines([{"name": {"en": "Kettle"}, "price": 3}, GOOD])
    assert _messages(document, PRODUCTS) == []


def test_rows_of_a_table_are_records() -> None:
    good = ["name,price,stock", *(f"Kettle {n},{n}.50,{n}" for n in range(1, 25))]
    bad = [*good, "Mug,,1", "Cup,low,2"]
    assert _messages(_csv(good), PRODUCTS) == []
    assert _messages(_csv(bad), PRODUCTS) == [
        '1 of 26 records have no "price"; 1 of 26 records have a "price" that is no number'
    ]


def test_a_document_without_records_does_not_fit() -> None:
    assert _messages(ParsedDocument(text=ENGLISH, mime_type="text/plain"), PRODUCTS) == [
        "the document holds no records"
    ]


def test_a_json_schema_says_the_same() -> None:
    schema = RecordSchema.from_json_schema(
        {
            "type": "object",
            "required": ["name", "price"],
            "properties": {
                "name": {"type": "string", "description": "shown to customers"},
                "price": {"type": ["number", "null"]},
                "since": {"type": "string", "format": "date"},
                "size": {"enum": [1, 2]},
                "sale": {"enum": [True]},
            },
        }
    )
    assert schema.required == ("name", "price")
    assert schema.types == {
        "name": FieldType.STRING,
        "price": FieldType.NUMBER,
        "since": FieldType.DATE,
    }
    assert schema.allowed == {"size": {"1", "2"}, "sale": {"true"}}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"required": "name"}, "must be an object"),
        ({"properties": {"name": "string"}}, 'about "name" must be an object'),
        ({"properties": {"price": {"minimum": 0}}}, "minimum, which is not checked"),
        ({"additionalProperties": False}, "additionalProperties, which is not checked"),
        ({"properties": {"price": {"type": "money"}}}, 'the type of the field "price"'),
        ({"properties": {"price": {"type": ["string", "number"]}}}, 'the type of the field "price"'),
        ({"properties": {"price": {"enum": 3}}}, 'of "price" must be a list'),
    ],
)
def test_a_json_schema_that_would_not_be_checked_is_refused(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        RecordSchema.from_json_schema(schema)


@pytest.mark.parametrize("null", ["", "-", "n/a", "NULL", "NaN"])
def test_tables_that_are_mostly_empty(null: str) -> None:
    builder = DocumentBuilder()
    builder.table(
        [list("abcde"), *[["one", null, null, null, "5" if row % 2 else null] for row in range(10)]]
    )
    document = builder.build("text/csv")
    assert broken_rules(document) == []
    assert broken_rules(document, max_null_values=0.8) == []
    assert broken_rules(document, max_null_values=0.65) == [QualityRule.NULL_VALUES]
    messages = [issue.message for issue in check_quality(document, rules=QualityRules(max_null_values=0.65))]
    assert messages == ["70% of the cells or values are empty"]  # 3 of 5, and 4 of 5, in turn


def test_keys_that_records_miss_are_empty_values() -> None:
    document = _json_lines([{"id": n, f"field{n % 10}": "filled"} for n in range(30)])
    share = 1 - 2 / 11  # each has its id and one of ten other fields
    assert broken_rules(document, max_null_values=share + 0.01) == []
    assert broken_rules(document, max_null_values=share - 0.01) == [QualityRule.NULL_VALUES]


def test_a_small_table_is_not_judged() -> None:
    builder = DocumentBuilder()
    builder.table([["Monday", "Tuesday", "Wednesday"], ["", "Team meeting at noon", ""], ["", "", "Review"]])
    assert broken_rules(builder.build("text/csv"), max_null_values=0.5) == []
