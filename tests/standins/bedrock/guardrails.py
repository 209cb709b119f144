"""ApplyGuardrail, and the guardrails of a chat: both look for the blocked words."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tests.standins.bedrock.control import Bedrock, Call
from tests.standins.bedrock.faults import Fault

TEXT_UNIT = 1_000  # characters that AWS charges as one


def apply_guardrail(bedrock: Bedrock, call: Call, fault: Fault | None) -> dict[str, Any]:
    texts = [block["text"]["text"] for block in call.params["content"] if "text" in block]
    found = blocked_in(bedrock, "\n".join(texts))
    intervenes = bool(fault) or (bool(found) and not bedrock.guardrail_detects_only)
    return {
        "usage": _usage(texts),
        "action": "GUARDRAIL_INTERVENED" if intervenes else "NONE",
        "actionReason": "Guardrail blocked." if intervenes else "No action.",
        "outputs": _outputs(bedrock, texts, intervenes=intervenes, detected=bool(found)),
        "assessments": [assessment(found, texts, blocks=intervenes)] if found or intervenes else [],
        "guardrailCoverage": _coverage(texts),
    }


def blocked_in(bedrock: Bedrock, text: str) -> list[str]:
    """The words of the guardrail that are in the text, in any case of letters."""
    return [word for word in bedrock.blocked_words if word.lower() in text.lower()]


def assessment(found: Sequence[str], texts: Sequence[str], *, blocks: bool) -> dict[str, Any]:
    action = "BLOCKED" if blocks else "NONE"
    words = [{"match": word, "action": action, "detected": True} for word in found]
    metrics = {
        "guardrailProcessingLatency": 12,
        "usage": _usage(texts),
        "guardrailCoverage": _coverage(texts),
    }
    return {"wordPolicy": {"customWords": words, "managedWordLists": []}, "invocationMetrics": metrics}


def guarded_text(params: Mapping[str, Any]) -> str:
    """What a chat's guardrail reads: the marked blocks if there are some, otherwise all messages."""
    blocks = [block for message in params.get("messages", ()) for block in message["content"]]
    marked = [block["guardContent"] for block in blocks if "guardContent" in block]
    texts = [part["text"]["text"] for part in marked if "text" in part]
    return "\n".join(texts if marked else [str(block["text"]) for block in blocks if "text" in block])


def _outputs(
    bedrock: Bedrock, texts: Sequence[str], *, intervenes: bool, detected: bool
) -> list[dict[str, str]]:
    """One that detects only gives back the text with `action` NONE, although it found something."""
    if intervenes:
        return [{"text": bedrock.blocked_message}]
    return [{"text": text} for text in texts] if detected else []


def _usage(texts: Sequence[str]) -> dict[str, int]:
    units = sum(math.ceil(len(text) / TEXT_UNIT) for text in texts)
    return {
        "topicPolicyUnits": 0,
        "contentPolicyUnits": units,
        "wordPolicyUnits": units,
        "sensitiveInformationPolicyUnits": 0,
        "sensitiveInformationPolicyFreeUnits": 0,
        "contextualGroundingPolicyUnits": 0,
    }


def _coverage(texts: Sequence[str]) -> dict[str, Any]:
    characters = sum(map(len, texts))
    return {"textCharacters": {"guarded": characters, "total": characters}}
