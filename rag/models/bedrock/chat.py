"""Bedrock's chat models: langchain-aws' Converse model, with calls that belong to the event loop."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

from langchain_aws import ChatBedrockConverse
from langchain_aws.chat_models.bedrock_converse import _parse_response, _parse_stream_event
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr

from rag.errors import BlockedError
from rag.models.bedrock.runtime import BedrockRuntime
from rag.models.usage import chat_use, record

INTERVENED = "guardrail_intervened"
CACHE_POINT = {"cachePoint": {"type": "default"}}


class BuiltRequestError(Exception):
    """Stops langchain-aws where it would call; carries what it would call with."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__("built")
        self.params = params


class RequestBuilder:
    """Stands in for a client, to be told what it would be called with."""

    def converse(self, **params: Any) -> None:
        raise BuiltRequestError(params)


class BedrockChat(ChatBedrockConverse):
    """A chat model on Bedrock. Each call notes its exact use (`rag.models.usage.record`).

    Attributes:
        runtime: Carries the calls that are made from a coroutine.
        configured_name: What its use is noted under.
        cache_prompt: Whether the system prompt is cached; it pays from about a thousand tokens on.
    """

    records_usage: ClassVar[bool] = True

    runtime: BedrockRuntime = Field(exclude=True)
    configured_name: str
    cache_prompt: bool = False
    _builder: ChatBedrockConverse | None = PrivateAttr(default=None)

    def request(
        self, messages: Sequence[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """What `Converse` and `ConverseStream` are called with."""
        if self._builder is None:
            self._builder = self.model_copy(update={"client": RequestBuilder()})
        try:
            ChatBedrockConverse._generate(self._builder, list(messages), stop, **kwargs)  # noqa: SLF001
        except BuiltRequestError as built:
            params = built.params
        if self.cache_prompt and params.get("system"):
            params["system"] = [*params["system"], CACHE_POINT]
        return params

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """Raises: BlockedError when the model's guardrail intervened."""
        response = await self.runtime.call("Converse", self.request(messages, stop, **kwargs))
        self._note_use(response)
        _refuse_blocked(response)
        message = _parse_response(response, inline_reasoning_tags=self._inline_reasoning_tags_for_model())
        message.response_metadata["model_name"] = self.base_model_id or self.model_id
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        """Chunks as they come; the callbacks are LangChain's own to call.

        Raises:
            BlockedError: The model's guardrail intervened.
            ConnectionError: The stream was cut off.
        """
        if self.disable_streaming is True:
            yield _whole(await self._agenerate(messages, stop, **kwargs))
            return
        end: dict[str, Any] | None = None
        async with self.runtime.converse_stream(self.request(messages, stop, **kwargs)) as events:
            async for event in events:
                end = event.get("messageStop", end)
                self._note_use(event.get("metadata", {}))
                message = _parse_stream_event(event)
                if isinstance(message, AIMessageChunk):
                    yield ChatGenerationChunk(message=message)
        if end is None:
            raise ConnectionError("Bedrock's stream ended without its last event")
        _refuse_blocked(end)

    def _note_use(self, answer: dict[str, Any]) -> None:
        if "usage" in answer:
            record(chat_use(self.configured_name, answer["usage"]))


def _refuse_blocked(answer: dict[str, Any]) -> None:
    if answer.get("stopReason") == INTERVENED:
        raise BlockedError("the model's guardrail refused the question or the answer")


def _whole(result: ChatResult) -> ChatGenerationChunk:
    message = result.generations[0].message
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content=message.content,
            usage_metadata=getattr(message, "usage_metadata", None),
            response_metadata=message.response_metadata,
        )
    )
