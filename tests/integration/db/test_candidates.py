from uuid import UUID, uuid4

import pytest

from db.pool import Database
from db.repositories.candidates import find_known
from db.repositories.spaces import Space
from db.stores import PostgresChunkSearch, PostgresSourceStore
from eval.tune_fusion import GRID
from rag.analysis import analyse
from rag.candidates import rank_pool
from rag.filters import Condition, MetadataKey, Operator
from rag.ports import SearchQuery, SearchScope, Writer
from tests.integration.db.corpus import new_version, unit_vector


@pytest.fixture
def chunk_search(database: Database, space: Space) -> PostgresChunkSearch:
    return PostgresChunkSearch(database, space)


def mixed(first: int, second: int, share: float) -> list[float]:
    """Between two vectors."""
    return [share * a + (1 - share) * b for a, b in zip(unit_vector(first), unit_vector(second), strict=True)]


@pytest.fixture
async def corpus(store: PostgresSourceStore, own_tenant_id: UUID) -> SearchScope:
    """Chunks with one score, the same words, vectors next to each other, and chains of such neighbours."""
    writer = Writer(own_tenant_id)
    colours = ["red", "green", "blue", "red green", "green blue", "red red blue", "grey", "white"]
    await store.add_version(writer, new_version("a", [f"{colours[n % 8]} number{n}" for n in range(40)]))
    await store.add_version(writer, new_version("same", ["red blue"] * 4, seed=200))
    tied = new_version("tied", [f"blue tie{n}" for n in range(4)], vectors=[unit_vector(7)] * 4)
    await store.add_version(writer, tied)
    chain = [mixed(7, 300, 0.5 + 0.03 * n) for n in range(8)]
    await store.add_version(writer, new_version("chain", [f"red chain{n}" for n in range(8)], vectors=chain))
    return SearchScope(own_tenant_id)


@pytest.mark.parametrize("limit", [1, 5, 50])
async def test_the_pool_ranks_as_the_search_does_by_every_fusion(
    chunk_search: PostgresChunkSearch, corpus: SearchScope, limit: int
) -> None:
    vector, words = unit_vector(7), analyse("red blue")
    pool = await chunk_search.find_pool(corpus, SearchQuery(vector, words, limit, candidates=20))
    assert any(chunk.near for chunk in pool.chunks)
    assert len({chunk.fingerprint for chunk in pool.chunks}) < len(pool.chunks)
    for fusion in GRID:
        query = SearchQuery(vector, words, limit, candidates=20, fusion=fusion)
        found = [p.passage.chunk_id for p in (await chunk_search.search(corpus, query)).passages]
        assert [chunk.chunk_id for chunk in rank_pool(pool, fusion, limit=limit)] == found, fusion


async def test_an_empty_corpus_has_an_empty_pool(
    chunk_search: PostgresChunkSearch, own_tenant_id: UUID
) -> None:
    query = SearchQuery(unit_vector(0), "red", 10)
    pool = await chunk_search.find_pool(SearchScope(own_tenant_id), query)
    assert rank_pool(pool, GRID[0], limit=10) == []


async def test_a_pool_needs_both_legs_and_no_filter(
    chunk_search: PostgresChunkSearch, own_tenant_id: UUID
) -> None:
    filtered = SearchScope(own_tenant_id, filter=Condition(MetadataKey("year"), Operator.EQ, (2026,)))
    with pytest.raises(ValueError, match="both legs, without a filter"):
        await chunk_search.find_pool(filtered, SearchQuery(unit_vector(0), "red", 10))
    with pytest.raises(ValueError, match="both legs"):
        await chunk_search.find_pool(SearchScope(own_tenant_id), SearchQuery(None, "red", 10))


async def test_what_a_search_could_find_is_known(
    database: Database, store: PostgresSourceStore, chunk_search: PostgresChunkSearch, own_tenant_id: UUID
) -> None:
    await store.add_version(Writer(own_tenant_id), new_version("open", ["red"]))
    await store.add_version(Writer(own_tenant_id), new_version("closed", ["red pear"], acl=("hr",)))
    scope, hr = SearchScope(own_tenant_id), SearchScope(own_tenant_id, ("hr",))

    async def chunk_ids() -> list[str]:
        pool = await chunk_search.find_pool(hr, SearchQuery(unit_vector(0), "red", 10))
        return [str(chunk.chunk_id) for chunk in pool.chunks]

    old = await chunk_ids()
    await store.add_version(Writer(own_tenant_id), new_version("open", ["red again"]))
    new = await chunk_ids()
    ids = ["open", "closed", "nobody", str(uuid4()), "", *old, *new]
    async with database.tenant(own_tenant_id) as connection:
        mine = await find_known(connection, scope, ids)
        theirs = await find_known(connection, hr, ids)
    assert "open" in mine
    assert len(mine) == 2, "the source and its current chunk"
    assert theirs == {"open", "closed", *new}
