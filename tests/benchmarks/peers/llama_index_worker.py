"""LlamaIndex: `PGVectorStore` with HNSW, its dense and its sparse retriever joined by `QueryFusionRetriever`.

The store's own hybrid mode puts the dense results before the sparse ones without fusing them, so its
documentation ("Postgres Vector Store", "Improving hybrid search") recommends this retriever. The keyword leg
asks for any word of the query.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from llama_index.core import MockEmbedding, VectorStoreIndex  # type: ignore[import-not-found]
from llama_index.core.llms import MockLLM  # type: ignore[import-not-found]
from llama_index.core.retrievers import QueryFusionRetriever  # type: ignore[import-not-found]
from llama_index.core.schema import QueryBundle, TextNode  # type: ignore[import-not-found]
from llama_index.vector_stores.postgres import PGVectorStore  # type: ignore[import-not-found]

from tests.benchmarks.peers.shell import (
    CANDIDATES,
    EF_SEARCH,
    POOL,
    TOP_K,
    WRITERS,
    Corpus,
    main,
    write_batches,
)

TABLE = "passages"
HNSW = {"hnsw_m": 16, "hnsw_ef_construction": 64, "hnsw_ef_search": EF_SEARCH}  # pgvector's defaults
FUSION = "dist_based_score"  # nDCG@10 on Cranfield 0.521; "relative_score" 0.512, "reciprocal_rerank" 0.510


class LlamaIndex:
    def __init__(self, url: str, dimensions: int) -> None:
        self._url = url
        self._dimensions = dimensions
        self._retriever: QueryFusionRetriever | None = None
        self._store: PGVectorStore | None = None

    async def load(self, corpus: Corpus, *, indexed: bool) -> None:
        store = self._new_store(indexed=indexed)
        store._initialize()  # tables and indexes, which the first rows would otherwise make

        async def write(rows: range) -> None:
            vectors = corpus.vectors[rows.start : rows.stop].tolist()
            await store.async_add(
                [
                    TextNode(id_=str(row), text=corpus.texts[row], embedding=vector)
                    for row, vector in zip(rows, vectors, strict=True)
                ]
            )

        await write_batches(corpus, [write] * WRITERS)
        await store.close()
        self._opened()

    async def search(self, query: str, vector: list[float], limit: int) -> list[int]:
        found = await self._opened().aretrieve(QueryBundle(query_str=query, embedding=vector))
        return [int(node.node_id) for node in found[:limit]]

    async def close(self) -> None:
        if self._store is not None:
            await self._store.close()

    def _opened(self) -> QueryFusionRetriever:
        if self._retriever is None:
            self._store = self._new_store(indexed=True)
            self._store._initialize()  # builds the index now rather than at the first search
            index = VectorStoreIndex.from_vector_store(
                self._store, embed_model=MockEmbedding(embed_dim=self._dimensions)
            )
            legs = [
                index.as_retriever(
                    vector_store_query_mode=mode, similarity_top_k=CANDIDATES, sparse_top_k=CANDIDATES
                )
                for mode in ("default", "sparse")
            ]
            self._retriever = QueryFusionRetriever(
                legs, llm=MockLLM(), mode=FUSION, similarity_top_k=TOP_K, num_queries=1
            )
        return self._retriever

    def _new_store(self, *, indexed: bool) -> PGVectorStore:
        return PGVectorStore(
            connection_string=self._url.replace("postgresql://", "postgresql+psycopg2://", 1),
            async_connection_string=self._url.replace("postgresql://", "postgresql+asyncpg://", 1),
            table_name=TABLE,
            hybrid_search=True,
            text_search_config="english",
            embed_dim=self._dimensions,
            cache_ok=True,
            use_jsonb=True,
            hnsw_kwargs=dict(HNSW) if indexed else None,
            create_engine_kwargs={"pool_size": POOL, "max_overflow": 0},
            initialization_fail_on_error=True,
        )


@asynccontextmanager
async def opened(url: str, dimensions: int) -> AsyncIterator[LlamaIndex]:
    peer = LlamaIndex(url, dimensions)
    try:
        yield peer
    finally:
        await peer.close()


if __name__ == "__main__":
    main(opened)
