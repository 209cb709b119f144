from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from rag.errors import InvalidInputError
from rag.models import registry
from rag.models.bedrock.rerank import BedrockReranker
from rag.models.options import ModelOptions
from rag.models.registry import Models
from rag.models.resilience.compressor import ResilientCompressor
from rag.models.resilience.settings import Resilience
from rag.models.traced import TracedCompressor
from rag.ports import RetrievedPassage
from rag.rerank import DEPTH, Reranked, rerank
from tests.standins.aws import REGION, forget_aws, use_bedrock
from tests.standins.bedrock.control import Bedrock, Call
from tests.standins.bedrock.faults import Fault
from tests.standins.bedrock.server import bedrock_standin
from tests.unit.rag.passages import make_passage

MODEL = "cohere.rerank-v3-5:0"
ARN = f"arn:aws:bedrock:{REGION}::foundation-model/{MODEL}"
NAME = f"bedrock:{MODEL}"
QUESTION = 'How many "vacation" days? — übertragen'
ONCE = ModelOptions(resilience=Resilience(attempts=1))


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bedrock]:
    with bedrock_standin() as server:
        server.rank = share_of_characters
        use_bedrock(monkeypatch, server.url)
        yield server
        assert server.violations == []


def share_of_characters(query: str, texts: Sequence[str]) -> list[float]:
    total = sum(map(len, texts))
    return [len(text) / total for text in texts]


def texts_of(call: Call) -> list[str]:
    return [source["inlineDocumentSource"]["textDocument"]["text"] for source in call.params["sources"]]


def configuration_of(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = call.params["rerankingConfiguration"]["bedrockRerankingConfiguration"]
    return found


def fused(count: int = 3) -> list[RetrievedPassage]:
    """Passages of growing length, so that the last one is the reranker's first."""
    return [
        RetrievedPassage(make_passage("x" * rank, number=rank), 1 / rank, rank, 1 / rank)
        for rank in range(1, count + 1)
    ]


async def reranked(passages: list[RetrievedPassage], *, top_k: int = 3) -> Reranked:
    return await rerank(Models(ONCE).reranker(NAME), QUESTION, passages, top_k=top_k)


async def test_the_call_carries_the_question_the_texts_and_the_model(bedrock: Bedrock) -> None:
    await reranked(fused())
    (call,) = bedrock.calls
    assert call.params["queries"] == [{"type": "TEXT", "textQuery": {"text": QUESTION}}]
    assert (call.operation, texts_of(call)) == ("Rerank", ["x", "xx", "xxx"])
    assert configuration_of(call)["modelConfiguration"]["modelArn"] == ARN
    assert configuration_of(call)["numberOfResults"] == 3
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
    assert len(texts_of(call)) == DEPTH == 50
    assert configuration_of(call)["numberOfResults"] == DEPTH
    assert [found.fused_rank for found in result.passages] == list(range(50, 42, -1))


ANSWERS = {
    "no JSON": b"<html>",
    "half a JSON": b'{"results": [{"index": 0, "relev',
    "no body": b"",
    "no results": b"{}",
    "empty results": b'{"results": []}',
    "no scores": b'{"results": [{"index": 0}]}',
    "no such passage": b'{"results": [{"index": 7, "relevanceScore": 0.5}]}',
    "other types": b'{"results": [{"index": "first", "relevanceScore": 0.5}]}',
}
FAILURES = {
    "overloaded": Fault("throttle"),
    "broken": Fault("server_error"),
    "away": Fault("unavailable"),
    "hung up": Fault("cut"),
    **{name: Fault("malformed", body=body) for name, body in ANSWERS.items()},
}


@pytest.mark.parametrize("fault", FAILURES.values(), ids=FAILURES)
async def test_a_failed_call_leaves_the_fused_order(bedrock: Bedrock, fault: Fault) -> None:
    bedrock.faults = [fault]
    result = await reranked(fused(), top_k=2)
    assert result == Reranked(fused()[:2], ["rerank"])
    assert len(bedrock.calls) == 1


async def test_a_model_without_access_leaves_the_fused_order(bedrock: Bedrock) -> None:
    bedrock.denied_models = {MODEL}
    assert await reranked(fused()) == Reranked(fused(), ["rerank"])
    assert len(bedrock.calls) == 1


async def test_a_call_that_hangs_is_given_up(bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "RERANK_TIMEOUT_S", 0.2)
    bedrock.faults = [Fault("stall", delay_s=30)]
    assert await reranked(fused()) == Reranked(fused(), ["rerank"])
    assert len(bedrock.calls) == 1


async def test_a_server_that_is_not_there_leaves_the_fused_order(
    bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME", "http://127.0.0.1:1")
    assert await reranked(fused()) == Reranked(fused(), ["rerank"])
    assert bedrock.calls == []


def loaded(name: str) -> BedrockReranker:
    traced = cast("TracedCompressor", Models().reranker(name))
    guarded = cast("ResilientCompressor", traced.inner)
    return cast("BedrockReranker", guarded.inner)


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
    assert Models().reranker("none") is None


@pytest.mark.parametrize(
    "name", ["", "cohere", "bedrock", "bedrock:", "cohere:rerank-v3.5", "local:reranker"]
)
def test_a_provider_that_nobody_knows_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"RERANK_MODEL .* write bedrock:"):
        Models().reranker(name)


def test_a_missing_region_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_aws(monkeypatch)
    with pytest.raises(InvalidInputError, match="needs AWS_REGION"):
        Models().reranker(NAME)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_PROFILE", "nobody", "nobody"),
        ("AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME", "nonsense", "nonsense"),
        ("AWS_REGION", "no such", "no such"),
    ],
)
def test_what_the_sdk_refuses_is_named(
    bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidInputError, match=f"RERANK_MODEL .*{said}"):
        Models().reranker(NAME)
