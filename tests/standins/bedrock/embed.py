"""InvokeModel of embedding models: each vendor's body, and vectors in which words that are shared show."""

import json
import math
import re
import secrets
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.standins.bedrock.errors import malformed_body, refused
from tests.standins.bedrock.models import Model
from tests.standins.bedrock.tokens import CHARACTERS_PER_TOKEN, count_embedded

_WORD = re.compile(r"\w+")
_COHERE_INPUTS = ("search_document", "search_query", "classification", "clustering", "image")
_COHERE_TYPES = ("float", "int8", "uint8", "binary", "ubinary")
_PURPOSES = ("GENERIC_INDEX", "GENERIC_RETRIEVAL", "TEXT_RETRIEVAL", "CLASSIFICATION", "CLUSTERING")
MOST_TEXTS = 96
MOST_COHERE_CHARACTERS = 2_048
MOST_TITAN_TOKENS = 8_192
MOST_NOVA_TOKENS = 8_172
MOST_CHARACTERS = 50_000  # of Titan, and of Nova

Embedded = tuple[dict[str, Any], int]


def embed(model: Model, raw: bytes) -> Embedded:
    """The answer's body, and how many tokens went in.

    Raises:
        ApiError: The body is none that the model takes.
    """
    try:
        body = json.loads(raw)
    except ValueError as exc:
        raise malformed_body("it is not valid JSON") from exc
    family = next(name for name in _FAMILIES if model.id.startswith(name))
    return _FAMILIES[family](body)


def vector(text: str, dimensions: int, *, normalize: bool = True) -> list[float]:
    """Counts of words, each in one of the dimensions; and of the text itself, so that no two are the same."""
    counts = [0.0] * dimensions
    for word in _WORD.findall(text.lower()):
        counts[zlib.crc32(word.encode()) % dimensions] += 1
    counts[zlib.crc32(text.encode()) % dimensions] += 0.01
    length = math.hypot(*counts) if normalize else 1
    return [count / length for count in counts]


def _titan_v2(body: Mapping[str, Any]) -> Embedded:
    _allow(body, "inputText", "dimensions", "normalize", "embeddingTypes")
    text = _titan_text(body)
    dimensions = _one_of(body, "dimensions", (1024, 512, 256))
    found = vector(text, dimensions, normalize=body.get("normalize", True))
    types = body.get("embeddingTypes", ["float"])
    by_type = {kind: found if kind == "float" else [int(part > 0) for part in found] for kind in types}
    answer: dict[str, Any] = {"embeddingsByType": by_type, "inputTextTokenCount": count_embedded(text)}
    if "float" in by_type:
        answer["embedding"] = found
    return answer, count_embedded(text)


def _titan_v1(body: Mapping[str, Any]) -> Embedded:
    _allow(body, "inputText")
    text = _titan_text(body)
    tokens = count_embedded(text)
    return {"embedding": vector(text, 1536, normalize=False), "inputTextTokenCount": tokens}, tokens


def _titan_text(body: Mapping[str, Any]) -> str:
    text = body.get("inputText")
    if not isinstance(text, str):
        raise malformed_body("#: required key [inputText] not found")
    if not text:
        raise malformed_body("expected minLength: 1, actual: 0")
    if len(text) > MOST_CHARACTERS:
        raise malformed_body(f"expected maxLength: {MOST_CHARACTERS}, actual: {len(text)}")
    if (tokens := count_embedded(text)) > MOST_TITAN_TOKENS:
        limit = f"Max input tokens: {MOST_TITAN_TOKENS}, request input token count: {tokens}"
        raise refused(f"400 Bad Request: Too many input tokens. {limit}")
    return text


def _cohere_v3(body: Mapping[str, Any]) -> Embedded:
    _allow(body, "texts", "input_type", "truncate", "embedding_types")
    texts = _cohere_texts(body)
    for at, text in enumerate(texts):
        if len(text) > MOST_COHERE_CHARACTERS:
            raise malformed_body(
                f"#/texts/{at}: expected maxLength: {MOST_COHERE_CHARACTERS}, actual: {len(text)}"
            )
    vectors = [vector(text, 1024) for text in texts]
    return _cohere_answer(body, texts, vectors, as_list="embedding_types" not in body)


def _cohere_v4(body: Mapping[str, Any]) -> Embedded:
    _allow(body, "texts", "input_type", "truncate", "embedding_types", "output_dimension", "max_tokens")
    texts = _cohere_texts(body)
    dimensions = _one_of(body, "output_dimension", (1536, 1024, 512, 256))
    vectors = [vector(text, dimensions) for text in texts]
    return _cohere_answer(body, texts, vectors, as_list=False)


def _cohere_texts(body: Mapping[str, Any]) -> list[str]:
    texts = body.get("texts")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise malformed_body("#: required key [texts] not found")
    if not 0 < len(texts) <= MOST_TEXTS:
        raise malformed_body(f"#/texts: expected minItems: 1, maxItems: {MOST_TEXTS}, actual: {len(texts)}")
    if body.get("input_type") not in _COHERE_INPUTS:
        raise malformed_body("#: required key [input_type] not found")
    return texts


def _cohere_answer(
    body: Mapping[str, Any], texts: Sequence[str], vectors: Sequence[list[float]], *, as_list: bool
) -> Embedded:
    types = body.get("embedding_types", ["float"])
    if not set(types) <= set(_COHERE_TYPES):
        raise malformed_body("#/embedding_types: not a valid enum value")
    by_type = {kind: [_converted(found, kind) for found in vectors] for kind in types}
    answer = {
        "id": secrets.token_hex(16),
        "texts": list(texts),
        "response_type": "embeddings_floats" if as_list else "embeddings_by_type",
        "embeddings": vectors if as_list else by_type,
    }
    return answer, sum(map(count_embedded, texts))


def _converted(found: Sequence[float], kind: str) -> list[float] | list[int]:
    if kind == "float":
        return list(found)
    if kind in {"int8", "uint8"}:
        return [round(part * 127) for part in found]
    bits = "".join("1" if part > 0 else "0" for part in found)
    packed = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    return [byte - 128 for byte in packed] if kind == "binary" else packed


def _nova(body: Mapping[str, Any]) -> Embedded:
    _allow(body, "schemaVersion", "taskType", "singleEmbeddingParams")
    if body.get("taskType") != "SINGLE_EMBEDDING" or "singleEmbeddingParams" not in body:
        raise malformed_body('#/taskType: must be "SINGLE_EMBEDDING", with singleEmbeddingParams')
    asked = body["singleEmbeddingParams"]
    _allow(asked, "embeddingPurpose", "embeddingDimension", "text")
    text = asked.get("text", {})
    if asked.get("embeddingPurpose") not in _PURPOSES or not text.get("value"):
        raise malformed_body("#/singleEmbeddingParams: required key [embeddingPurpose] or [text] not found")
    value = text["value"]
    found: dict[str, Any] = {"embeddingType": "TEXT"}
    if len(value) > MOST_CHARACTERS:
        raise malformed_body(f"expected maxLength: {MOST_CHARACTERS}, actual: {len(value)}")
    if count_embedded(value) > MOST_NOVA_TOKENS:
        if text.get("truncationMode", "NONE") == "NONE":
            raise refused(f"The text has more than {MOST_NOVA_TOKENS} tokens.")
        value = value[: int(MOST_NOVA_TOKENS * CHARACTERS_PER_TOKEN)]
        found["truncatedCharLength"] = len(value)
    found["embedding"] = vector(value, _one_of(asked, "embeddingDimension", (3072, 1024, 384, 256)))
    return {"embeddings": [found]}, count_embedded(value)


def _allow(body: Mapping[str, Any], *keys: str) -> None:
    for key in body:
        if key not in keys:
            raise malformed_body(f"#: extraneous key [{key}] is not permitted")


def _one_of(body: Mapping[str, Any], key: str, values: Sequence[int]) -> int:
    """The value, or the first that may be without one."""
    value = body.get(key, values[0])
    if value not in values:
        raise malformed_body(f"#/{key}: {value} is not a valid enum value")
    return int(value)


_FAMILIES: Mapping[str, Callable[[Mapping[str, Any]], Embedded]] = {
    "amazon.titan-embed-text-v2": _titan_v2,
    "amazon.titan-embed-text-v1": _titan_v1,
    "cohere.embed-v4": _cohere_v4,
    "cohere.embed": _cohere_v3,
    "amazon.nova-2-multimodal": _nova,
}
