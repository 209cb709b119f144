from langchain_core.embeddings import Embeddings

from rag.models.resilience.guard import ModelGuard


class ResilientEmbeddings(Embeddings):
    """Another embedding model behind a guard; only its asynchronous methods are guarded.

    Attributes:
        inner: The model itself.
        guard: Through which it is called.
    """

    def __init__(self, inner: Embeddings, guard: ModelGuard) -> None:
        self.inner = inner
        self.guard = guard

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.inner.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self.inner.embed_query(text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Raises: ModelError, ThrottledError or OverloadedError, as `ModelGuard.call`."""
        return await self.guard.call(lambda: self.inner.aembed_documents(texts))

    async def aembed_query(self, text: str) -> list[float]:
        """Raises: ModelError, ThrottledError or OverloadedError, as `ModelGuard.call`."""
        return await self.guard.call(lambda: self.inner.aembed_query(text))
