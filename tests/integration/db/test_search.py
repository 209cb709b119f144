import asyncio
import math
from collections.abc import Sequence
from uuid import UUID, uuid4

import numpy as np
import pytest

from db.pool import Connection, Database
from db.repositories import search, spaces, tenants
from db.stores import EmbeddingSpace, PostgresChunkSearch, PostgresSourceStore
from rag.documents import Chunk
from rag.errors import ConflictError
from rag.models.registry import LOCAL_EMBEDDINGS
from rag.ports import NewVersion, SearchScope, Writer


def unit_vector(seed: int) -> list[float]:
    vector = np.random.default_rng(seed).normal(size=384)
    return [float(value) for value in vector / np.linalg.norm(vector)]


def new_version(
    name: str,
    texts: Sequence[str],
    *,
    acl: tuple[str, ...] | None = None,
    metadata: dict[str, object] | None = None,
    seed: int = 0,
) -> NewVersion:
    text = "\n".join(texts)
    chunks, start = [], 0
    for index, part in enumerate(texts):
        chunks.append(Chunk(index, part, start, start + len(part), token_count=len(part.split())))
        start += len(part) + 1
    return NewVersion(
        source_document_id=name,
        title="",
        uri=None,
        mime_type="text/plain",
        content_sha256=name.encode(),
        byte_size=len(text),
        text=text,
        metadata=metadata,
        acl=acl,
        chunks=tuple(chunks),
        vectors=tuple(unit_vector(seed + index) for index in range(len(chunks))),
    )


@pytest.fixture
async def tenant_id(database: Database) -> UUID:
    """A tenant of the test's own, so that its corpus statistics are its own too."""
    async with database.system() as connection:
        return (await tenants.ensure(connection, slug=f"t-{uuid4().hex}", name="Test")).id


@pytest.fixture
async def space(database: Database) -> EmbeddingSpace:
    async with database.system() as connection:
        space_id = await spaces.find(connection, model=LOCAL_EMBEDDINGS, dimensions=384)
    assert space_id
    return EmbeddingSpace(space_id, 384)


@pytest.fixture
def store(database: Database, space: EmbeddingSpace) -> PostgresSourceStore:
    return PostgresSourceStore(database, space)


@pytest.fixture
def chunk_search(database: Database, space: EmbeddingSpace) -> PostgresChunkSearch:
    return PostgresChunkSearch(database, space)


async def texts_of(chunk_search: PostgresChunkSearch, scope: SearchScope, query: str) -> list[str]:
    return [match.passage.text for match in await chunk_search.by_words(scope, query, 10)]


async def test_words_are_scored_by_bm25(
    store: PostgresSourceStore, chunk_search: PostgresChunkSearch, tenant_id: UUID
) -> None:
    await store.add_version(
        Writer(tenant_id), new_version("a", ["red apple", "red red brick wall", "green pear"])
    )
    matches = await chunk_search.by_words(SearchScope(tenant_id), "red", 10)
    # N = 3 chunks, df = 2, lengths 2, 4 and 2: average 8/3; k1 = 1.2, b = 0.75
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    twice = idf * 2 / (2 + 1.2 * (0.25 + 0.75 * 4 / (8 / 3)))
    once = idf * 1 / (1 + 1.2 * (0.25 + 0.75 * 2 / (8 / 3)))
    assert [match.score for match in matches] == pytest.approx([twice, once])


async def test_a_natural_question_needs_only_some_of_its_words(
    store: PostgresSourceStore, chunk_search: PostgresChunkSearch, tenant_id: UUID
) -> None:
    texts = ["Up to five vacation days are carried over.", "Lunch costs four euros."]
    await store.add_version(Writer(tenant_id), new_version("a", texts))
    found = await texts_of(
        chunk_search, SearchScope(tenant_id), "how many vacation days can I carry over to the next year?"
    )
    assert found == texts[:1]


@pytest.mark.parametrize("query", ["", "the of and", "!!!", "' OR 1=1 --", "a:* & | !", "\\", "日本語"])
async def test_a_query_without_words_finds_nothing(
    store: PostgresSourceStore, chunk_search: PostgresChunkSearch, tenant_id: UUID, query: str
) -> None:
    await store.add_version(Writer(tenant_id), new_version("a", ["plain words"]))
    assert await chunk_search.by_words(SearchScope(tenant_id), query, 10) == []


async def test_the_nearest_vectors_come_first(
    store: PostgresSourceStore, chunk_search: PostgresChunkSearch, tenant_id: UUID
) -> None:
    await store.add_version(Writer(tenant_id), new_version("a", [f"text {n}" for n in range(20)], seed=100))
    scope = SearchScope(tenant_id)
    matches = await chunk_search.by_vector(scope, unit_vector(107), 5)
    assert matches[0].passage.text == "text 7"
    assert matches[0].score == pytest.approx(1, abs=1e-3)
    assert [m.score for m in matches] == sorted((m.score for m in matches), reverse=True)


async def test_a_new_version_replaces_the_old_one_in_both_legs(
    store: PostgresSourceStore, chunk_search: PostgresChunkSearch, tenant_id: UUID
) -> None:
    first = await store.add_version(Writer(tenant_id), new_version("a", ["old wording"], seed=1))
    second = await store.add_version(Writer(tenant_id), new_version("a", ["new wording"], seed=2))
    assert (second.document_id, second.version) == (first.document_id, 2)
    scope = SearchScope(tenant_id)
    assert await texts_of(chunk_search, scope, "wording") == ["new wording"]
    assert len(await chunk_search.by_vector(scope, unit_vector(1), 10)) == 1


async def test_a_new_version_of_one_source_leaves_the_others_alone(
    store: PostgresSourceStore, chunk_search: PostgresChunkSearch, tenant_id: UUID
) -> None:
    await store.add_version(Writer(tenant_id), new_version("a", ["apples"]))
    await store.add_version(Writer(tenant_id), new_version("b", ["apples too"]))
    await store.add_version(Writer(tenant_id), new_version("b", ["apples again"]))
    found = await texts_of(chunk_search, SearchScope(tenant_id), "apples")
    assert sorted(found) == ["apples", "apples again"]


async def test_an_access_list_hides_a_source_from_all_but_its_groups(
    store: PostgresSourceStore, chunk_search: PostgresChunkSearch, tenant_id: UUID
) -> None:
    await store.add_version(Writer(tenant_id), new_version("open", ["salary bands"], seed=1))
    await store.add_version(Writer(tenant_id), new_version("closed", ["salary list"], acl=("hr",), seed=2))
    visible: dict[tuple[str, ...], int] = {(): 1, ("sales",): 1, ("hr", "sales"): 2}
    for groups, expected in visible.items():
        scope = SearchScope(tenant_id, groups=groups)
        assert len(await chunk_search.by_words(scope, "salary", 10)) == expected
        assert len(await chunk_search.by_vector(scope, unit_vector(2), 10)) == expected


async def test_a_new_version_never_opens_a_closed_source(
    store: PostgresSourceStore, chunk_search: PostgresChunkSearch, tenant_id: UUID
) -> None:
    await store.add_version(Writer(tenant_id), new_version("closed", ["salary list"], acl=("hr",)))
    await store.add_version(Writer(tenant_id, ("hr",)), new_version("closed", ["salary list, new"], acl=None))
    assert await chunk_search.by_words(SearchScope(tenant_id), "salary", 10) == []


async def test_a_source_is_not_changed_by_those_who_may_not_see_it(
    store: PostgresSourceStore, chunk_search: PostgresChunkSearch, tenant_id: UUID
) -> None:
    made = await store.add_version(Writer(tenant_id), new_version("closed", ["salary list"], acl=("hr",)))
    stranger = Writer(tenant_id, ("sales",))
    with pytest.raises(ConflictError):
        await store.add_version(stranger, new_version("closed", ["hacked"], acl=()))
    await store.describe(stranger, made.document_id, metadata=None, acl=(), uri="x")
    known = await store.find(stranger, "closed")
    assert known
    assert (known.visible, known.version) == (False, 1)
    assert await texts_of(chunk_search, SearchScope(tenant_id, ("hr",)), "salary") == ["salary list"]
    assert await texts_of(chunk_search, SearchScope(tenant_id), "salary") == []


async def test_ingestions_of_one_source_at_once_become_versions_in_turn(
    store: PostgresSourceStore, chunk_search: PostgresChunkSearch, tenant_id: UUID
) -> None:
    texts = [f"wording {number}" for number in range(6)]
    stored = await asyncio.gather(
        *(store.add_version(Writer(tenant_id), new_version("same", [text])) for text in texts)
    )
    assert sorted(version.version for version in stored) == [1, 2, 3, 4, 5, 6]
    last = texts[[version.version for version in stored].index(6)]
    assert await texts_of(chunk_search, SearchScope(tenant_id), "wording") == [last]


async def test_filters_narrow_by_source_and_metadata(
    store: PostgresSourceStore, chunk_search: PostgresChunkSearch, tenant_id: UUID
) -> None:
    await store.add_version(
        Writer(tenant_id), new_version("a", ["blue sky"], metadata={"year": 2025, "team": "ops"})
    )
    await store.add_version(Writer(tenant_id), new_version("b", ["blue sea"], metadata={"year": 2026}))
    by_source = SearchScope(tenant_id, source_document_ids=("a",))
    by_metadata = SearchScope(tenant_id, metadata={"year": 2026})
    assert await texts_of(chunk_search, by_source, "blue") == ["blue sky"]
    assert await texts_of(chunk_search, by_metadata, "blue") == ["blue sea"]
    nothing = SearchScope(tenant_id, metadata={"year": "2026"})
    assert await texts_of(chunk_search, nothing, "blue") == []


async def explain(connection: Connection, statement: str, *values: object) -> str:
    rows = await connection.fetch(f"EXPLAIN {statement}", *values)
    return "\n".join(row[0] for row in rows)


async def test_both_legs_use_their_index_as_app_under_the_policies(
    database: Database, store: PostgresSourceStore, tenant_id: UUID, space: EmbeddingSpace
) -> None:
    for number in range(8):
        texts = [f"word{number * 100 + n} common" for n in range(100)]
        await store.add_version(Writer(tenant_id), new_version(f"s{number}", texts, seed=number * 1000))
    scope: tuple[object, ...] = (tenant_id, [], [], {})
    by_vector = search.BY_VECTOR % {"space": space.id, "dimensions": 384}
    async with database.tenant(tenant_id) as connection:
        # The planner's choice between index and exact scan is its own; that it can use the index is ours.
        await connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        vector_plan = await explain(connection, by_vector, *scope, unit_vector(1), 10)
        word_plan = await explain(connection, search.BY_WORDS, *scope, "word42", 10)
    assert f"chunk_embeddings_space_{space.id}" in vector_plan
    assert "postings_pkey" in word_plan
    assert "lexeme = ANY" in word_plan
