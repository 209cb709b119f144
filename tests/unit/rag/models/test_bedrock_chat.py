import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any, cast

import httpx
import pytest
from botocore.exceptions import ClientError, EventStreamError
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage
from pydantic import BaseModel

from rag.errors import BlockedError, InvalidInputError
from rag.models.bedrock.chat import BedrockChat
from rag.models.catalog import Operation
from rag.models.options import GuardrailOptions, ModelOptions
from rag.models.registry import Models
from rag.models.resilience.chat import ResilientChatModel
from rag.models.resilience.guard import Resilience
from rag.models.usage import ModelUse, metering
from tests.standins.aws import REGION, forget_aws, use_bedrock
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.faults import Fault
from tests.standins.bedrock.server import bedrock_standin

CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
QUESTION = [SystemMessage("Answer briefly."), HumanMessage("What is the notice period?")]
ANSWER = "The notice period is four weeks. [1] It begins at the end of a month. [2]"


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bedrock]:
    with bedrock_standin() as server:
        use_bedrock(monkeypatch, server.url)
        server.reply = ANSWER
        yield server
        assert server.violations == []


@pytest.fixture
async def models(bedrock: Bedrock) -> AsyncIterator[Models]:
    opened = Models(ModelOptions(resilience=Resilience(attempt_timeout_s=2)))
    yield opened
    await opened.close()


def bare(models: Models, name: str = CLAUDE) -> BedrockChat:
    """The model without the wrapper that repeats calls."""
    (chat,) = models.chat_models(f"bedrock:{name}")
    return cast("BedrockChat", cast("ResilientChatModel", chat.model).inner)


async def streamed(model: BedrockChat) -> list[AIMessageChunk]:
    return [chunk async for chunk in model.astream(QUESTION)]


def text_of(chunks: list[AIMessageChunk]) -> str:
    return "".join(str(chunk.text) for chunk in chunks)


async def test_an_answer_comes_whole_and_as_a_stream(bedrock: Bedrock, models: Models) -> None:
    model = bare(models)
    whole = await model.ainvoke(QUESTION)
    chunks = await streamed(model)
    assert str(whole.text) == text_of(chunks) == ANSWER
    assert len([chunk for chunk in chunks if chunk.text]) > 10
    assert [call.operation for call in bedrock.calls] == ["Converse", "ConverseStream"]
    for call in bedrock.calls:
        assert call.model_id == CLAUDE
        assert call.region == REGION
        assert call.params["system"] == [{"text": "Answer briefly."}]
        assert call.params["messages"] == [
            {"role": "user", "content": [{"text": "What is the notice period?"}]}
        ]
        assert call.params["inferenceConfig"] == {"maxTokens": 1024, "temperature": 0.0}


async def test_the_blocking_methods_say_the_same(models: Models) -> None:
    model = bare(models)
    assert str((await asyncio.to_thread(model.invoke, QUESTION)).text) == ANSWER


@pytest.mark.parametrize("stream", [False, True])
async def test_tokens_are_told_apart_and_counted_once(bedrock: Bedrock, stream: bool) -> None:
    models = Models(ModelOptions(cache_prompt=True))
    model = bare(models)
    name = f"bedrock:{CLAUDE}"
    with metering() as meter:
        for _ in range(2):
            await (streamed(model) if stream else model.ainvoke(QUESTION))
    (use,) = meter.uses
    usage = [await asyncio.to_thread(model.client.converse, **model.request(QUESTION)) for _ in range(1)]
    cached = usage[0]["usage"]["cacheReadInputTokens"]
    asked, said = usage[0]["usage"]["inputTokens"], usage[0]["usage"]["outputTokens"]
    assert cached > 0
    assert use == ModelUse(
        name,
        Operation.CHAT,
        calls=2,
        input_tokens=2 * asked,
        output_tokens=2 * said,
        cache_read_tokens=cached,  # by the second
        cache_write_tokens=cached,  # by the first
    )
    assert bedrock.calls[0].params["system"][-1] == {"cachePoint": {"type": "default"}}
    await models.close()


async def test_a_tool_is_called_and_a_structure_filled(bedrock: Bedrock, models: Models) -> None:
    class Period(BaseModel):
        """How long."""

        weeks: int

    bedrock.tool_input = {"weeks": 4}
    model = bare(models)
    called = await model.bind_tools([Period], tool_choice="any").ainvoke(QUESTION)
    assert [(call["name"], call["args"]) for call in called.tool_calls] == [("Period", {"weeks": 4})]
    assert await model.with_structured_output(Period).ainvoke(QUESTION) == Period(weeks=4)
    assert await models.chat_models(f"bedrock:{CLAUDE}")[0].model.with_structured_output(Period).ainvoke(
        QUESTION
    ) == Period(weeks=4)


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (NOVA, NOVA),
        (
            f"arn:aws:bedrock:us-west-2::foundation-model/{NOVA}",
            f"arn:aws:bedrock:us-west-2::foundation-model/{NOVA}",
        ),
        (
            f"arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.{NOVA}",
            f"arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.{NOVA}",
        ),
    ],
)
async def test_ids_profiles_and_arns_name_a_model(
    bedrock: Bedrock, models: Models, name: str, sent: str
) -> None:
    assert text_of(await streamed(bare(models, name))) == ANSWER
    (call,) = bedrock.calls
    assert call.model_id == sent
    assert call.region == ("us-west-2" if "us-west-2" in name else REGION)


async def test_an_applications_own_profile_is_looked_up_and_priced(bedrock: Bedrock, models: Models) -> None:
    arn = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc123"
    bedrock.application_profiles[arn] = NOVA
    model = bare(models, arn)
    with metering() as meter:
        assert str((await model.ainvoke(QUESTION)).text) == ANSWER
    assert [use.model for use in meter.uses] == [f"bedrock:{NOVA}"]
    assert bedrock.called("Converse")[0].model_id == arn


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("throttle", "ThrottlingException"),
        ("server_error", "InternalServerException"),
        ("unavailable", "ServiceUnavailableException"),
        ("not_ready", "ModelNotReadyException"),
        ("model_timeout", "ModelTimeoutException"),
    ],
)
async def test_an_error_is_botocores_own_and_the_call_is_made_once(
    bedrock: Bedrock, models: Models, kind: str, code: str, stream: bool
) -> None:
    bedrock.faults = [Fault(kind)]
    model = bare(models)
    with pytest.raises(ClientError, match=code) as raised:
        await (streamed(model) if stream else model.ainvoke(QUESTION))
    assert type(raised.value).__name__ == code
    assert len(bedrock.calls) == 1


async def test_an_error_in_the_middle_of_a_stream_is_raised(bedrock: Bedrock, models: Models) -> None:
    bedrock.faults = [Fault("stream_error", after=3)]
    began: list[str] = []

    async def read() -> None:
        async for chunk in bare(models).astream(QUESTION):
            began.append(str(chunk.text))  # noqa: PERF401 - what came before the error counts

    with pytest.raises(EventStreamError, match="modelStreamErrorException"):
        await read()
    assert "".join(began)
    assert ANSWER.startswith("".join(began))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("cut", after=3), (httpx.HTTPError, ConnectionError)),
        (Fault("malformed", after=2), Exception),
        (Fault("stall", after=2, delay_s=300), httpx.ReadTimeout),
    ],
)
async def test_a_stream_that_breaks_off_is_no_answer(
    bedrock: Bedrock, models: Models, fault: Fault, error: type[Exception]
) -> None:
    bedrock.faults = [fault]
    began = time.monotonic()
    with pytest.raises(error):
        await streamed(bare(models))
    assert time.monotonic() - began < 60


async def test_a_reader_who_goes_ends_the_models_work(bedrock: Bedrock, models: Models) -> None:
    bedrock.token_delay_s = 0.05
    async with aclosing(cast("Any", bare(models).astream(QUESTION))) as chunks:
        async for chunk in chunks:
            if chunk.text:
                break
    del chunks
    gc.collect()
    async with asyncio.timeout(60):
        while bedrock.abandoned == 0:  # noqa: ASYNC110 - it happens in another thread
            await asyncio.sleep(0.01)
    assert bedrock.abandoned == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_an_inline_guardrail_that_intervenes_blocks(bedrock: Bedrock, stream: bool) -> None:
    models = Models(ModelOptions(guardrail=GuardrailOptions("gr-1", "3", inline=True)))
    bedrock.blocked_words = ["notice"]
    model = bare(models)
    with pytest.raises(BlockedError, match="guardrail"):
        await (streamed(model) if stream else model.ainvoke(QUESTION))
    sent = bedrock.calls[0].params["guardrailConfig"]
    assert (sent["guardrailIdentifier"], sent["guardrailVersion"]) == ("gr-1", "3")
    bedrock.blocked_words = []
    assert str((await model.ainvoke(QUESTION)).text) == ANSWER
    assert models.guardrail() is None  # nothing is asked twice
    await models.close()


async def test_many_streams_share_one_loop(bedrock: Bedrock, models: Models) -> None:
    bedrock.token_delay_s = 0.01
    model = bare(models)
    began = time.monotonic()
    answers = await asyncio.gather(*(streamed(model) for _ in range(60)))
    assert {text_of(chunks) for chunks in answers} == {ANSWER}
    assert time.monotonic() - began < 10  # one after the other they would take longer


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nonsense", "not the id of a Bedrock model"),
        ("arn:aws:s3:::bucket", "not the id of a Bedrock model"),
    ],
)
async def test_a_name_that_cannot_be_a_model_is_refused(models: Models, name: str, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        models.chat_models(f"bedrock:{name}")


async def test_a_missing_region_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_aws(monkeypatch)
    with pytest.raises(InvalidInputError, match=r"CHAT_MODEL 'bedrock:.* needs AWS_REGION"):
        Models().chat_models(f"bedrock:{NOVA}")
