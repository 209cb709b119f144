import asyncio
from contextlib import aclosing
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import LLMResult
from langchain_core.runnables import RunnableBinding
from pydantic import BaseModel

from rag.errors import ModelError
from rag.models.resilience.chat import ResilientChatModel
from rag.models.resilience.guard import ModelGuard
from tests.unit.rag.models.resilience.inner import DOWN, QUICK, USAGE, ScriptedChat, WholeChat


class Listener(AsyncCallbackHandler):
    """Counts what LangChain reports."""

    def __init__(self) -> None:
        self.started = 0
        self.tokens: list[str] = []
        self.ended: list[LLMResult] = []
        self.errors = 0

    async def on_chat_model_start(
        self, serialized: Any, messages: Any, *, run_id: UUID, **kwargs: Any
    ) -> None:
        self.started += 1

    async def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.tokens.append(token)

    async def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self.ended.append(response)

    async def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.errors += 1


def wrapped(inner: BaseChatModel) -> ResilientChatModel:
    return ResilientChatModel(inner=inner, guard=ModelGuard("m", QUICK))


async def test_an_answer_comes_in_spite_of_failures() -> None:
    inner = ScriptedChat(scripts=[[DOWN], ["two ", DOWN], ["two ", "words"]])
    listener = Listener()
    answer = await wrapped(inner).ainvoke("question", config={"callbacks": [listener]})
    assert (answer.text, answer.usage_metadata) == ("two words", USAGE)
    assert inner.calls == 3
    assert (listener.started, len(listener.ended), listener.errors) == (1, 1, 0)


async def test_a_stream_comes_in_spite_of_failures_and_is_reported_once() -> None:
    inner = ScriptedChat(scripts=[["", DOWN], ["two ", "words"]])
    listener = Listener()
    stream = wrapped(inner).astream("question", config={"callbacks": [listener]})
    chunks = [chunk async for chunk in stream]
    assert [chunk.text for chunk in chunks] == ["two ", "words", ""]
    whole = sum(chunks[1:], chunks[0])
    assert whole.usage_metadata == USAGE
    assert listener.tokens == ["two ", "words", ""]
    assert (listener.started, len(listener.ended), listener.errors) == (1, 1, 0)
    message = listener.ended[0].generations[0][0].message  # type: ignore[union-attr]
    assert isinstance(message, AIMessage)
    assert message.usage_metadata == USAGE
    assert (inner.opened, inner.closed) == (2, 2)


async def test_after_the_first_text_a_failure_is_raised() -> None:
    inner = ScriptedChat(scripts=[["two ", DOWN]])
    stream = wrapped(inner).astream("question")
    assert (await anext(stream)).text == "two "
    with pytest.raises(ModelError, match="the model m failed"):
        await anext(stream)
    assert inner.calls == 1


async def test_whoever_stops_reading_stops_the_model() -> None:
    inner = ScriptedChat(scripts=[["two ", 60.0]])
    model = wrapped(inner)
    stream = model.astream("question")
    await anext(stream)
    assert model.guard.limit.running == 1
    await stream.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(0.01)  # LangChain leaves its inner generator to the event loop
    assert (inner.closed, model.guard.limit.running) == (1, 0)


async def test_closing_it_closes_the_models_stream_at_once() -> None:
    inner = ScriptedChat(scripts=[["two ", 60.0]])
    async with aclosing(wrapped(inner)._astream([HumanMessage("question")])) as stream:  # type: ignore[type-var]
        await anext(stream)
    assert inner.closed == 1


async def test_whoever_is_cancelled_stops_the_model() -> None:
    inner = ScriptedChat(scripts=[["two ", 60.0]])
    model = wrapped(inner)

    async def read() -> None:
        async for _ in model.astream("question"):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (inner.closed, model.guard.limit.running) == (1, 0)


async def test_a_tool_call_begins_an_answer() -> None:
    class CallingChat(ScriptedChat):
        async def _astream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Any:
            async for chunk in super()._astream(messages, *args, **kwargs):
                call = {"name": "look", "args": "", "id": "1", "index": 0, "type": "tool_call_chunk"}
                chunk.message = AIMessageChunk(content="", tool_call_chunks=[call])
                yield chunk

    inner = CallingChat(scripts=[["x", DOWN]])
    with pytest.raises(ModelError):
        _ = [chunk async for chunk in wrapped(inner).astream("question")]
    assert inner.calls == 1


async def test_a_model_that_cannot_stream_answers_as_a_whole() -> None:
    inner = WholeChat()
    model = wrapped(inner)
    assert [chunk.text async for chunk in model.astream("question")] == ["all of it"]
    assert inner.calls == 1
    assert model.guard.stats.calls == 1


def test_without_an_event_loop_the_model_is_called_as_it_is() -> None:
    inner = ScriptedChat(scripts=[["two ", "words"]])
    assert wrapped(inner).invoke("question").text == "two words"


def test_it_is_known_by_what_it_wraps() -> None:
    inner = ScriptedChat(scripts=[])
    model = wrapped(inner)
    assert model._llm_type == "scripted"
    assert model._identifying_params == {"model": "scripted-1"}
    assert model._get_ls_params() == inner._get_ls_params()


def look(word: str) -> str:
    """Look it up."""
    return word


class Answer(BaseModel):
    """An answer."""

    text: str


async def test_tools_are_bound_and_the_guard_stays() -> None:
    inner = ScriptedChat(scripts=[[DOWN], ["fine"]])
    model = wrapped(inner)
    bound = model.bind_tools([look])
    assert isinstance(bound, RunnableBinding)
    assert (await bound.ainvoke("question")).text == "fine"
    assert [kwargs["tools"] for kwargs in inner.seen] == [["look"], ["look"]]
    assert model.guard.stats.retries == 1


@pytest.mark.parametrize("include_raw", [False, True])
async def test_structured_output_keeps_the_guard(*, include_raw: bool) -> None:
    class Answering(ScriptedChat):
        async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Any:
            result = await super()._agenerate(messages, *args, **kwargs)
            call = {"name": "Answer", "args": {"text": "fine"}, "id": "1"}
            result.generations[0].message = AIMessage("", tool_calls=[call])
            return result

        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self.bind(tools=[each.__name__ for each in tools])

    model = wrapped(Answering(scripts=[[DOWN], [""]]))
    found = await model.with_structured_output(Answer, include_raw=include_raw).ainvoke("question")
    parsed = found["parsed"] if isinstance(found, dict) else found
    assert parsed == Answer(text="fine")
    assert model.guard.stats.retries == 1
