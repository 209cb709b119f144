"""The postings and statistics of BM25 stay what a count from scratch gives, whatever happens to documents."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.pool import Connection, Database
from db.repositories import search_index, sources, tenants
from db.repositories.search_index import ChunkWords
from db.stores import PostgresSourceStore
from rag.ports import Writer
from tests.integration.db.corpus import Searcher, new_version

WORDS = ("alfa", "bravo", "delta", "echo", "golf")
K1, B = 1.2, 0.75

texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)
versions = st.lists(texts, min_size=1, max_size=4)
# A document's new chunks, or None to delete it.
changes = st.lists(st.tuples(st.sampled_from("abc"), st.none() | versions), min_size=1, max_size=8)


@dataclass(frozen=True)
class Brute:
    """BM25 from scratch over the texts that are there."""

    texts: Sequence[str]

    def scores(self, question: str) -> list[float]:
        counts = [Counter(text.split()) for text in self.texts]
        lengths = [count.total() for count in counts]
        average = sum(lengths) / len(lengths)
        found = []
        for count, length in zip(counts, lengths, strict=True):
            score = 0.0
            for word in set(question.split()):
                df = sum(word in other for other in counts)
                idf = math.log(1 + (len(counts) - df + 0.5) / (df + 0.5))
                tf = count[word]
                score += idf * tf / (tf + K1 * (1 - B + B * length / average))
            found.append(score)
        return sorted((score for score in found if score > 0), reverse=True)


STATISTICS = """
SELECT (SELECT coalesce(sum(chunk_count), 0) FROM lexical_statistics) AS chunks,
       (SELECT coalesce(sum(lexeme_total), 0) FROM lexical_statistics) AS lexemes,
       (SELECT count(*) FROM postings) AS postings,
       (SELECT coalesce(json_object_agg(lexeme, chunk_count)::text, '{}') FROM lexemes) AS counts
"""


async def statistics(connection: Connection) -> tuple[int, int, int, dict[str, int]]:
    import json  # noqa: PLC0415

    row = await connection.fetchrow(STATISTICS)
    assert row
    return int(row["chunks"]), int(row["lexemes"]), row["postings"], json.loads(row["counts"])


def expected_statistics(texts: Sequence[str]) -> tuple[int, int, int, dict[str, int]]:
    counts = [Counter(text.split()) for text in texts]
    seen = Counter(word for count in counts for word in count)
    return len(texts), sum(count.total() for count in counts), seen.total(), dict(seen)


async def clear(connection: Connection) -> None:
    await connection.execute("DELETE FROM source_documents")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=changes, question=texts)
async def test_scores_and_statistics_follow_every_insert_version_and_deletion(
    database: Database,
    store: PostgresSourceStore,
    search: Searcher,
    *,
    own_tenant_id: UUID,
    history: list[tuple[str, list[str] | None]],
    question: str,
) -> None:
    async with database.tenant(own_tenant_id) as connection:
        await clear(connection)
    current: dict[str, list[str]] = {}
    writer = Writer(own_tenant_id)
    for name, version in history:
        if version is not None:
            await store.add_version(writer, new_version(name, version, language="xx"))
            current[name] = version
        elif name in current:
            known = await store.find(writer, name)
            assert known
            async with database.tenant(own_tenant_id) as connection:
                assert await sources.delete(connection, (), known.document_id)
            del current[name]
    there = [text for version in current.values() for text in version]
    async with database.tenant(own_tenant_id) as connection:
        assert await statistics(connection) == expected_statistics(there)
    # Equal texts are found once; their scores are equal too.
    found = (await search.words(question, limit=50)).passages
    brute = Brute(there).scores(question) if there else []
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    assert sorted({round(p.score, 9) for p in found}) == sorted({round(score, 9) for score in brute})


async def test_a_failed_version_leaves_the_index_as_it_was(
    database: Database, store: PostgresSourceStore, own_tenant_id: UUID
) -> None:
    writer = Writer(own_tenant_id)
    await store.add_version(writer, new_version("a", ["alfa bravo", "echo"], language="xx"))
    async with database.tenant(own_tenant_id) as connection:
        before = await statistics(connection)
    broken = new_version("a", ["golf golf"], language="xx", vectors=[[0.5, 0.5]])
    with pytest.raises(Exception, match="dimensions"):
        await store.add_version(writer, broken)
    async with database.tenant(own_tenant_id) as connection:
        assert await statistics(connection) == before


async def test_no_posting_is_left_when_a_tenant_goes(
    database: Database, store: PostgresSourceStore, own_tenant_id: UUID
) -> None:
    await store.add_version(Writer(own_tenant_id), new_version("a", ["alfa"], language="xx"))
    async with database.system() as connection:
        assert await tenants.delete(connection, own_tenant_id)
    async with database.tenant(own_tenant_id) as connection:
        assert await statistics(connection) == (0, 0, 0, {})


async def test_a_chunk_without_words_counts_but_is_not_found(
    database: Database, store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    await store.add_version(Writer(own_tenant_id), new_version("a", ["!!!", "alfa"], language="xx"))
    async with database.tenant(own_tenant_id) as connection:
        assert (await statistics(connection))[:2] == (2, 1)
    assert await search.texts("alfa") == ["alfa"]


async def test_a_word_is_counted_up_to_what_postgres_keeps(
    database: Database, store: PostgresSourceStore, own_tenant_id: UUID
) -> None:
    await store.add_version(Writer(own_tenant_id), new_version("a", ["alfa " * 1000], language="xx"))
    async with database.tenant(own_tenant_id) as connection:
        assert (await statistics(connection))[1] == 255  # positions of a lexeme in a tsvector


async def test_words_are_indexed_in_one_go_for_many_chunks(
    database: Database, own_tenant_id: UUID, store: PostgresSourceStore
) -> None:
    made = await store.add_version(Writer(own_tenant_id), new_version("a", ["alfa"], language="xx"))
    async with database.tenant(own_tenant_id) as connection:
        await search_index.remove_words(connection, made.document_id)
        chunks = [
            ChunkWords.of(10**9 + n, f"alfa word{n}", title="T", heading_path=(), language="xx")
            for n in range(500)
        ]
        await search_index.add_words(connection, own_tenant_id, made.document_id, chunks)
        chunk_count, _, _, counts = await statistics(connection)
        assert (chunk_count, counts["alfa"], counts["t"], counts["word7"]) == (500, 500, 500, 1)
        await search_index.remove_words(connection, made.document_id)
        assert await statistics(connection) == (0, 0, 0, {})
