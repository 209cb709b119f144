"""A reply in the shape of Converse and of ConverseStream."""

import json
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from tests.standins.bedrock.chat import Reply, ToolCall
from tests.standins.bedrock.eventstream import Event

_PADDING = "abcdefghijklmno"  # AWS fills up each event, so that its length doesn't tell the token's


def output(reply: Reply, latency_ms: int) -> dict[str, Any]:
    content: dict[str, Any] = {"text": reply.text}
    if reply.tool:
        content = {
            "toolUse": {"toolUseId": reply.tool.id, "name": reply.tool.name, "input": reply.tool.input}
        }
    return {
        "output": {"message": {"role": "assistant", "content": [content]}},
        "stopReason": reply.stop_reason,
        **_measures(reply, latency_ms),
    }


def events(reply: Reply, latency_ms: Callable[[], int]) -> Iterator[Event]:
    """The events of the whole answer; the latency is asked for when it is sent."""
    yield _event("messageStart", role="assistant")
    if reply.tool:
        yield from _tool_events(reply.tool)
    for piece in reply.pieces:
        yield _event("contentBlockDelta", is_token=True, contentBlockIndex=0, delta={"text": piece})
    yield _event("contentBlockStop", contentBlockIndex=0)
    yield _event("messageStop", stopReason=reply.stop_reason)
    yield _event("metadata", **_measures(reply, latency_ms()))


def _tool_events(tool: ToolCall) -> Iterator[Event]:
    start = {"toolUse": {"toolUseId": tool.id, "name": tool.name}}
    yield _event("contentBlockStart", contentBlockIndex=0, start=start)
    for part in textwrap.wrap(json.dumps(tool.input), 16, drop_whitespace=False):
        delta = {"toolUse": {"input": part}}
        yield _event("contentBlockDelta", is_token=True, contentBlockIndex=0, delta=delta)


def _measures(reply: Reply, latency_ms: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "usage": {**reply.usage, "totalTokens": reply.total_tokens},
        "metrics": {"latencyMs": latency_ms},
    }
    return found | ({"trace": reply.trace} if reply.trace else {})


def _event(name: str, *, is_token: bool = False, **payload: Any) -> Event:
    return Event(name, payload | {"p": _PADDING}, is_token=is_token)
