"""Names of models, and accounts that may not call them."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rag.aws.clients import aws_client
from tests.standins.aws import use_bedrock
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.models import CLAUDE

MESSAGES = [{"role": "user", "content": [{"text": "Hello"}]}]
ACCOUNT = "arn:aws:bedrock:eu-central-1:123456789012"
ACCEPTED = [
    "anthropic.claude-3-haiku-20240307-v1:0",
    f"eu.{CLAUDE}",
    f"global.{CLAUDE}",
    f"{ACCOUNT}:inference-profile/eu.{CLAUDE}",
    "arn:aws:bedrock:eu-central-1::foundation-model/amazon.nova-lite-v1:0",
]


@pytest.mark.parametrize("model", ACCEPTED)
def test_a_model_has_many_names(bedrock: Bedrock, runtime: Any, model: str) -> None:
    bedrock.reply = "Hi."
    assert runtime.converse(modelId=model, messages=MESSAGES)["stopReason"] == "end_turn"
    assert bedrock.calls[-1].model_id == model
    assert bedrock.violations == []


INVALID = "provided model identifier is invalid"
REFUSED = {
    "unknown": ("anthropic.claude-9", INVALID),
    "of no vendor": ("gpt", INVALID),
    "of another region": (f"us.{CLAUDE}", INVALID),
    "an ARN of another region": (
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
        INVALID,
    ),
    "without its profile": (CLAUDE, "on-demand throughput isn’t supported"),
    "no chat model": ("amazon.titan-embed-text-v2:0", "Try again with a supported text or chat model"),
}


@pytest.mark.parametrize(("model", "said"), REFUSED.values(), ids=REFUSED)
def test_a_name_that_cannot_be_called_is_refused(
    bedrock: Bedrock, runtime: Any, model: str, said: str
) -> None:
    with pytest.raises(ClientError, match=rf"\(ValidationException\).*{said}"):
        runtime.converse(modelId=model, messages=MESSAGES)
    with pytest.raises(ClientError, match=said):
        runtime.converse_stream(modelId=model, messages=MESSAGES)


def test_an_application_profile_stands_for_the_model_that_is_named(bedrock: Bedrock, runtime: Any) -> None:
    arn = f"{ACCOUNT}:application-inference-profile/a1b2c3d4e5f6"
    body = json.dumps({"inputText": "a"})
    with pytest.raises(ClientError, match=INVALID):
        runtime.invoke_model(modelId=arn, body=body)
    bedrock.application_profiles = {arn: "amazon.titan-embed-text-v2:0"}
    assert json.loads(runtime.invoke_model(modelId=arn, body=body)["body"].read())["embedding"]


def test_a_model_without_access_is_denied(bedrock: Bedrock, runtime: Any) -> None:
    bedrock.denied_models = {CLAUDE}
    bedrock.reply = "Hi."
    with pytest.raises(ClientError, match=r"\(AccessDeniedException\).*don't have access to the model"):
        runtime.converse(modelId=f"eu.{CLAUDE}", messages=MESSAGES)
    runtime.converse(modelId="amazon.nova-lite-v1:0", messages=MESSAGES)


ACCOUNTS: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"credentials_expired": True}, r"\(ExpiredTokenException\)"),
    "region not enabled": ({"wrong_region": "not_enabled"}, r"\(UnrecognizedClientException\)"),
    "region without models": ({"wrong_region": "not_offered"}, r"\(ResourceNotFoundException\)"),
}


@pytest.mark.parametrize(("settings", "said"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_an_account_that_may_not_call_is_told_so(
    bedrock: Bedrock, runtime: Any, control_plane: Any, settings: dict[str, Any], said: str
) -> None:
    bedrock.script(settings)
    with pytest.raises(ClientError, match=said):
        runtime.converse(modelId=ACCEPTED[0], messages=MESSAGES)
    with pytest.raises(ClientError, match=said):
        control_plane.list_foundation_models()


def test_the_region_is_that_of_the_signature(bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    use_bedrock(monkeypatch, bedrock.url, region="us-east-1")
    bedrock.reply = "Hi."
    client = aws_client("bedrock-runtime", needed_by="a test")
    client.converse(modelId=f"us.{CLAUDE}", messages=MESSAGES)
    assert bedrock.calls[-1].region == "us-east-1"
