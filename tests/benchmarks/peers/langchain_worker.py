"""LangChain: `AsyncPGVectorStore` with HNSW, a tsvector column with GIN, and its own fusion.

Each search is given a configuration of its own: the store's would keep the text of the first query it sees,
and look for that ever after. The keyword leg asks for every word of the query (`plainto_tsquery`), as the
package has it. Rank fusion finds no less than the default, a weighted sum: nDCG@10 0.512 both, on Cranfield.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_postgres import Column, PGEngine  # type: ignore[import-not-found]
from langchain_postgres.v2.async_vectorstore import AsyncPGVectorStore  # type: ignore[import-not-found]
from langchain_postgres.v2.hybrid_search_config import HybridSearchConfig, reciprocal_rank_fusion  # type: ignore[import-not-found]
from langchain_postgres.v2.indexes import HNSWIndex, HNSWQueryOptions  # type: ignore[import-not-found]
from sqlalchemy.ext.asyncio import create_async_engine

from tests.benchmarks.peers.shell import CANDIDATES, EF_SEARCH, POOL, WRITERS, Corpus, main, write_batches

TABLE = "passages"
TSV_COLUMN = "content_tsv"


class LangChain:
    def __init__(self, engine: PGEngine, dimensions: int) -> None:
        self._engine = engine
        self._dimensions = dimensions
        self._store: AsyncPGVectorStore | None = None

    async def load(self, corpus: Corpus, *, indexed: bool) -> None:
        await self._engine.ainit_vectorstore_table(
            TABLE,
            self._dimensions,
            id_column=Column("langchain_id", "TEXT", nullable=False),
            hybrid_search_config=_config(),
        )
        store = await self._opened()
        if indexed:
            await _index(store)

        async def write(rows: range) -> None:
            await store.aadd_embeddings(
                [corpus.texts[row] for row in rows],
                corpus.vectors[rows.start : rows.stop].tolist(),
                ids=[str(row) for row in rows],
            )

        await write_batches(corpus, [write] * WRITERS)
        if not indexed:
            await _index(store)

    async def search(self, query: str, vector: list[float], limit: int) -> list[int]:
        store = await self._opened()
        found = await store.asimilarity_search_by_vector(vector, k=limit, hybrid_search_config=_config(query))
        return [int(document.id) for document in found]

    async def _opened(self) -> AsyncPGVectorStore:
        if self._store is None:
            self._store = await AsyncPGVectorStore.create(
                self._engine,
                DeterministicFakeEmbedding(size=self._dimensions),  # never asked: vectors are given
                TABLE,
                index_query_options=HNSWQueryOptions(ef_search=EF_SEARCH),
                hybrid_search_config=_config(),
            )
        return self._store


async def _index(store: AsyncPGVectorStore) -> None:
    await store.aapply_vector_index(HNSWIndex())
    await store.aapply_hybrid_search_index()


def _config(query: str = "") -> HybridSearchConfig:
    return HybridSearchConfig(
        tsv_column=TSV_COLUMN,
        fts_query=query,
        fusion_function=reciprocal_rank_fusion,
        primary_top_k=CANDIDATES,
        secondary_top_k=CANDIDATES,
    )


@asynccontextmanager
async def opened(url: str, dimensions: int) -> AsyncIterator[LangChain]:
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=POOL, max_overflow=0
    )
    try:
        yield LangChain(PGEngine.from_engine(engine), dimensions)
    finally:
        await engine.dispose()


if __name__ == "__main__":
    main(opened)
