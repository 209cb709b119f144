"""Frames of `application/vnd.amazon.eventstream`, AWS's binary event stream encoding."""

import json
import struct
from binascii import crc32
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_TEXT = 7  # the type of a header whose value is a string


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream.

    Attributes:
        name: Of the event, or of the exception.
        payload: Its JSON.
        is_token: Whether it carries a piece of the answer; those are paced.
        is_exception: Whether botocore shall raise it.
    """

    name: str
    payload: Mapping[str, Any]
    is_token: bool = False
    is_exception: bool = False


def frame(event: Event) -> bytes:
    kind = "exception" if event.is_exception else "event"
    headers = {
        f":{kind}-type": event.name,
        ":content-type": "application/json",
        ":message-type": kind,
    }
    return encode(headers, json.dumps(event.payload).encode())


def encode(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Lengths, their checksum, headers, payload, the checksum of all."""
    packed = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    message = prelude + struct.pack("!I", crc32(prelude)) + packed + payload
    return message + struct.pack("!I", crc32(message))


def damaged(whole: bytes) -> bytes:
    """The frame with a wrong checksum."""
    return whole[:-1] + bytes([whole[-1] ^ 0xFF])


def _header(name: str, value: str) -> bytes:
    text = value.encode()
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _TEXT, len(text)) + text
