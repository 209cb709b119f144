"""Haystack: `PgvectorDocumentStore` with HNSW, embedding and keyword retriever joined by rank fusion.

A store holds one connection and one cursor, which concurrent searches would take from each other; so there
is a store for each search that may run at once. The keyword retriever asks for every word of the query
(`plainto_tsquery`), as the package has it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from haystack import Document  # type: ignore[import-not-found]
from haystack.components.joiners import DocumentJoiner  # type: ignore[import-not-found]
from haystack.utils import Secret  # type: ignore[import-not-found]
from haystack_integrations.components.retrievers.pgvector import (  # type: ignore[import-not-found]
    PgvectorEmbeddingRetriever,
    PgvectorKeywordRetriever,
)
from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore  # type: ignore[import-not-found]

from tests.benchmarks.peers.shell import CANDIDATES, EF_SEARCH, POOL, WRITERS, Corpus, main, write_batches

TABLE = "passages"


class Pipeline:
    """Both retrievers over one store, and the joiner."""

    def __init__(self, store: PgvectorDocumentStore) -> None:
        self._dense = PgvectorEmbeddingRetriever(document_store=store, top_k=CANDIDATES)
        self._keywords = PgvectorKeywordRetriever(document_store=store, top_k=CANDIDATES)
        self._joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion")

    async def search(self, query: str, vector: list[float], limit: int) -> list[int]:
        dense = await self._dense.run_async(query_embedding=vector)
        keywords = await self._keywords.run_async(query=query)
        joined = self._joiner.run([dense["documents"], keywords["documents"]], top_k=limit)
        return [int(document.id) for document in joined["documents"]]


class Haystack:
    def __init__(self, url: str, dimensions: int) -> None:
        self._url = url
        self._dimensions = dimensions
        self._stores: list[PgvectorDocumentStore] = []
        self._idle: asyncio.LifoQueue[Pipeline] = asyncio.LifoQueue()

    async def load(self, corpus: Corpus, *, indexed: bool) -> None:
        stores = [self._new_store(indexed=indexed) for _ in range(WRITERS)]
        for store in stores:
            await store.count_documents_async()  # the first call makes the table and its indexes

        async def write(store: PgvectorDocumentStore, rows: range) -> None:
            vectors = corpus.vectors[rows.start : rows.stop].tolist()
            await store.write_documents_async(
                [
                    Document(id=str(row), content=corpus.texts[row], embedding=vector)
                    for row, vector in zip(rows, vectors, strict=True)
                ]
            )

        await write_batches(corpus, [partial(write, store) for store in stores])
        searched = self._new_store(indexed=True)
        await searched.count_documents_async()
        self._idle.put_nowait(Pipeline(searched))

    async def search(self, query: str, vector: list[float], limit: int) -> list[int]:
        pipeline = await self._free()
        try:
            return await pipeline.search(query, vector, limit)
        finally:
            self._idle.put_nowait(pipeline)

    async def close(self) -> None:
        for store in self._stores:
            await store.close_async()

    async def _free(self) -> Pipeline:
        if self._idle.empty() and len(self._stores) < POOL:
            return Pipeline(self._new_store(indexed=True))
        return await self._idle.get()

    def _new_store(self, *, indexed: bool) -> PgvectorDocumentStore:
        store = PgvectorDocumentStore(
            connection_string=Secret.from_token(self._url),
            table_name=TABLE,
            embedding_dimension=self._dimensions,
            vector_function="cosine_similarity",
            search_strategy="hnsw" if indexed else "exact_nearest_neighbor",
            hnsw_ef_search=EF_SEARCH,
        )
        self._stores.append(store)
        return store


@asynccontextmanager
async def opened(url: str, dimensions: int) -> AsyncIterator[Haystack]:
    peer = Haystack(url, dimensions)
    try:
        yield peer
    finally:
        await peer.close()


if __name__ == "__main__":
    logging.getLogger("haystack_integrations").setLevel(
        logging.ERROR
    )  # each store warns of an existing index
    main(opened)
