from collections.abc import Iterator
from typing import cast

import pytest
from langchain_aws import BedrockRerank

from rag.errors import InvalidInputError
from rag.models import registry
from rag.models.registry import load_reranker
from rag.ports import RetrievedPassage
from rag.rerank import DEPTH, Reranked, rerank
from tests.unit.rag.models.bedrock import ARN, MODEL, REGION, Bedrock, bedrock_server, failure, forget_aws
from tests.unit.rag.passages import make_passage

NAME = f"bedrock:{MODEL}"
QUESTION = 'How many "vacation" days? — übertragen'


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bedrock]:
    with bedrock_server(monkeypatch) as server:
        yield server


def fused(count: int = 3) -> list[RetrievedPassage]:
    """Passages of growing length, so that the last one is the reranker's first."""
    return [
        RetrievedPassage(make_passage("x" * rank, number=rank), 1 / rank, rank, 1 / rank)
        for rank in range(1, count + 1)
    ]


async def reranked(passages: list[RetrievedPassage], *, top_k: int = 3) -> Reranked:
    return await rerank(load_reranker(NAME), QUESTION, passages, top_k=top_k)


async def test_the_call_carries_the_question_the_texts_and_the_model(bedrock: Bedrock) -> None:
    await reranked(fused())
    (call,) = bedrock.calls
    assert (call.path, call.query, call.texts) == ("/rerank", QUESTION, ["x", "xx", "xxx"])
    configuration = call.body["rerankingConfiguration"]["bedrockRerankingConfiguration"]
    assert configuration["modelConfiguration"]["modelArn"] == ARN
    assert configuration["numberOfResults"] == 3
    assert f"/{REGION}/bedrock/aws4_request" in call.authorization


async def test_order_and_scores_come_back(bedrock: Bedrock) -> None:
    result = await reranked(fused())
    assert result.degraded == []
    assert [found.passage.text for found in result.passages] == ["xxx", "xx", "x"]
    assert [found.rerank_score for found in result.passages] == [3 / 6, 2 / 6, 1 / 6]
    assert [found.rerank_rank for found in result.passages] == [1, 2, 3]
    assert [found.fused_rank for found in result.passages] == [3, 2, 1]


async def test_as_many_as_a_reranker_sees_go_in_one_call(bedrock: Bedrock) -> None:
    result = await reranked(fused(DEPTH), top_k=8)
    (call,) = bedrock.calls
    assert len(call.texts) == DEPTH == 50
    configuration = call.body["rerankingConfiguration"]["bedrockRerankingConfiguration"]
    assert configuration["numberOfResults"] == DEPTH
    assert [found.fused_rank for found in result.passages] == list(range(50, 42, -1))


FAILURES = {
    "overloaded": failure(429, "ThrottlingException"),
    "broken": failure(500, "InternalServerException"),
    "away": failure(503, "ServiceUnavailableException"),
    "forbidden": failure(403, "AccessDeniedException"),
    "invalid": failure(400, "ValidationException"),
    "no JSON": (200, "", b"<html>"),
    "half a JSON": (200, "", b'{"results": [{"index": 0, "relev'),
    "no body": (200, "", b""),
    "no results": (200, "", b"{}"),
    "empty results": (200, "", b'{"results": []}'),
    "no scores": (200, "", b'{"results": [{"index": 0}]}'),
    "no such passage": (200, "", b'{"results": [{"index": 7, "relevanceScore": 0.5}]}'),
    "other types": (200, "", b'{"results": [{"index": "first", "relevanceScore": 0.5}]}'),
}


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES)
async def test_a_failed_call_leaves_the_fused_order_and_is_not_repeated(
    bedrock: Bedrock, answer: tuple[int, str, bytes]
) -> None:
    bedrock.failure = answer
    result = await reranked(fused(), top_k=2)
    assert result == Reranked(fused()[:2], ["rerank"])
    assert len(bedrock.calls) == 1


async def test_a_call_that_hangs_is_given_up(bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "RERANK_READ_TIMEOUT", 0.2)
    bedrock.hang = True
    assert await reranked(fused()) == Reranked(fused(), ["rerank"])
    assert len(bedrock.calls) == 1


async def test_a_server_that_is_not_there_leaves_the_fused_order(
    bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME", "http://127.0.0.1:1")
    assert await reranked(fused()) == Reranked(fused(), ["rerank"])
    assert bedrock.calls == []


def loaded(name: str) -> BedrockRerank:
    return cast("BedrockRerank", load_reranker(name))


def test_an_arn_brings_its_own_region(bedrock: Bedrock) -> None:
    arn = "arn:aws:bedrock:us-west-2::foundation-model/amazon.rerank-v1:0"
    reranker = loaded(f"bedrock:{arn}")
    assert reranker.model_arn == arn
    assert reranker.client.meta.region_name == "us-west-2"


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_either_name_of_the_region_will_do(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    forget_aws(monkeypatch)
    monkeypatch.setenv(variable, "us-west-2")
    assert loaded(NAME).model_arn == f"arn:aws:bedrock:us-west-2::foundation-model/{MODEL}"


def test_none_is_no_reranker() -> None:
    assert load_reranker("none") is None


@pytest.mark.parametrize(
    "name", ["", "cohere", "bedrock", "bedrock:", "cohere:rerank-v3.5", "local:reranker"]
)
def test_a_provider_that_nobody_knows_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"RERANK_MODEL .* write bedrock:"):
        load_reranker(name)


def test_a_missing_region_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_aws(monkeypatch)
    with pytest.raises(InvalidInputError, match="needs AWS_REGION"):
        load_reranker(NAME)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_PROFILE", "nobody", "nobody"),
        ("AWS_ENDPOINT_URL", "nonsense", "nonsense"),
        ("AWS_REGION", "no such", "no such"),
    ],
)
def test_what_the_sdk_refuses_is_named(
    bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidInputError, match=f"RERANK_MODEL .*{said}"):
        load_reranker(NAME)
