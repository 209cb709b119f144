import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    EventStreamError,
    ReadTimeoutError,
)
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import ReadTimeoutError as StreamTimeoutError

from rag.aws.clients import aws_client
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.faults import KINDS, Fault

MODEL = "amazon.nova-lite-v1:0"
PARAMS = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
Ask = Callable[[], Any]


@pytest.fixture
def bedrock(bedrock: Bedrock) -> Bedrock:
    bedrock.reply = "one two three four"
    return bedrock


@pytest.fixture
def converse(runtime: Any) -> Ask:
    return lambda: runtime.converse(**PARAMS)["output"]["message"]["content"][0]["text"]


@pytest.fixture
def stream(runtime: Any) -> Ask:
    def ask() -> str:
        with closing(runtime.converse_stream(**PARAMS)["stream"]) as events:
            deltas = (event.get("contentBlockDelta", {}).get("delta", {}) for event in events)
            return "".join(delta.get("text", "") for delta in deltas)

    return ask


ERRORS = {
    "throttle": (429, "ThrottlingException", "Too many requests"),
    "too_many_tokens": (429, "ThrottlingException", "Too many tokens, please wait before trying again."),
    "quota": (400, "ServiceQuotaExceededException", "quota"),
    "not_ready": (429, "ModelNotReadyException", "not ready"),
    "model_timeout": (408, "ModelTimeoutException", "too long"),
    "server_error": (500, "InternalServerException", "unexpected error"),
    "unavailable": (503, "ServiceUnavailableException", "unable to process"),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_is_raised_once_by_every_way_to_ask(
    bedrock: Bedrock, converse: Ask, stream: Ask, kind: str
) -> None:
    status, code, said = ERRORS[kind]
    for ask in (converse, stream):
        bedrock.faults.append(Fault(kind, retry_after_s=7))
        with pytest.raises(ClientError, match=said) as caught:
            ask()
        assert caught.value.response["Error"]["Code"] == code
        metadata = caught.value.response["ResponseMetadata"]
        assert (metadata["HTTPStatusCode"], metadata["HTTPHeaders"]["retry-after"]) == (status, "7")
        assert ask() == bedrock.reply
    assert len(bedrock.calls) == 4


OTHERS: dict[str, tuple[type[Exception], type[Exception]]] = {
    "cut": (ConnectionClosedError, ProtocolError),
    "stall": (ConnectionClosedError, ProtocolError),
    "down": (ConnectionClosedError, ConnectionClosedError),
    "stream_error": (ClientError, EventStreamError),
    "malformed": (KeyError, ChecksumMismatch),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_an_answer_that_breaks_off_is_raised_once(
    bedrock: Bedrock, converse: Ask, stream: Ask, kind: str
) -> None:
    for ask, error in zip((converse, stream), OTHERS[kind], strict=True):
        bedrock.faults.append(Fault(kind, delay_s=0.05))
        with pytest.raises(error):
            ask()
        assert ask() == bedrock.reply
    assert bedrock.abandoned == 0


def test_every_kind_is_tested() -> None:
    assert {*ERRORS, *OTHERS, "slow_first_token", "guardrail"} == KINDS


@pytest.mark.parametrize("kind", ["cut", "malformed", "stream_error"])
def test_a_stream_breaks_off_after_some_pieces(bedrock: Bedrock, runtime: Any, kind: str) -> None:
    bedrock.faults.append(Fault(kind, after=3))
    seen: list[str | None] = []
    with closing(runtime.converse_stream(**PARAMS)["stream"]) as events:
        texts = (event.get("contentBlockDelta", {}).get("delta", {}).get("text") for event in events)
        with pytest.raises((ProtocolError, ChecksumMismatch, EventStreamError)):
            seen.extend(texts)
    assert seen == [None, "one", " two", " three"]


@pytest.mark.parametrize("error", ["throttlingException", "internalServerException", "validationException"])
def test_the_error_of_a_stream_is_named(bedrock: Bedrock, stream: Ask, error: str) -> None:
    bedrock.faults.append(Fault("stream_error", error=error))
    with pytest.raises(EventStreamError, match=error):
        stream()


def test_a_malformed_answer_can_be_chosen(bedrock: Bedrock, agent_runtime: Any) -> None:
    bedrock.faults.append(Fault("malformed", body=b"{}"))
    configuration = {
        "modelConfiguration": {
            "modelArn": "arn:aws:bedrock:eu-central-1::foundation-model/amazon.rerank-v1:0"
        }
    }
    source = {
        "type": "INLINE",
        "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": "a"}},
    }
    answer = agent_runtime.rerank(
        queries=[{"type": "TEXT", "textQuery": {"text": "a"}}],
        sources=[source],
        rerankingConfiguration={
            "type": "BEDROCK_RERANKING_MODEL",
            "bedrockRerankingConfiguration": configuration,
        },
    )
    assert "results" not in answer


def test_the_first_token_can_be_late(bedrock: Bedrock, converse: Ask, stream: Ask) -> None:
    for ask in (converse, stream):
        bedrock.faults.append(Fault("slow_first_token", delay_s=0.3))
        started = time.monotonic()
        assert ask() == bedrock.reply
        assert time.monotonic() - started >= 0.3


def test_silence_outlasts_a_client_that_waits_less(bedrock: Bedrock) -> None:
    client = aws_client("bedrock-runtime", needed_by="a test", read_timeout_s=0.2)
    bedrock.faults += [Fault("stall", delay_s=300, times=2)]
    started = time.monotonic()
    with pytest.raises(ReadTimeoutError):
        client.converse(**PARAMS)
    with pytest.raises(StreamTimeoutError):
        list(client.converse_stream(**PARAMS)["stream"])
    assert time.monotonic() - started < 60
    client.close()


def test_a_guardrail_steps_in_without_a_word_to_blame(bedrock: Bedrock, runtime: Any, converse: Ask) -> None:
    bedrock.faults += [Fault("guardrail"), Fault("guardrail")]
    assert converse() == bedrock.blocked_message
    answer = runtime.apply_guardrail(
        guardrailIdentifier="g1", guardrailVersion="1", source="INPUT", content=[{"text": {"text": "a"}}]
    )
    assert answer["action"] == "GUARDRAIL_INTERVENED"


def test_faults_choose_their_calls(bedrock: Bedrock, converse: Ask, stream: Ask) -> None:
    bedrock.faults += [
        Fault("quota", operations=("ConverseStream",), times=2),
        Fault("throttle", models=("claude",), times=None),
    ]
    assert converse() == bedrock.reply
    for _ in range(2):
        with pytest.raises(ClientError, match="ServiceQuotaExceeded"):
            stream()
    assert stream() == bedrock.reply
    assert [fault.kind for fault in bedrock.faults] == ["throttle"]


def test_chance_is_the_same_for_the_same_seed(bedrock: Bedrock, converse: Ask) -> None:
    def outcomes(seed: int) -> list[str]:
        bedrock.reset()
        bedrock.script({"reply": "Hi.", "seed": seed, "fault_rates": {"throttle": 0.3, "server_error": 0.3}})
        return [outcome() for _ in range(60)]

    def outcome() -> str:
        try:
            converse()
        except ClientError as exc:
            return str(exc.response["Error"]["Code"])
        return "answered"

    first = outcomes(1)
    assert first == outcomes(1) != outcomes(2)
    counted = Counter(first)
    assert set(counted) == {"answered", "ThrottlingException", "InternalServerException"}
    assert min(counted.values()) > 8


def test_an_outage_ends_what_runs_and_refuses_the_rest(bedrock: Bedrock, runtime: Any, converse: Ask) -> None:
    bedrock.reply, bedrock.token_delay_s = " word" * 1000, 0.02
    events = iter(runtime.converse_stream(**PARAMS)["stream"])
    next(events)
    bedrock.down = True
    with pytest.raises(ProtocolError):
        list(events)
    for _ in range(2):
        with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
            converse()
    assert bedrock.refused >= 2
    bedrock.down, bedrock.reply = False, "back"
    assert converse() == "back"


def test_a_fault_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="'flood' is none of"):
        Fault("flood")
