from collections.abc import Sequence

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from pydantic import ConfigDict

from rag.models.resilience.guard import ModelGuard


class ResilientCompressor(BaseDocumentCompressor):
    """Another reranker behind a guard; only its asynchronous method is guarded.

    Attributes:
        inner: The reranker itself.
        guard: Through which it is called.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    inner: BaseDocumentCompressor
    guard: ModelGuard

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        return self.inner.compress_documents(documents, query, callbacks)

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Raises: ModelError, ThrottledError or OverloadedError, as `ModelGuard.call`."""
        return await self.guard.call(lambda: self.inner.acompress_documents(documents, query, callbacks))
