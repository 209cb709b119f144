"""Many texts for models that take few a call."""

import asyncio
import math
from collections.abc import Sequence

from langchain_core.embeddings import Embeddings

Vector = list[float]


class BatchedEmbeddings(Embeddings):
    """Divides what is asked into calls that the model takes, several of them at a time.

    Args:
        inner: Embeds what one call takes.
        texts_per_call: Most texts of a call.
        characters: Most characters of a text. A longer question is embedded in pieces, and the mean of their
            vectors taken: nothing of it is cut off. Texts of documents must fit already.
        concurrency: Calls at a time for one list of texts.
    """

    def __init__(self, inner: Embeddings, *, texts_per_call: int, characters: int, concurrency: int) -> None:
        self.inner = inner
        self._texts_per_call = texts_per_call
        self._characters = characters
        self._concurrency = concurrency

    async def aembed_documents(self, texts: list[str]) -> list[Vector]:
        """A vector for each text; all or none."""
        slots = asyncio.Semaphore(self._concurrency)

        async def call(batch: list[str]) -> list[Vector]:
            async with slots:
                return await self.inner.aembed_documents(batch)

        calls = [asyncio.ensure_future(call(batch)) for batch in self._batches(texts)]
        try:
            embedded = await asyncio.gather(*calls)
        finally:
            for pending in calls:
                pending.cancel()
        return [vector for batch in embedded for vector in batch]

    async def aembed_query(self, text: str) -> Vector:
        pieces = self._pieces(text)
        vectors = await asyncio.gather(*(self.inner.aembed_query(piece) for piece in pieces))
        return mean_direction(vectors)

    def embed_documents(self, texts: list[str]) -> list[Vector]:
        return [vector for batch in self._batches(texts) for vector in self.inner.embed_documents(batch)]

    def embed_query(self, text: str) -> Vector:
        return mean_direction([self.inner.embed_query(piece) for piece in self._pieces(text)])

    def _batches(self, texts: list[str]) -> list[list[str]]:
        size = self._texts_per_call
        return [texts[start : start + size] for start in range(0, len(texts), size)]

    def _pieces(self, text: str) -> list[str]:
        size = self._characters
        return [text[start : start + size] for start in range(0, len(text), size)] or [text]


def mean_direction(vectors: Sequence[Vector]) -> Vector:
    """The mean of the vectors' directions, at length 1; a single vector as it is."""
    if len(vectors) == 1:
        return vectors[0]
    units = [[value / (math.hypot(*vector) or 1) for value in vector] for vector in vectors]
    total = [sum(values) for values in zip(*units, strict=True)]
    length = math.hypot(*total) or 1
    return [value / length for value in total]
