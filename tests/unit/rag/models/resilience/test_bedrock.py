"""What LangChain's own Bedrock model raises against a server that speaks Bedrock's protocol."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from langchain_aws import ChatBedrockConverse

from rag.aws.clients import aws_client
from rag.errors import ModelError, ThrottledError
from rag.models.resilience.chat import ResilientChatModel
from rag.models.resilience.faults import FaultKind, classify
from rag.models.resilience.guard import ModelGuard
from tests.standins.aws import use_bedrock
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.faults import Fault
from tests.standins.bedrock.server import bedrock_standin
from tests.unit.rag.models.resilience.inner import QUICK

MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
WORDS = "The answer has several words."
# Not so quick that a slow machine takes an answer for a silent one.
SETTINGS = replace(QUICK, attempt_timeout_s=5.0, first_token_timeout_s=5.0, idle_timeout_s=5.0)


@pytest.fixture(scope="module")
def server() -> Iterator[Bedrock]:
    with bedrock_standin() as bedrock:
        yield bedrock


@pytest.fixture(scope="module")
def client(server: Bedrock) -> Iterator[Any]:
    """Made once: that takes longer than a test."""
    with pytest.MonkeyPatch.context() as environment:
        use_bedrock(environment, server.url)
        yield made()


@pytest.fixture
def bedrock(server: Bedrock) -> Bedrock:
    server.reset()
    server.reply = WORDS
    return server


def made(*, read_timeout_s: float = 5.0) -> Any:
    return aws_client("bedrock-runtime", needed_by="a test", read_timeout_s=read_timeout_s)


def converse(client: Any, model: str = MODEL) -> ChatBedrockConverse:
    return ChatBedrockConverse(client=client, bedrock_client=client, model_id=model, provider="anthropic")


def guarded(model: ChatBedrockConverse) -> ResilientChatModel:
    return ResilientChatModel(inner=model, guard=ModelGuard("bedrock:x", SETTINGS))


async def read(model: ChatBedrockConverse | ResilientChatModel) -> str:
    return "".join([str(chunk.text) async for chunk in model.astream("question")])


async def raised(model: ChatBedrockConverse, *, streaming: bool) -> FaultKind:
    with pytest.raises(Exception) as error:  # noqa: PT011 - which one is what is looked at
        await (read(model) if streaming else model.ainvoke("question"))
    return classify(error.value).kind


REFUSED = {
    "throttle": FaultKind.THROTTLED,
    "too_many_tokens": FaultKind.TOKENS_THROTTLED,
    "quota": FaultKind.QUOTA,
    "not_ready": FaultKind.NOT_READY,
    "model_timeout": FaultKind.TIMEOUT,
    "server_error": FaultKind.UNAVAILABLE,
    "unavailable": FaultKind.UNAVAILABLE,
    "malformed": FaultKind.MALFORMED,
}


@pytest.mark.parametrize(("fault", "kind"), REFUSED.items())
@pytest.mark.parametrize("streaming", [False, True])
async def test_refusals_are_known(
    bedrock: Bedrock, client: Any, fault: str, kind: FaultKind, *, streaming: bool
) -> None:
    bedrock.faults = [Fault(fault)]
    assert await raised(converse(client), streaming=streaming) is kind


UNREADABLE = [b"", b"{}", b"null", b"[]", b'{"output": {}}', b'{"output": {"message": 5}}']


@pytest.mark.parametrize("body", UNREADABLE)
async def test_an_answer_that_cannot_be_read_is_known(bedrock: Bedrock, client: Any, body: bytes) -> None:
    bedrock.faults = [Fault("malformed", body=body)]
    assert await raised(converse(client), streaming=False) is FaultKind.MALFORMED


CUT_SHORT = [
    (Fault("cut"), FaultKind.CONNECTION),
    (Fault("stream_error", error="throttlingException"), FaultKind.THROTTLED),
    (Fault("stream_error", error="internalServerException"), FaultKind.UNAVAILABLE),
    (Fault("stream_error", error="modelStreamErrorException"), FaultKind.UNAVAILABLE),
    (Fault("stream_error", error="serviceUnavailableException"), FaultKind.UNAVAILABLE),
    (Fault("stream_error", error="validationException"), FaultKind.INVALID),
]


@pytest.mark.parametrize(("fault", "kind"), CUT_SHORT, ids=lambda each: getattr(each, "error", None))
async def test_streams_cut_short_are_known(
    bedrock: Bedrock, client: Any, fault: Fault, kind: FaultKind
) -> None:
    bedrock.faults = [fault]
    assert await raised(converse(client), streaming=True) is kind


@pytest.mark.parametrize("streaming", [False, True])
async def test_what_an_operator_must_mend_is_known(bedrock: Bedrock, client: Any, *, streaming: bool) -> None:
    assert (
        await raised(converse(client, "anthropic.no-such-model"), streaming=streaming)
        is FaultKind.UNKNOWN_MODEL
    )
    bedrock.denied_models = {MODEL}
    assert await raised(converse(client), streaming=streaming) is FaultKind.DENIED
    bedrock.credentials_expired = True
    assert await raised(converse(client), streaming=streaming) is FaultKind.CREDENTIALS


async def test_missing_credentials_are_known(bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch) -> None:
    use_bedrock(monkeypatch, bedrock.url)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert await raised(converse(made()), streaming=False) is FaultKind.CREDENTIALS


async def test_a_server_that_is_away_or_silent_is_known(
    bedrock: Bedrock, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_bedrock(monkeypatch, bedrock.url)
    bedrock.faults = [Fault("stall", delay_s=1.0)]
    assert await raised(converse(made(read_timeout_s=0.1)), streaming=True) is FaultKind.TIMEOUT
    bedrock.down = True
    assert await raised(converse(client), streaming=False) is FaultKind.CONNECTION
    assert await raised(converse(client), streaming=True) is FaultKind.CONNECTION


async def test_when_to_come_again_arrives(bedrock: Bedrock, client: Any) -> None:
    bedrock.faults = [Fault("throttle", retry_after_s=30)]
    with pytest.raises(ThrottledError) as error:
        await read(guarded(converse(client)))
    assert error.value.retry_after_s == 30
    assert len(bedrock.calls) == 1


@pytest.mark.parametrize("fault", ["throttle", "server_error", "malformed"])
async def test_an_answer_comes_in_spite_of_two_faults(bedrock: Bedrock, client: Any, fault: str) -> None:
    bedrock.faults = [Fault(fault, times=2, after=0)]
    model = guarded(converse(client))
    assert await read(model) == WORDS
    assert len(bedrock.called("ConverseStream")) == 3  # nobody else repeats calls
    bedrock.faults = [Fault(fault, times=2, after=0)]
    assert (await model.ainvoke("question")).text == WORDS
    assert len(bedrock.called("Converse")) == 3


async def test_a_stream_that_breaks_off_after_its_first_word_is_not_repeated(
    bedrock: Bedrock, client: Any
) -> None:
    bedrock.faults = [Fault("cut", after=1)]
    with pytest.raises(ModelError, match="connection was cut"):
        await read(guarded(converse(client)))
    assert len(bedrock.calls) == 1


async def test_one_that_breaks_off_before_is(bedrock: Bedrock, client: Any) -> None:
    bedrock.faults = [Fault("cut", after=0)]
    assert await read(guarded(converse(client))) == WORDS
    assert len(bedrock.calls) == 2
