import hashlib
import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import InvalidInputError
from rag.filters import (
    All,
    AnyOf,
    Condition,
    Filter,
    MetadataKey,
    Not,
    Operator,
    SourceFacts,
    SourceField,
    Value,
    attribute_of,
    bound_of,
    matches,
    moment_of,
)

MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
SOURCE = SourceFacts(
    source_document_id="policies/leave.md",
    language="en",
    created_at=MAY,
    updated_at=JUNE,
    metadata={
        "team": "ops",
        "year": 2026,
        "ratio": 0.5,
        "final": True,
        "due": "2026-05-01",
        "big": 2**53 + 1,
        "list": ["ops"],
        "nothing": None,
    },
)


def holds(key: str | SourceField, operator: str, *values: Value) -> bool:
    field = key if isinstance(key, SourceField) else MetadataKey(key)
    return matches(Condition(field, Operator(operator), values), SOURCE)


@pytest.mark.parametrize(
    ("key", "value", "equal"),
    [
        ("team", "ops", True),
        ("team", "Ops", False),
        ("team", "ops ", False),
        ("year", 2026, True),
        ("year", 2026.0, True),
        ("year", "2026", False),
        ("ratio", 0.5, True),
        ("final", True, True),
        ("final", 1, False),
        ("final", "true", False),
        ("due", "2026-05-01", True),
        ("due", "2026-05-01T00:00:00Z", False),  # another text, although the same moment
        ("big", 2**53 + 1, True),
        ("big", 2**53, False),
        ("list", "ops", False),
        ("nothing", "", False),
        ("absent", "ops", False),
        (SourceField.SOURCE_DOCUMENT_ID, "policies/leave.md", True),
        (SourceField.SOURCE_DOCUMENT_ID, "policies", False),
        (SourceField.LANGUAGE, "en", True),
        (SourceField.LANGUAGE, "de", False),
    ],
)
def test_equality_is_exact_and_of_one_type(key: str | SourceField, value: Value, equal: bool) -> None:
    assert holds(key, "eq", value) is equal
    assert holds(key, "in", "other", value) is equal
    assert holds(key, "ne", value) is not equal
    assert holds(key, "nin", "other", value) is not equal


@pytest.mark.parametrize(
    ("key", "bound", "order"),
    [
        ("year", 2025.0, 1),
        ("year", 2026.0, 0),
        ("year", 2026.5, -1),
        ("due", MAY, 0),
        ("due", JUNE, -1),
        ("due", MAY - timedelta(microseconds=1), 1),
        ("due", MAY.astimezone(timezone(timedelta(hours=9))), 0),
        ("team", MAY, None),
        ("team", 1.0, None),
        ("year", MAY, None),
        ("due", 2026.0, None),
        ("final", 1.0, None),
        ("list", 0.0, None),
        ("absent", 0.0, None),
        (SourceField.CREATED_AT, MAY, 0),
        (SourceField.CREATED_AT, JUNE, -1),
        (SourceField.UPDATED_AT, MAY, 1),
    ],
)
def test_a_range_is_over_numbers_or_moments(
    key: str | SourceField, bound: float | datetime, order: int | None
) -> None:
    assert holds(key, "lt", bound) is (order == -1)
    assert holds(key, "lte", bound) is (order in {-1, 0})
    assert holds(key, "gt", bound) is (order == 1)
    assert holds(key, "gte", bound) is (order in {0, 1})


def test_what_cannot_be_compared_does_not_exist() -> None:
    found = {key for key in [*SOURCE.metadata, "absent"] if holds(key, "exists")}
    assert found == {"team", "year", "ratio", "final", "due", "big"}
    assert holds(SourceField.LANGUAGE, "exists")
    assert holds(SourceField.SOURCE_DOCUMENT_ID, "exists")
    without = replace(SOURCE, language=None)
    assert not matches(Condition(SourceField.LANGUAGE, Operator.EXISTS), without)
    assert matches(Condition(SourceField.LANGUAGE, Operator.NE, ("en",)), without)


YES: Filter = Condition(MetadataKey("team"), Operator.EQ, ("ops",))
NO: Filter = Condition(MetadataKey("absent"), Operator.EQ, ("ops",))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (All((YES, YES)), True),
        (All((YES, NO)), False),
        (All(()), True),
        (AnyOf((NO, YES)), True),
        (AnyOf((NO, NO)), False),
        (AnyOf(()), False),
        (Not(NO), True),
        (Not(YES), False),
        (Not(All((YES, Not(AnyOf((NO,)))))), False),
    ],
)
def test_parts_are_combined_in_two_valued_logic(condition: Filter, expected: bool) -> None:
    assert matches(condition, SOURCE) is expected


@pytest.mark.parametrize(
    ("field", "operator", "values"),
    [
        (MetadataKey("a"), Operator.EQ, ()),
        (MetadataKey("a"), Operator.EQ, (1, 2)),
        (MetadataKey("a"), Operator.IN, ()),
        (MetadataKey("a"), Operator.EXISTS, (True,)),
        (MetadataKey("a"), Operator.EQ, (math.nan,)),
        (MetadataKey("a"), Operator.EQ, (MAY,)),
        (MetadataKey("a"), Operator.GT, ("2026-01-01",)),
        (MetadataKey("a"), Operator.GT, (True,)),
        (MetadataKey("a"), Operator.GT, (math.inf,)),
        (MetadataKey("a"), Operator.GT, (MAY.replace(tzinfo=None),)),
        (SourceField.LANGUAGE, Operator.EQ, (1,)),
        (SourceField.LANGUAGE, Operator.GT, (MAY,)),
        (SourceField.SOURCE_DOCUMENT_ID, Operator.LT, (1.0,)),
        (SourceField.CREATED_AT, Operator.EQ, (MAY,)),
        (SourceField.CREATED_AT, Operator.EXISTS, ()),
        (SourceField.UPDATED_AT, Operator.GT, (1.0,)),
    ],
)
def test_a_condition_that_means_nothing_cannot_be_made(
    field: SourceField | MetadataKey, operator: Operator, values: tuple[Value, ...]
) -> None:
    with pytest.raises(InvalidInputError):
        Condition(field, operator, values)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-01", MAY),
        ("2026-05-01T00:00", MAY),
        ("2026-05-01 00:00:00", MAY),
        ("2026-05-01T00:00:00Z", MAY),
        ("2026-05-01T02:00:00+02:00", MAY),
        ("2026-04-30T19:00:00-0500", MAY),
        ("2026-05-01T00:00:00.000001Z", MAY + timedelta(microseconds=1)),
        ("2026-05-01T00:00:00.0000019Z", MAY + timedelta(microseconds=1)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2026-02-29", None),
        ("2026-13-01", None),
        ("2026-05-01T24:00", None),
        ("2026-05-01T23:59:60", None),
        ("20260501", None),
        ("2026-W18-5", None),
        ("2026-05", None),
        ("2026", None),
        (" 2026-05-01", None),
        ("2026-05-01\n", None),
        ("2026-05-01T", None),
        ("２０２６-05-01", None),
        ("0000-01-01", None),
        ("0001-01-01T00:00+01:00", None),
        ("9999-12-31T23:59:59.999999-01:00", None),
        ("", None),
        ("tomorrow", None),
    ],
)
def test_a_text_is_a_moment_when_it_is_an_iso_date(text: str, moment: datetime | None) -> None:
    assert moment_of(text) == moment
    if moment:
        assert bound_of(text) == moment
    else:
        with pytest.raises(InvalidInputError, match="number or a date"):
            bound_of(text)


@pytest.mark.parametrize("value", [True, None, [1], {}, math.nan, math.inf, 10**400])
def test_nothing_else_bounds_a_range(value: object) -> None:
    with pytest.raises(InvalidInputError):
        bound_of(value)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("ops", "s:ops"),
        ("", "s:"),
        ("n:5", "s:n:5"),
        (5, "n:5"),
        (5.0, "n:5"),
        (-0.0, "n:0"),
        (0.1, "n:0.1"),
        (2**63 - 1, "n:9223372036854775807"),
        (-(2**63), "n:-9223372036854775808"),
        (1e300, "n:1" + "0" * 300),
        (True, "b:true"),
        (False, "b:false"),
    ],
)
def test_a_value_is_stored_in_one_form(value: object, stored: str) -> None:
    attribute = attribute_of(value)
    assert attribute
    assert attribute.value == stored
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    assert attribute.number == (float(str(value)) if is_number else None)


@pytest.mark.parametrize("value", [None, [], ["a"], {}, {"a": 1}, math.nan, -math.inf, 10**400])
def test_what_is_no_text_number_or_boolean_has_no_attribute(value: object) -> None:
    assert attribute_of(value) is None


def test_a_long_text_is_stored_by_its_beginning_and_digest() -> None:
    text = "ä" * 257  # 514 bytes
    attribute = attribute_of(text)
    assert attribute
    assert attribute.value == "s:" + "ä" * 256 + hashlib.sha256(text.encode()).hexdigest()
    assert attribute_of("ä" * 256) != attribute
    assert attribute_of("ä" * 256 + "b") != attribute


@given(st.text(alphabet="aä漢🙂", min_size=500, max_size=600))
def test_a_stored_text_fits_an_index(text: str) -> None:
    attribute = attribute_of(text)
    assert attribute
    # Tenant and source are 16 bytes each, a key is at most 256 characters of 4 bytes.
    assert len(attribute.value.encode()) + 16 + 16 + 4 * 256 < 2700
    spoof = attribute_of(attribute.value.removeprefix("s:"))
    assert spoof
    assert (spoof.value == attribute.value) is (len(text.encode()) <= 512)


plain = st.one_of(
    st.text(max_size=2),
    st.sampled_from(["1", "true", "n:1"]),
    st.booleans(),
    st.integers(-2, 2),
    st.integers(-(2**53), 2**53),  # beyond, digits decide, and not the double's exact value
    st.sampled_from([-1.0, 0.0, -0.0, 1.0, 0.5]),
    st.floats(allow_nan=False, allow_infinity=False),
)


def kind(value: object) -> type:
    return float if type(value) is int else type(value)


@given(plain, plain)
def test_stored_forms_are_equal_as_values_of_one_type_are(left: object, right: object) -> None:
    first, second = attribute_of(left), attribute_of(right)
    assert first
    assert second
    assert (first.value == second.value) is (kind(left) is kind(right) and left == right)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1))
def test_a_value_read_back_from_json_is_stored_alike(number: float, integer: int) -> None:
    for value in (number, integer):
        as_jsonb_writes = Decimal(json.dumps(value))
        read = json.loads(format(as_jsonb_writes, "f"))
        assert attribute_of(read) == attribute_of(value)
