"""What S3 says when an object changes, from the body of a message.

Forms: S3's own notification, EventBridge's event, and either wrapped by SNS ("Event message structure" and
"EventBridge event message structure" in Amazon S3's User Guide, "Amazon SNS message format" in SNS's).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from rag.errors import InvalidInputError

MAX_BYTES = 1024 * 1024  # SQS's limit for a message
MAX_RECORDS = 1000  # of one message; S3 sends one
_CHANGES = ("ObjectCreated:", "ObjectRemoved:", "LifecycleExpiration:")
_BRIDGED = ("Object Created", "Object Deleted")


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """An object was written or removed. Messages come twice and out of order: ask what is there now.

    Attributes:
        sequencer: S3's name for this change of this key; None if it gave none.
    """

    bucket: str
    key: str
    sequencer: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectEvents:
    """What a message tells: changes, and the names of events that are none."""

    changes: tuple[ObjectChange, ...] = ()
    others: tuple[str, ...] = ()


def parse_event(body: str) -> ObjectEvents:
    """What a message tells.

    Raises:
        InvalidInputError: It is no JSON object, too large, or lacks what an event of its kind must have.
    """
    event = _object(body)
    if event.get("Type") == "Notification" and "Message" in event:
        event = _object(event["Message"])
    try:
        if isinstance(records := event.get("Records"), list):
            return _from_records(records)
        if event.get("source") == "aws.s3" and "detail-type" in event:
            return _from_event_bridge(event)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise InvalidInputError(f"an event lacks a field, or has a wrong one: {exc}") from exc
    return ObjectEvents(others=(str(event.get("Event", event.get("detail-type", "unknown")))[:100],))


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, str) or len(body) > MAX_BYTES:
        raise InvalidInputError("a message is not a text of at most 1 MB")
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise InvalidInputError("a message is not JSON") from exc
    if not isinstance(event, dict):
        raise InvalidInputError("a message is not a JSON object")
    return event


def _from_records(records: Sequence[Any]) -> ObjectEvents:
    if len(records) > MAX_RECORDS:
        raise InvalidInputError(f"a message holds more than {MAX_RECORDS} events")
    changes, others = [], []
    for record in records:
        name = record["eventName"].removeprefix("s3:")
        if record.get("eventSource") == "aws:s3" and name.startswith(_CHANGES):
            found = record["s3"]
            key = unquote_plus(_text(found["object"]["key"]), errors="strict")
            changes.append(_change(found["bucket"], found["object"], key))
        else:
            others.append(name[:100])
    return ObjectEvents(tuple(changes), tuple(others))


def _from_event_bridge(event: Mapping[str, Any]) -> ObjectEvents:
    """Here, keys are written as they are."""
    name, detail = event["detail-type"], event["detail"]
    if name not in _BRIDGED:
        return ObjectEvents(others=(str(name)[:100],))
    return ObjectEvents((_change(detail["bucket"], detail["object"], _text(detail["object"]["key"])),))


def _change(bucket: Mapping[str, Any], found: Mapping[str, Any], key: str) -> ObjectChange:
    sequencer = found.get("sequencer")
    return ObjectChange(_text(bucket["name"]), key, None if sequencer is None else _text(sequencer))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value
