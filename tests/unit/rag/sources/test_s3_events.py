import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import InvalidInputError
from rag.sources.s3_events import MAX_BYTES, ObjectChange, ObjectEvents, parse_event


def record(name: str = "ObjectCreated:Put", key: str = "a.md", **found: Any) -> dict[str, Any]:
    """As "Event message structure" in Amazon S3's User Guide shows it."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-central-1",
        "eventTime": "2025-06-01T12:00:00.000Z",
        "eventName": name,
        "s3": {
            "bucket": {"name": "docs", "arn": "arn:aws:s3:::docs"},
            "object": {"key": key, "size": 7, "eTag": "1", "sequencer": "0A", **found},
        },
    }


def notification(*records: Any) -> str:
    return json.dumps({"Records": records})


def bridged(kind: str, key: str = "a.md") -> dict[str, Any]:
    """As "EventBridge event message structure" there shows it."""
    found = {"key": key, "size": 7, "etag": "1", "sequencer": "0A"}
    detail = {"version": "0", "bucket": {"name": "docs"}, "object": found, "reason": "PutObject"}
    return {"version": "0", "id": "1", "source": "aws.s3", "detail-type": kind, "detail": detail}


@pytest.mark.parametrize(
    "name",
    [
        "ObjectCreated:Put",
        "ObjectCreated:CompleteMultipartUpload",
        "s3:ObjectCreated:Copy",
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "LifecycleExpiration:Delete",
    ],
)
def test_a_notification_tells_of_a_change(name: str) -> None:
    assert parse_event(notification(record(name))) == ObjectEvents((ObjectChange("docs", "a.md", "0A"),))


@pytest.mark.parametrize(
    ("written", "key"),
    [("a+b%2Bc%C3%BC/%E6%97%A5.md", "a b+cü/日.md"), ("100%25.md", "100%.md"), ("a%2Fb", "a/b")],
)
def test_keys_of_notifications_are_decoded(written: str, key: str) -> None:
    assert parse_event(notification(record(key=written))).changes[0].key == key


def test_keys_of_event_bridge_stand_as_they_are() -> None:
    for kind in ("Object Created", "Object Deleted"):
        found = parse_event(json.dumps(bridged(kind, "a+b %2B.md")))
        assert found == ObjectEvents((ObjectChange("docs", "a+b %2B.md", "0A"),))


@pytest.mark.parametrize("inner", [notification(record()), json.dumps(bridged("Object Created"))])
def test_what_sns_wraps_is_unwrapped(inner: str) -> None:
    wrapped = json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": inner})
    assert parse_event(wrapped).changes == (ObjectChange("docs", "a.md", "0A"),)


def test_one_message_may_tell_several_things() -> None:
    found = parse_event(notification(record(key="a"), record("ObjectRestore:Completed"), record(key="b")))
    assert [change.key for change in found.changes] == ["a", "b"]
    assert found.others == ("ObjectRestore:Completed",)


@pytest.mark.parametrize(
    ("body", "others"),
    [
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "docs"}, "s3:TestEvent"),
        (bridged("Object Tags Added"), "Object Tags Added"),
        ({"Records": [record() | {"eventSource": "aws:sns", "eventName": "x"}]}, "x"),
        ({"Records": [record("ObjectTagging:Put")]}, "ObjectTagging:Put"),
        ({"hello": "world"}, "unknown"),
        ({"Records": "none"}, "unknown"),
    ],
)
def test_what_is_no_change_is_named(body: dict[str, Any], others: str) -> None:
    assert parse_event(json.dumps(body)) == ObjectEvents(others=(others,))


def test_without_a_sequencer_a_change_is_one_all_the_same() -> None:
    assert parse_event(notification(record(sequencer=None))).changes == (ObjectChange("docs", "a.md"),)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        '"text"',
        "[" * 100_000,
        " " * (MAX_BYTES + 1),
        notification({}),
        notification(7),
        notification(record() | {"eventName": None}),
        notification(record() | {"s3": {}}),
        notification(record(key="")),
        notification(record(key="%FF")),
        notification(*[record()] * 1001),
        notification(record(sequencer={})),
        json.dumps(bridged("Object Created") | {"detail": None}),
        json.dumps({"Type": "Notification", "Message": {}}),
        json.dumps({"Type": "Notification", "Message": "plain words"}),
    ],
)
def test_what_is_malformed_is_refused(body: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_event(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "Records eventName eventSource s3 bucket object key name detail detail-type source Type Message".split()  # noqa: SIM905, E501
            ),
            inner
            | st.sampled_from(["aws:s3", "aws.s3", "ObjectCreated:Put", "Object Created", "Notification"]),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_comes_it_is_told_or_refused(value: Any) -> None:
    with suppress(InvalidInputError):
        assert isinstance(parse_event(json.dumps(value)), ObjectEvents)
