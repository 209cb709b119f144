"""langchain-aws, unpatched, against the stand-in."""

from typing import Any

import pytest
from langchain_aws import BedrockEmbeddings, BedrockRerank, ChatBedrockConverse
from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage
from pydantic import BaseModel

from rag.aws.clients import aws_client
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.models import CLAUDE


class Verdict(BaseModel):
    """A judgement of an answer."""

    score: float
    reason: str


def chat(**settings: Any) -> ChatBedrockConverse:
    return ChatBedrockConverse(model_id=f"eu.{CLAUDE}", temperature=0, **settings)


async def test_a_chat_answers_and_streams(bedrock: Bedrock) -> None:
    bedrock.reply = "The heron sleeps [1]."
    messages = [SystemMessage("Be brief."), HumanMessage("Where is it?")]
    answer = await chat().ainvoke(messages)
    assert answer.text == bedrock.reply
    assert answer.usage_metadata is not None
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (5, 4)
    chunks = [chunk async for chunk in chat().astream(messages)]
    assert len(chunks) > 4
    whole = sum(chunks[1:], chunks[0])
    assert isinstance(whole, AIMessageChunk)
    assert whole.text == bedrock.reply
    assert whole.response_metadata["stopReason"] == "end_turn"
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["total_tokens"] == 9
    assert bedrock.violations == []


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_a_chat_fills_a_schema(bedrock: Bedrock, method: Any) -> None:
    bedrock.tool_input = {"score": 0.5, "reason": "half of it is cited"}
    found = chat().with_structured_output(Verdict, method=method).invoke("Judge.")
    assert found == Verdict(score=0.5, reason="half of it is cited")
    assert bedrock.violations == []


def test_a_chat_by_the_arn_of_an_application_profile(bedrock: Bedrock) -> None:
    """It asks the control plane which model that is."""
    arn = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
    bedrock.application_profiles = {arn: CLAUDE}
    bedrock.reply = "Hi."
    model = ChatBedrockConverse(model_id=arn, provider="anthropic")
    assert model.invoke("Hello").text == "Hi."
    assert {call.operation for call in bedrock.calls} == {"GetInferenceProfile", "Converse"}


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("amazon.titan-embed-text-v2:0", 1024),
        ("amazon.titan-embed-text-v1", 1536),
        ("cohere.embed-multilingual-v3", 1024),
        ("cohere.embed-v4:0", 1536),
        ("amazon.nova-2-multimodal-embeddings-v1:0", 3072),
    ],
)
def test_texts_are_embedded(bedrock: Bedrock, model: str, size: int) -> None:
    client = aws_client("bedrock-runtime", needed_by="a test")
    embeddings = BedrockEmbeddings(client=client, model_id=model)
    vectors = embeddings.embed_documents(["one text", "another text"])
    assert [len(vector) for vector in [*vectors, embeddings.embed_query("a query")]] == [size] * 3
    assert vectors[0] != vectors[1]
    assert bedrock.violations == []


def test_documents_are_reranked(bedrock: Bedrock) -> None:
    arn = "arn:aws:bedrock:eu-central-1::foundation-model/cohere.rerank-v3-5:0"
    client = aws_client("bedrock-agent-runtime", needed_by="a test")
    reranker = BedrockRerank(client=client, model_arn=arn, top_n=2)
    documents = [Document("Nothing."), Document("A blue fox."), Document("A red fox.")]
    found = reranker.compress_documents(documents, "red fox")
    assert [document.page_content for document in found] == ["A red fox.", "A blue fox."]
    assert bedrock.violations == []
