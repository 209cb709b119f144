import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.request import Request, urlopen

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError

from rag.aws.clients import aws_client
from rag.prompt import render
from rag.prompts import SystemPrompt
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.models import CLAUDE
from tests.standins.bedrock.wire import problems
from tests.unit.rag.passages import make_passage

MODEL = f"eu.{CLAUDE}"
REPLY = "The heron sleeps [1]. Übrigens: 蒼鷺は眠る\n\n[2]"


def turn(*texts: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": [{"text": text} for text in texts]}


def text_of(events: Iterator[dict[str, Any]]) -> str:
    return "".join(event.get("contentBlockDelta", {}).get("delta", {}).get("text", "") for event in events)


def refusal(runtime: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        runtime.converse(modelId=MODEL, **params)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    return str(caught.value)


def test_an_answer_comes_with_its_usage(bedrock: Bedrock, runtime: Any) -> None:
    bedrock.reply = REPLY
    system = [{"text": "Be brief."}]
    answer = runtime.converse(modelId=MODEL, system=system, messages=[turn("Where is it?", "Tell me.")])
    assert answer["output"]["message"] == {"role": "assistant", "content": [{"text": REPLY}]}
    assert answer["stopReason"] == "end_turn"
    usage = answer["usage"]
    assert (usage["inputTokens"], usage["outputTokens"], usage["totalTokens"]) == (2 + 3 + 2, 7, 14)
    assert answer["metrics"]["latencyMs"] >= 0


def test_a_call_is_seen_as_boto3_was_called(bedrock: Bedrock, runtime: Any) -> None:
    bedrock.reply = REPLY
    image = {"format": "png", "source": {"bytes": b"\x89PNG"}}
    params = {
        "modelId": MODEL,
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
        "messages": [turn("a"), turn("b", role="assistant"), {"role": "user", "content": [{"image": image}]}],
        "inferenceConfig": {"maxTokens": 5, "temperature": 0.5, "stopSequences": ["x"]},
        "additionalModelRequestFields": {"top_k": 3, "deep": {"null": None}},
        "requestMetadata": {"tenant": "one"},
    }
    runtime.converse(**params)
    (call,) = bedrock.calls
    assert call.params == params
    assert (call.operation, call.model_id, call.region) == ("Converse", MODEL, "eu-central-1")
    assert "/eu-central-1/bedrock/aws4_request" in call.authorization
    assert bedrock.violations == []


def test_a_stream_gives_the_same_a_word_at_a_time(bedrock: Bedrock, runtime: Any) -> None:
    bedrock.reply = REPLY
    events = list(runtime.converse_stream(modelId=MODEL, messages=[turn("a")])["stream"])
    assert text_of(iter(events)) == REPLY
    kinds = [next(iter(event)) for event in events]
    deltas = ["contentBlockDelta"] * 7
    assert kinds == ["messageStart", *deltas, "contentBlockStop", "messageStop", "metadata"]
    assert events[-2]["messageStop"]["stopReason"] == "end_turn"
    assert events[-1]["metadata"]["usage"]["totalTokens"] == 1 + 7


def test_answers_and_events_have_only_what_aws_describes(bedrock: Bedrock, runtime: Any) -> None:
    """Read without botocore, which drops what it doesn't know."""
    bedrock.reply, bedrock.blocked_words = REPLY, ["heron"]
    guardrail = {"guardrailIdentifier": "g1", "guardrailVersion": "1", "trace": "enabled"}
    body = {"messages": [turn("a")], "guardrailConfig": guardrail}
    shape = runtime.meta.service_model.operation_model("ConverseStream").output_shape.members["stream"]
    for event in raw_events(bedrock, body):
        name = event.headers[":event-type"]
        payload = json.loads(event.payload)
        payload.pop("p")
        assert problems(shape.members[name], payload) == []
    answer = runtime.converse(modelId=MODEL, **body)
    del answer["ResponseMetadata"]
    assert problems(runtime.meta.service_model.operation_model("Converse").output_shape, answer) == []


def raw_events(bedrock: Bedrock, body: dict[str, Any]) -> Iterator[Any]:
    signed = "AWS4-HMAC-SHA256 Credential=A/20260101/eu-central-1/bedrock/aws4_request, Signature=x"
    url = f"{bedrock.url}/model/{MODEL}/converse-stream"
    with urlopen(Request(url, json.dumps(body).encode(), {"Authorization": signed})) as response:
        buffer = EventStreamBuffer()
        buffer.add_data(response.read())
    yield from buffer


def test_without_a_reply_the_sources_of_the_prompt_answer(bedrock: Bedrock, runtime: Any) -> None:
    passage = make_passage("Vacation days can be carried over: at most five of them.", number=1)
    system, human = render(
        "How many vacation days can be carried over?", [passage], SystemPrompt("test-1", "Answer.")
    )
    messages = [turn(str(human.content))]
    answer = runtime.converse(modelId=MODEL, system=[{"text": str(system.content)}], messages=messages)
    text = answer["output"]["message"]["content"][0]["text"]
    assert "at most five" in text
    assert text.endswith("[1]")


def test_a_reply_may_depend_on_the_request(bedrock: Bedrock, runtime: Any) -> None:
    bedrock.reply = lambda params: params["messages"][-1]["content"][0]["text"].upper()
    assert text_of(runtime.converse_stream(modelId=MODEL, messages=[turn("hello")])["stream"]) == "HELLO"


@pytest.mark.parametrize(
    ("config", "text", "reason"),
    [
        ({"maxTokens": 2}, "one two", "max_tokens"),
        ({"maxTokens": 4}, "one two three STOP", "end_turn"),
        ({"stopSequences": ["STOP", "nowhere"]}, "one two three ", "stop_sequence"),
    ],
)
def test_limits_end_an_answer(
    bedrock: Bedrock, runtime: Any, config: dict[str, Any], text: str, reason: str
) -> None:
    bedrock.reply = "one two three STOP"
    answer = runtime.converse(modelId=MODEL, messages=[turn("a")], inferenceConfig=config)
    assert answer["output"]["message"]["content"] == [{"text": text}]
    assert answer["stopReason"] == reason


TOOL = {"toolSpec": {"name": "judge", "inputSchema": {"json": {"type": "object"}}}}


@pytest.mark.parametrize("choice", [{"any": {}}, {"tool": {"name": "judge"}}])
def test_a_tool_that_must_be_called_is(bedrock: Bedrock, runtime: Any, choice: dict[str, Any]) -> None:
    bedrock.tool_input = {"score": 0.75, "why": "it is a long story that takes more than one event"}
    params = {
        "modelId": MODEL,
        "messages": [turn("a")],
        "toolConfig": {"tools": [TOOL], "toolChoice": choice},
    }
    answer = runtime.converse(**params)
    (block,) = answer["output"]["message"]["content"]
    assert (block["toolUse"]["name"], block["toolUse"]["input"]) == ("judge", bedrock.tool_input)
    assert answer["stopReason"] == "tool_use"
    events = list(runtime.converse_stream(**params)["stream"])
    assert events[1]["contentBlockStart"]["start"]["toolUse"]["name"] == "judge"
    parts = [event["contentBlockDelta"]["delta"]["toolUse"]["input"] for event in events[2:-3]]
    assert len(parts) > 1
    assert json.loads("".join(parts)) == bedrock.tool_input


def test_a_prefix_is_written_to_the_cache_once_and_then_read(bedrock: Bedrock, runtime: Any) -> None:
    bedrock.reply = "yes"
    point = {"cachePoint": {"type": "default"}}

    def usage(question: str, *, model: str = MODEL, system: str = "four words are here") -> list[int]:
        blocks = [{"text": system}, point]
        found = runtime.converse(modelId=model, system=blocks, messages=[turn(question)])["usage"]
        kinds = ("inputTokens", "cacheWriteInputTokens", "cacheReadInputTokens", "totalTokens")
        return [found[kind] for kind in kinds]

    assert usage("one two") == [2, 4, 0, 2 + 4 + 1]
    assert usage("three") == [1, 0, 4, 1 + 4 + 1]
    assert usage("three", system="four other words here") == [1, 4, 0, 6]
    assert usage("three", model="amazon.nova-lite-v1:0") == [1, 4, 0, 6], "each model has a cache of its own"


def test_a_conversation_that_grows_reads_what_it_wrote(bedrock: Bedrock, runtime: Any) -> None:
    bedrock.reply = "yes"
    point = {"cachePoint": {"type": "default"}}
    messages = [{"role": "user", "content": [{"text": "one two"}, point]}]
    first = runtime.converse(modelId=MODEL, messages=messages)["usage"]
    messages += [turn("three", role="assistant"), {"role": "user", "content": [{"text": "four"}, point]}]
    second = runtime.converse(modelId=MODEL, messages=messages)["usage"]
    assert (first["cacheWriteInputTokens"], first["cacheReadInputTokens"]) == (2, 0)
    assert (second["cacheWriteInputTokens"], second["cacheReadInputTokens"]) == (2, 2)


def test_tokens_are_counted_without_an_answer(bedrock: Bedrock, runtime: Any) -> None:
    asked = {"converse": {"system": [{"text": "Be brief."}], "messages": [turn("one two three")]}}
    model = "anthropic.claude-3-5-haiku-20241022-v1:0"
    assert runtime.count_tokens(modelId=model, input=asked)["inputTokens"] == 5


CONVERSATIONS = {
    "no message": ({"messages": []}, "must start with a user message"),
    "the assistant first": ({"messages": [turn("a", role="assistant")]}, "must start with a user message"),
    "two of a role": ({"messages": [turn("a"), turn("b")]}, "must alternate"),
    "blank": ({"messages": [turn("a", " \n")]}, "messages.0.content.1 is blank"),
    "a result without tools": (
        {"messages": [{"role": "user", "content": [{"toolResult": {"toolUseId": "x", "content": []}}]}]},
        "toolConfig field must be defined",
    ),
    "two sampling settings": (
        {"messages": [turn("a")], "inferenceConfig": {"temperature": 0.5, "topP": 0.5}},
        "cannot both be specified",
    ),
    "too many cache points": (
        {"messages": [turn("a")], "system": [{"text": "a"}, *[{"cachePoint": {"type": "default"}}] * 5]},
        "maximum of 4",
    ),
    "no such role": ({"messages": [turn("a", role="doctor")]}, "enum value set"),
    "no such cache": (
        {"messages": [turn("a")], "system": [{"cachePoint": {"type": "big"}}]},
        "system.1.member.cachePoint.type",
    ),
}


@pytest.mark.parametrize(("params", "said"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_a_conversation_that_aws_refuses_is_refused(
    bedrock: Bedrock, runtime: Any, params: dict[str, Any], said: str
) -> None:
    assert said in refusal(runtime, **params)
    (violation,) = bedrock.violations
    assert said in violation


def test_what_boto3_would_not_send_is_refused_too(bedrock: Bedrock) -> None:
    with pytest.raises(OSError, match="400"):
        list(raw_events(bedrock, {"messages": [turn("a")], "max_tokens": 5}))
    with pytest.raises(OSError, match="400"):
        list(raw_events(bedrock, {"messages": [{"role": "user", "content": "a"}]}))
    unknown, wrong_type = bedrock.violations
    assert 'Unknown parameter in input: "max_tokens"' in unknown
    assert "Invalid type for parameter messages[0].content" in wrong_type


def test_a_guardrail_stops_words_of_the_question_and_of_the_answer(bedrock: Bedrock, runtime: Any) -> None:
    bedrock.reply, bedrock.blocked_words = "It is the secret formula", ["Secret"]
    guardrail = {"guardrailIdentifier": "g1", "guardrailVersion": "1", "trace": "enabled"}

    def asked(question: str, **params: Any) -> dict[str, Any]:
        answer: dict[str, Any] = runtime.converse(modelId=MODEL, messages=[turn(question)], **params)
        return answer

    of_question = asked("tell me the secret", guardrailConfig=guardrail)
    assert of_question["stopReason"] == "guardrail_intervened"
    assert of_question["output"]["message"]["content"] == [{"text": bedrock.blocked_message}]
    assert of_question["usage"]["totalTokens"] == 0
    (word,) = of_question["trace"]["guardrail"]["inputAssessment"]["g1"]["wordPolicy"]["customWords"]
    assert (word["match"], word["action"]) == ("Secret", "BLOCKED")
    of_answer = asked("hello", guardrailConfig=guardrail)
    assert of_answer["stopReason"] == "guardrail_intervened"
    assert "outputAssessments" in of_answer["trace"]["guardrail"]
    assert asked("tell me the secret")["stopReason"] == "end_turn", "there is no guardrail without its name"
    bedrock.guardrail_detects_only = True
    assert asked("tell me the secret", guardrailConfig=guardrail)["stopReason"] == "end_turn"


def test_a_guardrail_reads_the_marked_text_where_some_is(bedrock: Bedrock, runtime: Any) -> None:
    bedrock.reply, bedrock.blocked_words = "yes", ["secret"]
    marked = {"guardContent": {"text": {"text": "hello"}}}
    guardrail = {"guardrailIdentifier": "g1", "guardrailVersion": "1"}
    messages = [{"role": "user", "content": [{"text": "a document with a secret"}, marked]}]
    answer = runtime.converse(modelId=MODEL, messages=messages, guardrailConfig=guardrail)
    assert answer["stopReason"] == "end_turn"


def test_streams_keep_their_pace_beside_each_other(bedrock: Bedrock) -> None:
    """Fifty streams of ten tokens, 20 a second each: half a second and a bit, not fifty times that."""
    bedrock.reply, bedrock.token_delay_s, bedrock.first_token_delay_s = " word" * 10, 0.05, 0.05
    client = aws_client("bedrock-runtime", needed_by="a test", connections=50)

    def ask(_number: int) -> str:
        return text_of(client.converse_stream(modelId=MODEL, messages=[turn("a")])["stream"])

    started = time.monotonic()
    with ThreadPoolExecutor(50) as threads:
        assert set(threads.map(ask, range(50))) == {" word" * 10}
    client.close()
    assert 0.5 <= time.monotonic() - started < 20
    assert bedrock.abandoned == 0
    assert sum(thread.name == "bedrock-standin" for thread in threading.enumerate()) == 1


def test_a_caller_who_hangs_up_is_noticed(bedrock: Bedrock, runtime: Any) -> None:
    bedrock.reply, bedrock.token_delay_s = " word" * 1000, 0.05
    stream = runtime.converse_stream(modelId=MODEL, messages=[turn("a")])["stream"]
    next(iter(stream))
    stream.close()
    for _ in range(100):
        if bedrock.abandoned:
            break
        time.sleep(0.02)
    assert bedrock.abandoned == 1
