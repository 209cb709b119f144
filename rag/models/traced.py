"""Models whose asynchronous calls are spans."""

from collections.abc import Sequence

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from pydantic import ConfigDict

from rag.models.catalog import Operation
from rag.models.spans import model_span


class TracedEmbeddings(Embeddings):
    """Another embedding model.

    Attributes:
        inner: The model itself.
        name: Its name as configured.
    """

    def __init__(self, inner: Embeddings, name: str) -> None:
        self.inner = inner
        self.name = name

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.inner.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self.inner.embed_query(text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        with model_span(Operation.EMBED, self.name) as span:
            span.set_attribute("groundwork.texts", len(texts))
            return await self.inner.aembed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        with model_span(Operation.EMBED, self.name):
            return await self.inner.aembed_query(text)


class TracedCompressor(BaseDocumentCompressor):
    """Another reranker.

    Attributes:
        inner: The reranker itself.
        name: Its name as configured.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    inner: BaseDocumentCompressor
    name: str

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        return self.inner.compress_documents(documents, query, callbacks)

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        with model_span(Operation.RERANK, self.name) as span:
            span.set_attribute("groundwork.texts", len(documents))
            return await self.inner.acompress_documents(documents, query, callbacks)
