"""Small implementations of the ports, for tests of the graph."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from rag.errors import UnavailableError
from rag.ports import Match, Passage, SearchScope


class ScriptedChatModel(BaseChatModel):
    """Streams fixed pieces; an exception among them is raised at its place. Remembers what it was asked."""

    pieces: list[str | Exception]
    asked: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = "".join(str(chunk.text) for chunk in self._stream(messages))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        self.asked.append(messages)
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        usage = UsageMetadata(input_tokens=10, output_tokens=5, total_tokens=15)
        yield ChatGenerationChunk(
            message=AIMessageChunk(content="", usage_metadata=usage, chunk_position="last")
        )


class SlowChatModel(ScriptedChatModel):
    """Never comes to an end."""

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        await asyncio.sleep(60)
        yield ChatGenerationChunk(message=AIMessageChunk(content="too late"))


class ListSearch:
    """Both legs find all passages, in the order given; a leg can be broken."""

    def __init__(self, passages: Sequence[Passage], *, broken: Sequence[str] = ()) -> None:
        self._passages = passages
        self._broken = broken

    async def by_vector(self, scope: SearchScope, vector: Sequence[float], limit: int) -> list[Match]:
        return self._found("vector")

    async def by_words(self, scope: SearchScope, query: str, limit: int) -> list[Match]:
        return self._found("lexical")

    def _found(self, leg: str) -> list[Match]:
        if leg in self._broken:
            raise UnavailableError(f"the {leg} leg is broken")
        return [Match(passage, 0.9 - 0.1 * n) for n, passage in enumerate(self._passages)]


class LengthEmbeddings(Embeddings):
    """A text's vector is its length; broken, it raises what an SDK might."""

    def __init__(self, *, broken: bool = False) -> None:
        self._broken = broken

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        if self._broken:
            raise ConnectionError("no route to the model")
        return [float(len(text))]


class LastFirst(BaseDocumentCompressor):
    """A reranker that turns the order round, or fails."""

    broken: bool = False

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> Sequence[Document]:
        if self.broken:
            raise ConnectionError("no route to the reranker")
        return list(reversed(documents))
