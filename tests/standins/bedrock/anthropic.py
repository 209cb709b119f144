"""Claude through InvokeModel: Anthropic's own messages in the body."""

import base64
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.standins.bedrock.chat import Reply
from tests.standins.bedrock.errors import malformed_body
from tests.standins.bedrock.eventstream import Event

VERSION = "bedrock-2023-05-31"


def as_converse(body: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of Converse that ask the same.

    Raises:
        ApiError: A key is missing.
    """
    for key in ("anthropic_version", "max_tokens", "messages"):
        if key not in body:
            raise malformed_body(f"#: required key [{key}] not found")
    if body["anthropic_version"] != VERSION:
        raise malformed_body(f'anthropic_version: must be "{VERSION}"')
    messages = [{"role": turn["role"], "content": _blocks(turn["content"])} for turn in body["messages"]]
    config = {"maxTokens": body["max_tokens"], "stopSequences": body.get("stop_sequences", [])}
    system = _blocks(body["system"]) if "system" in body else []
    return {"messages": messages, "system": system, "inferenceConfig": config}


def output(reply: Reply, model_id: str) -> dict[str, Any]:
    content = [{"type": "text", "text": reply.text}]
    return _message(reply, model_id) | {"content": content, "stop_reason": reply.stop_reason}


def events(reply: Reply, model_id: str, latency_ms: Callable[[], int]) -> Iterator[Event]:
    yield _chunk({"type": "message_start", "message": _message(reply, model_id)})
    block = {"type": "text", "text": ""}
    yield _chunk({"type": "content_block_start", "index": 0, "content_block": block})
    for piece in reply.pieces:
        delta = {"type": "text_delta", "text": piece}
        yield _chunk({"type": "content_block_delta", "index": 0, "delta": delta}, is_token=True)
    yield _chunk({"type": "content_block_stop", "index": 0})
    usage = {"output_tokens": reply.usage["outputTokens"]}
    delta = {"stop_reason": reply.stop_reason}
    yield _chunk({"type": "message_delta", "delta": delta, "usage": usage})
    metrics = {
        "inputTokenCount": reply.usage["inputTokens"],
        "outputTokenCount": reply.usage["outputTokens"],
        "invocationLatency": latency_ms(),
        "firstByteLatency": latency_ms(),
    }
    yield _chunk({"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics})


def _blocks(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"text": content}]
    blocks: list[dict[str, Any]] = []
    for block in content:
        blocks.append({"text": str(block.get("text", ""))})
        if "cache_control" in block:
            blocks.append({"cachePoint": {"type": "default"}})
    return blocks


def _message(reply: Reply, model_id: str) -> dict[str, Any]:
    return {
        "id": f"msg_bdrk_{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "model": model_id,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": reply.usage["inputTokens"],
            "cache_creation_input_tokens": reply.usage["cacheWriteInputTokens"],
            "cache_read_input_tokens": reply.usage["cacheReadInputTokens"],
            "output_tokens": reply.usage["outputTokens"],
        },
    }


def _chunk(event: Mapping[str, Any], *, is_token: bool = False) -> Event:
    packed = base64.b64encode(json.dumps(event).encode()).decode()
    return Event("chunk", {"bytes": packed}, is_token=is_token)
