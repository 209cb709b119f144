import asyncio
import math
from collections.abc import AsyncIterator, Iterator

import pytest

from rag.errors import InvalidInputError, ModelError, OverloadedError
from rag.models.catalog import Operation
from rag.models.options import ModelOptions
from rag.models.registry import Models
from rag.models.resilience.guard import Resilience
from rag.models.usage import ModelUse, metering
from tests.standins.aws import use_bedrock
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.faults import Fault
from tests.standins.bedrock.server import bedrock_standin

TITAN = "bedrock:amazon.titan-embed-text-v2:0"
COHERE = "bedrock:cohere.embed-multilingual-v3"
COHERE_4 = "bedrock:eu.cohere.embed-v4:0"


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bedrock]:
    with bedrock_standin() as server:
        use_bedrock(monkeypatch, server.url)
        yield server
        assert server.violations == []


@pytest.fixture
async def models(bedrock: Bedrock) -> AsyncIterator[Models]:
    opened = Models(ModelOptions(resilience=Resilience(backoff_base_s=0.01), embedding_calls=4))
    yield opened
    await opened.close()


async def test_titan_takes_one_text_a_call_and_says_what_it_read(bedrock: Bedrock, models: Models) -> None:
    model = models.embedding_model(TITAN)
    texts = [f"text number {n}" for n in range(10)]
    with metering() as meter:
        vectors = await model.embeddings.aembed_documents(texts)
    assert sorted(call.body["inputText"] for call in bedrock.calls) == sorted(texts)
    assert [len(vector) for vector in vectors] == [model.dimensions] * 10 == [1024] * 10
    assert vectors == await asyncio.gather(*(model.embeddings.aembed_query(text) for text in texts))
    assert meter.uses == [ModelUse(TITAN, Operation.EMBED, calls=10, input_tokens=30, units=10)]
    assert (model.chunk_tokens, model.name) == (512, TITAN)


async def test_dimensions_are_a_part_of_the_name(bedrock: Bedrock, models: Models) -> None:
    model = models.embedding_model(f"{TITAN}?dimensions=256")
    assert model.name == f"{TITAN}?dimensions=256"
    assert model.dimensions == len(await model.embeddings.aembed_query("a question")) == 256
    assert bedrock.calls[0].body["dimensions"] == 256
    assert bedrock.calls[0].model_id == "amazon.titan-embed-text-v2:0"


@pytest.mark.parametrize("asked", ["0", "300", "99999"])
async def test_dimensions_that_the_model_has_not_are_refused(models: Models, asked: str) -> None:
    with pytest.raises(InvalidInputError, match="EMBEDDING_MODEL"):
        models.embedding_model(f"{TITAN}?dimensions={asked}")


async def test_cohere_takes_96_texts_and_tells_questions_from_documents(
    bedrock: Bedrock, models: Models
) -> None:
    model = models.embedding_model(COHERE)
    vectors = await model.embeddings.aembed_documents([f"text {n}" for n in range(200)])
    assert len(vectors) == 200
    assert sorted(len(call.body["texts"]) for call in bedrock.calls) == [8, 96, 96]
    assert {call.body["input_type"] for call in bedrock.calls} == {"search_document"}
    await model.embeddings.aembed_query("a question")
    assert bedrock.calls[-1].body["input_type"] == "search_query"


async def test_cohere_4_is_asked_for_its_dimensions(bedrock: Bedrock, models: Models) -> None:
    model = models.embedding_model(f"{COHERE_4}?dimensions=512")
    (vector,) = await model.embeddings.aembed_documents(["a text"])
    assert len(vector) == model.dimensions == 512
    assert bedrock.calls[0].body["output_dimension"] == 512


async def test_a_question_longer_than_cohere_takes_is_embedded_in_pieces(
    bedrock: Bedrock, models: Models
) -> None:
    vector = await models.embedding_model(COHERE).embeddings.aembed_query("x" * 2500 + " y" * 700)
    assert sorted(len(call.body["texts"][0]) for call in bedrock.calls) == [1852, 2048]
    assert math.hypot(*vector) == pytest.approx(1)


def test_chunks_are_small_enough_for_coheres_characters(models: Models) -> None:
    # The chunker gives a chunk at most eight characters for each token of its target; headings come on top.
    assert models.embedding_model(COHERE).chunk_tokens * 8 + 200 <= 2048


async def test_only_the_text_that_failed_is_sent_again(bedrock: Bedrock, models: Models) -> None:
    bedrock.faults = [Fault("throttle", times=2)]
    vectors = await models.embedding_model(TITAN).embeddings.aembed_documents([f"t {n}" for n in range(8)])
    assert len(vectors) == 8
    assert len(bedrock.calls) == 8 + 2


async def test_a_model_that_refuses_is_asked_once(bedrock: Bedrock, models: Models) -> None:
    bedrock.denied_models = {"amazon.titan-embed-text-v2:0"}
    with pytest.raises(ModelError, match="access"):
        await models.embedding_model(TITAN).embeddings.aembed_query("a question")
    assert len(bedrock.calls) == 1


async def test_a_dead_model_is_left_alone(bedrock: Bedrock) -> None:
    models = Models(ModelOptions(resilience=Resilience(attempts=1, breaker_failures=3)))
    model = models.embedding_model(TITAN)
    bedrock.down = True
    for _ in range(3):
        with pytest.raises(ModelError):
            await model.embeddings.aembed_query("a question")
    refused = bedrock.refused
    with pytest.raises(OverloadedError):
        await model.embeddings.aembed_query("a question")
    assert bedrock.refused == refused


async def test_calls_at_a_time_are_bounded(bedrock: Bedrock, models: Models) -> None:
    bedrock.first_token_delay_s = 0.05
    loop = asyncio.get_running_loop()
    began = loop.time()
    await models.embedding_model(TITAN).embeddings.aembed_documents([f"t {n}" for n in range(16)])
    assert loop.time() - began > 0.05 * 16 / 4 * 0.9


def test_a_model_without_a_card_is_asked_for_its_dimensions(bedrock: Bedrock, models: Models) -> None:
    arn = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/embedder"
    bedrock.application_profiles[arn] = "amazon.titan-embed-text-v2:0"
    model = models.embedding_model(f"bedrock:{arn}")
    assert (model.dimensions, model.name) == (1024, f"bedrock:{arn}")
