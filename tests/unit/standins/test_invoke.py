import json
import math
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.models import CLAUDE

TITAN = "amazon.titan-embed-text-v2:0"
COHERE = "cohere.embed-multilingual-v3"
NOVA = "amazon.nova-2-multimodal-embeddings-v1:0"
TEXTS = ["The heron sleeps in the reeds.", "Where does the heron sleep?", "Taxes are due in May."]


def invoke(runtime: Any, model: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = runtime.invoke_model(modelId=model, body=json.dumps(body))
    assert answer["contentType"] == "application/json"
    found: dict[str, Any] = json.loads(answer["body"].read())
    return found


def nova(text: str, mode: str = "END", **params: Any) -> dict[str, Any]:
    asked = {"embeddingPurpose": "GENERIC_INDEX", "text": {"truncationMode": mode, "value": text}}
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": asked | params}


def cohere(texts: list[str], **params: Any) -> dict[str, Any]:
    return {"texts": texts, "input_type": "search_document", **params}


def similarity(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_texts_that_share_words_are_near_each_other(bedrock: Bedrock, runtime: Any) -> None:
    first, near, far = (invoke(runtime, TITAN, {"inputText": text})["embedding"] for text in TEXTS)
    assert similarity(first, first) == pytest.approx(1)
    assert similarity(first, near) > similarity(first, far) + 0.2


def test_texts_of_the_same_words_are_not_the_same(bedrock: Bedrock, runtime: Any) -> None:
    one, other = (invoke(runtime, TITAN, {"inputText": text})["embedding"] for text in ("a b", "b a"))
    assert one != other


def test_titan_has_sizes_kinds_and_a_count_of_tokens(bedrock: Bedrock, runtime: Any) -> None:
    body = {"inputText": "heron " * 10, "dimensions": 256, "normalize": False}
    answer = runtime.invoke_model(
        modelId=TITAN, body=json.dumps(body | {"embeddingTypes": ["float", "binary"]})
    )
    found = json.loads(answer["body"].read())
    assert len(found["embedding"]) == 256
    assert math.hypot(*found["embedding"]) == pytest.approx(10, abs=0.1)
    assert set(found["embeddingsByType"]) == {"float", "binary"}
    assert set(found["embeddingsByType"]["binary"]) == {0, 1}
    tokens = answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-input-token-count"]
    assert found["inputTextTokenCount"] == int(tokens) == math.ceil(60 / 4.7)


def test_the_body_of_a_call_is_seen(bedrock: Bedrock, runtime: Any) -> None:
    invoke(runtime, TITAN, {"inputText": "heron"})
    (call,) = bedrock.calls
    assert call.body == {"inputText": "heron"}
    assert call.params == {"modelId": TITAN, "body": b'{"inputText": "heron"}'}


SIZES = {
    "titan": (TITAN, {"inputText": "a"}, 1024),
    "titan 512": (TITAN, {"inputText": "a", "dimensions": 512}, 512),
    "titan v1": ("amazon.titan-embed-text-v1", {"inputText": "a"}, 1536),
    "nova": (NOVA, nova("a"), 3072),
    "nova 384": (NOVA, nova("a", embeddingDimension=384), 384),
    "cohere": (COHERE, cohere(["a", "b"]), 1024),
    "cohere typed": ("cohere.embed-english-v3", cohere(["a", "b"], embedding_types=["float", "int8"]), 1024),
    "cohere v4": ("cohere.embed-v4:0", cohere(["a", "b"]), 1536),
    "cohere v4 256": ("eu.cohere.embed-v4:0", cohere(["a", "b"], output_dimension=256), 256),
}


@pytest.mark.parametrize(("model", "body", "size"), SIZES.values(), ids=SIZES)
def test_each_vendor_answers_in_its_own_shape(
    bedrock: Bedrock, runtime: Any, model: str, body: dict[str, Any], size: int
) -> None:
    found = invoke(runtime, model, body)
    if "embedding" in found:
        vectors = [found["embedding"]]
    elif model == NOVA:
        vectors = [found["embeddings"][0]["embedding"]]
    elif model == COHERE:
        vectors, kind = found["embeddings"], "embeddings_floats"
        assert found["response_type"] == kind
    else:
        vectors = found["embeddings"]["float"]
        assert found["response_type"] == "embeddings_by_type"
    assert {len(vector) for vector in vectors} == {size}
    assert len(vectors) == len(body.get("texts", ["a"]))
    assert bedrock.violations == []


REFUSED = {
    "no text": (TITAN, {}, r"required key \[inputText\] not found"),
    "an empty text": (TITAN, {"inputText": ""}, "minLength: 1, actual: 0"),
    "too many characters": (TITAN, {"inputText": "a " * 25_001}, "maxLength: 50000, actual: 50002"),
    "too many tokens": (TITAN, {"inputText": "a " * 20_000}, "request input token count: 20000"),
    "no such size": (TITAN, {"inputText": "a", "dimensions": 300}, "300 is not a valid enum value"),
    "another vendor's key": (TITAN, cohere(["a"]), r"extraneous key \[texts\] is not permitted"),
    "sizes are of version 2": (
        "amazon.titan-embed-text-v1",
        {"inputText": "a", "dimensions": 512},
        "extraneous key",
    ),
    "no input type": (COHERE, {"texts": ["a"]}, r"required key \[input_type\]"),
    "no texts": (COHERE, cohere([]), "minItems: 1"),
    "too many texts": (COHERE, cohere(["a"] * 97), "maxItems: 96, actual: 97"),
    "a long text": (COHERE, cohere(["a", "a" * 2_049]), "#/texts/1: expected maxLength: 2048, actual: 2049"),
    "no such type": (COHERE, cohere(["a"], embedding_types=["double"]), "not a valid enum value"),
    "a size that v3 has not": (COHERE, cohere(["a"], output_dimension=256), "extraneous key"),
    "no purpose": (NOVA, nova("a", embeddingPurpose="FUN"), "embeddingPurpose"),
    "a size of another model": (NOVA, nova("a", embeddingDimension=512), "512 is not a valid"),
    "no JSON": (TITAN, None, "not valid JSON"),
}


@pytest.mark.parametrize(("model", "body", "said"), REFUSED.values(), ids=REFUSED)
def test_a_body_that_the_model_does_not_take_is_refused(
    bedrock: Bedrock, runtime: Any, model: str, body: dict[str, Any] | None, said: str
) -> None:
    raw = "{" if body is None else json.dumps(body)
    with pytest.raises(ClientError, match=rf"\(ValidationException\).*{said}"):
        runtime.invoke_model(modelId=model, body=raw)


def test_nova_cuts_a_long_text_and_says_so(bedrock: Bedrock, runtime: Any) -> None:
    (found,) = invoke(runtime, NOVA, nova("heron " * 8_000))["embeddings"]
    assert found["truncatedCharLength"] == 38_408
    with pytest.raises(ClientError, match="more than 8172 tokens"):
        invoke(runtime, NOVA, nova("heron " * 8_000, mode="NONE"))


PROFILE = f"eu.{CLAUDE}"
MESSAGES = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [{"role": "user", "content": "Where is it?"}],
}


def test_claude_answers_its_own_messages(bedrock: Bedrock, runtime: Any) -> None:
    bedrock.reply = "In the reeds."
    found = invoke(runtime, PROFILE, MESSAGES)
    assert (found["type"], found["content"]) == ("message", [{"type": "text", "text": "In the reeds."}])
    assert (found["usage"]["input_tokens"], found["usage"]["output_tokens"]) == (3, 3)
    assert found["usage"]["cache_creation_input_tokens"] == 2
    with pytest.raises(ClientError, match=r"required key \[max_tokens\]"):
        invoke(runtime, PROFILE, {"anthropic_version": "bedrock-2023-05-31", "messages": []})


def test_claude_streams_chunks(bedrock: Bedrock, runtime: Any) -> None:
    bedrock.reply = "In the reeds."
    answer = runtime.invoke_model_with_response_stream(modelId=PROFILE, body=json.dumps(MESSAGES))
    events = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
    assert [event["type"] for event in events if "content_block" not in event["type"]] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    deltas = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert deltas == ["In", " the", " reeds."]
    assert events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == 3


def test_embeddings_do_not_stream(bedrock: Bedrock, runtime: Any) -> None:
    with pytest.raises(ClientError, match="unsupported for streaming"):
        runtime.invoke_model_with_response_stream(modelId=TITAN, body=json.dumps({"inputText": "a"}))
