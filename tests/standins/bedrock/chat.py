"""What a chat model answers, whichever operation asked for it."""

import asyncio
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from langchain_core.messages import HumanMessage

from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.errors import invalid
from tests.standins.bedrock.guardrails import assessment, blocked_in, guarded_text
from tests.standins.bedrock.models import Model
from tests.standins.bedrock.tokens import input_usage, pieces

MOST_CACHE_POINTS = 4
_ONE_SAMPLING_SETTING = re.compile(r"anthropic\.claude-(sonnet|haiku|opus)-4-[1-9]-?")
_NO_USAGE = {"inputTokens": 0, "outputTokens": 0, "cacheReadInputTokens": 0, "cacheWriteInputTokens": 0}


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, before it is put into the shape of an operation.

    Attributes:
        pieces: Of its text, about a word each.
        stop_reason: As Converse names it.
        usage: Tokens as Converse names them, without the total.
        tool: What it calls, instead of a text.
        trace: What a guardrail found.
    """

    pieces: Sequence[str]
    stop_reason: str
    usage: Mapping[str, int]
    tool: ToolCall | None = None
    trace: Mapping[str, Any] | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def total_tokens(self) -> int:
        return sum(self.usage.values())


async def reply_to(bedrock: Bedrock, params: Mapping[str, Any], model: Model, *, blocked: bool) -> Reply:
    """The answer to a chat.

    Args:
        bedrock: Says what is answered.
        params: Of Converse.
        model: That was asked.
        blocked: Whether a guardrail steps in whatever is said.

    Raises:
        ApiError: The conversation is none that the model takes.
    """
    check_conversation(params, model)
    guarded = guarded_text(params) if "guardrailConfig" in params else ""
    found = blocked_in(bedrock, guarded)
    if blocked or (found and not bedrock.guardrail_detects_only):
        trace = _trace(params, "inputAssessment", assessment(found, [guarded], blocks=True))
        return Reply(pieces(bedrock.blocked_message), "guardrail_intervened", _NO_USAGE, trace=trace)
    usage = input_usage(params, bedrock.cached_prefixes, scope=model.id)
    if tool := _tool_call(bedrock, params):
        words = pieces(json.dumps(tool.input))
        return Reply([], "tool_use", usage | {"outputTokens": len(words)}, tool)
    text, stop_reason = _stopped(await _text(bedrock, params), params)
    return _guarded_reply(bedrock, params, text, stop_reason, usage)


def check_conversation(params: Mapping[str, Any], model: Model) -> None:
    """What Converse refuses although its description allows it.

    Raises:
        ApiError: It does.
    """
    messages = params.get("messages", ())
    if not messages or messages[0]["role"] != "user":
        raise invalid(
            "A conversation must start with a user message. "
            "Try again with a conversation that starts with a user message."
        )
    if any(one["role"] == other["role"] for one, other in pairwise(messages)):
        raise invalid(
            "A conversation must alternate between user and assistant roles. Make sure the conversation "
            "alternates between user and assistant roles and try again."
        )
    _check_blocks(params)
    _check_cache_points(params, model)
    both = {"temperature", "topP"} <= params.get("inferenceConfig", {}).keys()
    if both and _ONE_SAMPLING_SETTING.match(model.id):
        raise invalid(
            "The model returned the following errors: `temperature` and `top_p` cannot both be specified "
            "for this model. Please use only one."
        )


def _check_blocks(params: Mapping[str, Any]) -> None:
    for number, message in enumerate(params["messages"]):
        for at, block in enumerate(message["content"]):
            if "text" in block and not block["text"].strip():
                place = f"messages.{number}.content.{at}"
                raise invalid(
                    f"The text field in the ContentBlock object at {place} is blank. "
                    "Add text to the text field, and try again."
                )
            if block.keys() & {"toolUse", "toolResult"} and "toolConfig" not in params:
                raise invalid(
                    "The toolConfig field must be defined when using toolUse and toolResult content blocks."
                )


def _check_cache_points(params: Mapping[str, Any], model: Model) -> None:
    blocks = [*params.get("toolConfig", {}).get("tools", ()), *params.get("system", ())]
    blocks += [block for message in params["messages"] for block in message["content"]]
    points = sum("cachePoint" in block for block in blocks)
    if points > MOST_CACHE_POINTS:
        raise invalid(f"A maximum of 4 blocks with cache_control may be provided. Found {points}.")
    if points and not model.caches:
        raise invalid(
            "You invoked an unsupported model or your request did not allow prompt caching. "
            "See the documentation for more information."
        )


def _tool_call(bedrock: Bedrock, params: Mapping[str, Any]) -> ToolCall | None:
    config = params.get("toolConfig", {})
    choice = config.get("toolChoice", {})
    if "tool" in choice:
        name = choice["tool"]["name"]
    elif "any" in choice:
        name = next(tool["toolSpec"]["name"] for tool in config["tools"] if "toolSpec" in tool)
    else:
        return None
    return ToolCall(f"tooluse_{secrets.token_urlsafe(16)}", name, bedrock.tool_input)


async def _text(bedrock: Bedrock, params: Mapping[str, Any]) -> str:
    if params.get("outputConfig", {}).get("textFormat"):
        return json.dumps(bedrock.tool_input)
    if isinstance(bedrock.reply, str):
        return bedrock.reply
    if bedrock.reply is not None:
        return await asyncio.to_thread(bedrock.reply, params)
    return await asyncio.to_thread(_extracted, bedrock, last_question(params))


def last_question(params: Mapping[str, Any]) -> str:
    """The texts of the last message of the user."""
    last = next(message for message in reversed(params["messages"]) if message["role"] == "user")
    marked = (block.get("guardContent", {}).get("text", block) for block in last["content"])
    return "\n".join(str(block["text"]) for block in marked if "text" in block)


def _extracted(bedrock: Bedrock, question: str) -> str:
    from rag.models.local import LocalModels  # noqa: PLC0415 - see Bedrock

    bedrock.local = bedrock.local or LocalModels()
    return str(bedrock.local.chat().model.invoke([HumanMessage(question)]).text)


def _stopped(text: str, params: Mapping[str, Any]) -> tuple[str, str]:
    """The text up to the first stop sequence or the last allowed token, and why it ends there."""
    config = params.get("inferenceConfig", {})
    ends = [text.find(stop) for stop in config.get("stopSequences", ()) if stop in text]
    text = text[: min(ends, default=len(text))]
    words = pieces(text)
    most = config.get("maxTokens", len(words))
    if len(words) > most:
        return "".join(words[:most]), "max_tokens"
    return text, "stop_sequence" if ends else "end_turn"


def _guarded_reply(
    bedrock: Bedrock, params: Mapping[str, Any], text: str, stop_reason: str, usage: Mapping[str, int]
) -> Reply:
    words = pieces(text)
    used = {**usage, "outputTokens": len(words)}
    found = blocked_in(bedrock, text) if "guardrailConfig" in params else []
    if not found:
        return Reply(words, stop_reason, used)
    blocks = not bedrock.guardrail_detects_only
    trace = _trace(params, "outputAssessments", [assessment(found, [text], blocks=blocks)])
    if not blocks:
        return Reply(words, stop_reason, used, trace=trace)
    return Reply(pieces(bedrock.blocked_message), "guardrail_intervened", used, trace=trace)


def _trace(params: Mapping[str, Any], name: str, found: Any) -> dict[str, Any] | None:
    config = params.get("guardrailConfig", {})
    if config.get("trace", "disabled") == "disabled":
        return None
    return {"guardrail": {name: {config.get("guardrailIdentifier", "guardrail"): found}}}
