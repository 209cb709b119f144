"""Pieces and counts of words, in place of a real tokenizer's, and what a prompt cache makes of them."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

CACHE_POINT = None
CHARACTERS_PER_TOKEN = 4.7  # of English, says Titan's documentation
_PIECE = re.compile(r"\s*\S{1,16}|\s+$")


def pieces(text: str) -> list[str]:
    """About a word each; together they are the text."""
    return _PIECE.findall(text)


def count_words(text: str) -> int:
    return len(text.split())


def count_embedded(text: str) -> int:
    """Tokens of an embedding model, at least a word's each."""
    return max(count_words(text), math.ceil(len(text) / CHARACTERS_PER_TOKEN))


def input_usage(params: Mapping[str, Any], cached: set[bytes], *, scope: str) -> dict[str, int]:
    """Tokens of the input: new ones, and those that the cache held or now holds.

    Args:
        params: Of Converse.
        cached: Prefixes that were seen; those of this input are added.
        scope: Whose prefixes these are: each model has its own.
    """
    seen = hashlib.sha256(scope.encode())
    total = read = at_last_point = 0
    for block in _blocks(params):
        if block is not CACHE_POINT:
            total += count_words(block)
            seen.update(f"{len(block)}:{block}".encode())
            continue
        at_last_point = total
        if seen.digest() in cached:
            read = total
        cached.add(seen.digest())
    return {
        "inputTokens": total - at_last_point,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": at_last_point - read,
    }


def count_input(params: Mapping[str, Any]) -> int:
    """All tokens of the input, cached or not."""
    return sum(input_usage(params, set(), scope="").values())


def _blocks(params: Mapping[str, Any]) -> Iterator[str | None]:
    """The input in the order in which a cache sees it: tools, system, messages."""
    yield from map(_as_text, params.get("toolConfig", {}).get("tools", ()))
    yield from map(_as_text, params.get("system", ()))
    for message in params.get("messages", ()):
        yield from map(_as_text, message["content"])


def _as_text(block: Mapping[str, Any]) -> str | None:
    if "cachePoint" in block:
        return CACHE_POINT
    if "text" in block:
        return str(block["text"])
    if "guardContent" in block:
        return str(block["guardContent"].get("text", {}).get("text", ""))
    return json.dumps(block, default=repr)
