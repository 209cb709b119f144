"""Models that fail as they are told, and make note of how they are called."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from pydantic import Field

from rag.models.resilience.guard import ModelGuard, Resilience

QUICK = Resilience(
    backoff_base_s=0.001,
    backoff_cap_s=0.002,
    attempt_timeout_s=0.2,
    first_token_timeout_s=0.2,
    idle_timeout_s=0.2,
    probe_interval_s=0.05,
    queue_wait_s=0.05,
)
USAGE = UsageMetadata(input_tokens=3, output_tokens=2, total_tokens=5)

DOWN = ConnectionResetError("down")

Piece = str | float | Exception  # a text, a silence in seconds, or what is raised


def made(**changes: float | None) -> ModelGuard:
    return ModelGuard("bedrock:x", replace(QUICK, **changes))  # type: ignore[arg-type]


class ScriptedChat(BaseChatModel):
    """Each call plays the next script, the last of them again and again."""

    scripts: list[list[Piece]]
    calls: int = 0
    opened: int = 0
    closed: int = 0
    seen: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": "scripted-1"}

    def _next(self, kwargs: dict[str, Any]) -> list[Piece]:
        self.seen.append(kwargs)
        self.calls += 1
        return self.scripts[min(self.calls, len(self.scripts)) - 1]

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        text = "".join(piece for piece in self._next(kwargs) if isinstance(piece, str))
        message = AIMessage(text, usage_metadata=USAGE)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        text = ""
        async for piece in self._play(kwargs):
            text += piece
        message = AIMessage(text, usage_metadata=USAGE)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.opened += 1
        try:
            async for piece in self._play(kwargs):
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
            last = AIMessageChunk(content="", usage_metadata=USAGE, chunk_position="last")
            yield ChatGenerationChunk(message=last)
        finally:
            self.closed += 1

    async def _play(self, kwargs: dict[str, Any]) -> AsyncIterator[str]:
        for piece in self._next(kwargs):
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, str):
                yield piece
            else:
                await asyncio.sleep(piece)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind(tools=[tool(each).name for each in tools])


class WholeChat(BaseChatModel):
    """Can't stream."""

    calls: int = 0

    @property
    def _llm_type(self) -> str:
        return "whole"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.calls += 1
        return ChatResult(generations=[ChatGeneration(message=AIMessage("all of it"))])


class Failing:
    """Raises what it is told to, then works."""

    def __init__(self, *failures: BaseException | None) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return "answer"


class ScriptedEmbeddings(Embeddings):
    """The length of each text."""

    def __init__(self, ask: Failing) -> None:
        self._ask = ask

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(len(text))] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [float(len(text))]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        await self._ask()
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        await self._ask()
        return self.embed_query(text)


class Reversing(BaseDocumentCompressor):
    """The documents in reverse order."""

    ask: Callable[[], Any]

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> Sequence[Document]:
        return documents[::-1]

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> Sequence[Document]:
        await self.ask()
        return self.compress_documents(documents, query)
