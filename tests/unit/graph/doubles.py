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
from rag.ports import Findings, Passage, RetrievedPassage, SearchPlan, SearchQuery, SearchScope


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
    """Finds all passages, in the order given; or is broken."""

    def __init__(self, passages: Sequence[Passage], *, broken: bool = False) -> None:
        self._passages = passages
        self._broken = broken

    async def search(self, scope: SearchScope, query: SearchQuery) -> Findings:
        if self._broken:
            raise UnavailableError("the database is broken")
        found = [
            RetrievedPassage(
                passage,
                score=1 / rank,
                fused_rank=rank,
                fused_score=1 / rank,
                vector_rank=rank if query.vector else None,
                lexical_rank=rank if query.words else None,
                vector_score=0.9 - 0.1 * rank if query.vector else None,
                lexical_score=3.0 / rank if query.words else None,
            )
            for rank, passage in enumerate(self._passages, start=1)
        ]
        plan = SearchPlan(exact=True, matches=len(found), exact_limit=100, corpus=len(found), lexemes=())
        return Findings(found[: query.limit], plan)


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
