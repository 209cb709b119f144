"""Rerank, ApplyGuardrail, the control plane and Comprehend."""

from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rag.aws.clients import aws_client
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.models import CLAUDE
from tests.standins.bedrock.wire import problems

ARN = "arn:aws:bedrock:eu-central-1::foundation-model/cohere.rerank-v3-5:0"
TEXTS = ["A blue fox.", "Nothing.", "The red fox sleeps."]


def rerank(client: Any, texts: Sequence[str], *, arn: str = ARN, **configuration: Any) -> Any:
    sources = [{"type": "TEXT", "textDocument": {"text": text}} for text in texts]
    return client.rerank(
        queries=[{"type": "TEXT", "textQuery": {"text": "red fox"}}],
        sources=[{"type": "INLINE", "inlineDocumentSource": source} for source in sources],
        rerankingConfiguration={
            "type": "BEDROCK_RERANKING_MODEL",
            "bedrockRerankingConfiguration": {"modelConfiguration": {"modelArn": arn}, **configuration},
        },
    )["results"]


def test_texts_are_ranked_by_the_words_of_the_query(bedrock: Bedrock, agent_runtime: Any) -> None:
    found = rerank(agent_runtime, TEXTS)
    assert [(one["index"], one["relevanceScore"]) for one in found] == [(2, 1.0), (0, 0.5), (1, 0.0)]
    assert [one["index"] for one in rerank(agent_runtime, TEXTS, numberOfResults=1)] == [2]
    assert {call.model_id for call in bedrock.calls} == {ARN}
    assert bedrock.calls[0].operation == "Rerank"


def test_the_ranking_can_be_replaced(bedrock: Bedrock, agent_runtime: Any) -> None:
    bedrock.rank = lambda query, texts: [len(text) / 100 for text in texts]
    assert [one["index"] for one in rerank(agent_runtime, TEXTS)] == [2, 0, 1]


def test_a_document_may_be_json(bedrock: Bedrock, agent_runtime: Any) -> None:
    document = {"type": "JSON", "jsonDocument": {"title": "Red fox", "Page": 3}}
    results = agent_runtime.rerank(
        queries=[{"type": "TEXT", "textQuery": {"text": "red fox"}}],
        sources=[{"type": "INLINE", "inlineDocumentSource": document}],
        rerankingConfiguration={
            "type": "BEDROCK_RERANKING_MODEL",
            "bedrockRerankingConfiguration": {"modelConfiguration": {"modelArn": ARN}},
        },
    )["results"]
    assert results == [{"index": 0, "relevanceScore": 1.0}]


def test_rerank_has_limits(bedrock: Bedrock, agent_runtime: Any) -> None:
    with pytest.raises(ClientError, match=r"sources.*at most 1000, not 1001"):
        rerank(agent_runtime, ["a"] * 1001)
    with pytest.raises(ClientError, match="model identifier is invalid"):
        rerank(agent_runtime, TEXTS, arn=ARN.replace("cohere.rerank-v3-5:0", "amazon.titan-embed-text-v2:0"))
    with pytest.raises(ClientError, match="model identifier is invalid"):
        rerank(agent_runtime, TEXTS, arn=ARN.replace("eu-central-1", "us-west-2"))
    assert len(bedrock.violations) == 1


def guard(runtime: Any, text: str, source: str = "INPUT") -> dict[str, Any]:
    answer: dict[str, Any] = runtime.apply_guardrail(
        guardrailIdentifier="g1",
        guardrailVersion="DRAFT",
        source=source,
        content=[{"text": {"text": text, "qualifiers": ["query"]}}],
    )
    del answer["ResponseMetadata"]
    shape = runtime.meta.service_model.operation_model("ApplyGuardrail").output_shape
    assert problems(shape, answer) == []
    return answer


def test_a_guardrail_steps_in_detects_or_lets_pass(bedrock: Bedrock, runtime: Any) -> None:
    bedrock.blocked_words = ["secret"]
    passed = guard(runtime, "hello")
    assert (passed["action"], passed["outputs"], passed["assessments"]) == ("NONE", [], [])
    stopped = guard(runtime, "the Secret " * 200)
    assert (stopped["action"], stopped["outputs"]) == (
        "GUARDRAIL_INTERVENED",
        [{"text": bedrock.blocked_message}],
    )
    assert stopped["assessments"][0]["wordPolicy"]["customWords"][0]["action"] == "BLOCKED"
    assert stopped["usage"]["wordPolicyUnits"] == 3
    bedrock.guardrail_detects_only = True
    detected = guard(runtime, "the secret", "OUTPUT")
    assert (detected["action"], detected["outputs"]) == ("NONE", [{"text": "the secret"}])
    assert detected["assessments"][0]["wordPolicy"]["customWords"][0]["detected"] is True
    assert bedrock.calls[-1].params["guardrailVersion"] == "DRAFT"


def test_the_control_plane_lists_models_and_profiles(bedrock: Bedrock, control_plane: Any) -> None:
    models = control_plane.list_foundation_models()["modelSummaries"]
    by_id = {model["modelId"]: model for model in models}
    assert by_id[CLAUDE]["inferenceTypesSupported"] == ["INFERENCE_PROFILE"]
    assert by_id[CLAUDE]["responseStreamingSupported"]
    embedding = control_plane.list_foundation_models(byProvider="amazon", byOutputModality="EMBEDDING")
    assert {model["outputModalities"][0] for model in embedding["modelSummaries"]} == {"EMBEDDING"}
    profiles = control_plane.list_inference_profiles()["inferenceProfileSummaries"]
    assert {profile["inferenceProfileId"].partition(".")[0] for profile in profiles} == {"eu", "global"}


def test_the_control_plane_knows_one_model(bedrock: Bedrock, control_plane: Any) -> None:
    found = control_plane.get_foundation_model(modelIdentifier="amazon.titan-embed-text-v2:0")["modelDetails"]
    assert found["modelArn"] == "arn:aws:bedrock:eu-central-1::foundation-model/amazon.titan-embed-text-v2:0"
    assert control_plane.get_foundation_model(modelIdentifier=found["modelArn"])["modelDetails"] == found
    with pytest.raises(ClientError, match="model identifier is invalid"):
        control_plane.get_foundation_model(modelIdentifier="amazon.titan-embed-text-v9")
    granted = control_plane.get_foundation_model_availability(modelId=CLAUDE)
    assert granted["authorizationStatus"] == "AUTHORIZED"
    bedrock.denied_models = {CLAUDE}
    denied = control_plane.get_foundation_model_availability(modelId=CLAUDE)
    assert denied["entitlementAvailability"] == "NOT_AVAILABLE"


def test_the_control_plane_knows_one_profile(bedrock: Bedrock, control_plane: Any) -> None:
    profile = control_plane.get_inference_profile(inferenceProfileIdentifier=f"eu.{CLAUDE}")
    assert profile["models"][0]["modelArn"].endswith(f"::foundation-model/{CLAUDE}")
    assert profile["type"] == "SYSTEM_DEFINED"
    arn = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc123"
    bedrock.application_profiles = {arn: "amazon.nova-lite-v1:0"}
    own = control_plane.get_inference_profile(inferenceProfileIdentifier=arn)
    assert (own["type"], own["inferenceProfileId"]) == ("APPLICATION", "abc123")
    assert own["models"][0]["modelArn"].endswith("amazon.nova-lite-v1:0")
    applications = control_plane.list_inference_profiles(typeEquals="APPLICATION")
    assert [one["inferenceProfileArn"] for one in applications["inferenceProfileSummaries"]] == [arn]
    with pytest.raises(ClientError, match=r"\(ResourceNotFoundException\)"):
        control_plane.get_inference_profile(inferenceProfileIdentifier=f"us.{CLAUDE}")


PERSONAL = {
    "EMAIL": "ada.lovelace+x@example.co.uk",
    "PHONE": "+44 20 7946 0958",
    "SSN": "078-05-1120",
}


def test_comprehend_finds_what_a_pattern_can(bedrock: Bedrock) -> None:
    client = aws_client("comprehend", needed_by="a test")
    text = "Ä: {EMAIL}, 📞 {PHONE}; {SSN}. On 2024-05-17 we had 12 345 guests.".format(**PERSONAL)
    found = client.detect_pii_entities(Text=text, LanguageCode="en")["Entities"]
    assert {one["Type"]: text[one["BeginOffset"] : one["EndOffset"]] for one in found} == PERSONAL
    assert all(0 < one["Score"] <= 1 for one in found)
    assert [call.operation for call in bedrock.calls] == ["DetectPiiEntities"]
    with pytest.raises(ClientError, match=r"\(TextSizeLimitExceededException\)"):
        client.detect_pii_entities(Text="ä" * 50_001, LanguageCode="en")
    with pytest.raises(ClientError, match=r"\(UnsupportedLanguageException\)"):
        client.detect_pii_entities(Text="a", LanguageCode="de")
