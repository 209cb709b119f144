from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableBinding, RunnableParallel, RunnableSequence
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from rag.models.resilience.guard import ModelGuard


class ResilientChatModel(BaseChatModel):
    """Another chat model behind a guard; only its asynchronous methods are guarded.

    LangChain's callbacks see one model, this one, and one run, however many attempts it takes: the other's
    inner methods are called without callbacks.

    Attributes:
        inner: The model itself.
        guard: Through which it is called.
    """

    inner: BaseChatModel
    guard: ModelGuard

    @property
    def _llm_type(self) -> str:
        return self.inner._llm_type  # noqa: SLF001 - what a subclass implements, and nobody else offers

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return self.inner._identifying_params  # noqa: SLF001

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return self.inner._get_ls_params(stop, **kwargs)  # noqa: SLF001

    def _resolve_model_profile(self) -> ModelProfile | None:
        return self.inner.profile

    def _streaming_disabled(self, **kwargs: Any) -> bool:
        """The one question on which LangChain's ways of streaming depend."""
        streams = self.inner._should_stream(async_api=True, **{**kwargs, "stream": True})  # noqa: SLF001
        return super()._streaming_disabled(**kwargs) or not streams

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self.inner._generate(messages, stop, **kwargs)  # noqa: SLF001

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """Raises: ModelError, ThrottledError or OverloadedError, as `ModelGuard.call`."""
        return await self.guard.call(lambda: self.inner._agenerate(messages, stop, **kwargs))  # noqa: SLF001

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        """Raises: ModelError, ThrottledError or OverloadedError, as `ModelGuard.stream`."""

        def start() -> AsyncIterator[ChatGenerationChunk]:
            return self.inner._astream(messages, stop, **kwargs)  # noqa: SLF001

        async with aclosing(self.guard.stream(start, begins=_begins)) as chunks:
            async for chunk in chunks:
                yield chunk

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self._guarded(self.inner.bind_tools(tools, tool_choice=tool_choice, **kwargs))

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        return self._guarded(self.inner.with_structured_output(schema, include_raw=include_raw, **kwargs))

    def _guarded(self, runnable: Runnable[Any, Any]) -> Runnable[Any, Any]:
        """What the inner model built around itself, around this one instead."""
        if isinstance(runnable, BaseChatModel):
            return self.model_copy(update={"inner": runnable})
        if isinstance(runnable, RunnableBinding):
            return runnable.model_copy(update={"bound": self._guarded(runnable.bound)})
        if isinstance(runnable, RunnableSequence):
            return RunnableSequence(*(self._guarded(step) for step in runnable.steps))
        if isinstance(runnable, RunnableParallel):
            return RunnableParallel({key: self._guarded(step) for key, step in runnable.steps__.items()})
        return runnable


def _begins(chunk: ChatGenerationChunk) -> bool:
    """It holds text, or the beginning of a tool call; reasoning isn't an answer yet."""
    message = chunk.message
    return bool(message.text) or (isinstance(message, AIMessageChunk) and bool(message.tool_call_chunks))
