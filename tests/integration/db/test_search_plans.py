"""Which plans searches have, and which route they take."""

from dataclasses import replace
from uuid import UUID

import pytest

from db.addresses import DatabaseLogins
from db.pool import Connection, Database, connect
from db.repositories import search as search_repository
from db.repositories.filters import compile_filter
from db.repositories.search import search_shape, search_values
from db.repositories.search_statement import FILTER_PARAMETER, build_statement
from db.stores import PostgresSourceStore
from rag.filters import Condition, MetadataKey, Operator
from rag.fuse import Fusion, FusionMethod
from rag.ports import Findings, SearchQuery, SearchScope, Writer
from tests.integration.db.corpus import both_legs, new_version, unit_vector


def year(operator: Operator, value: float) -> Condition:
    return Condition(MetadataKey("year"), operator, (value,))


async def explain(connection: Connection, shape_of: SearchQuery, scope: SearchScope) -> str:
    """The plan that every execution of the statement has, whatever its values."""
    compiled = (
        compile_filter(scope.filter, source="m.source_id", first=FILTER_PARAMETER) if scope.filter else None
    )
    shape = search_shape(shape_of, compiled, space_id=(await space_of(connection)), dimensions=384)
    values = search_values(scope, shape_of, compiled)
    rows = await connection.fetch(f"EXPLAIN {build_statement(shape)}", *values)
    return "\n".join(row[0] for row in rows)


async def space_of(connection: Connection) -> int:
    space: int = await connection.fetchval("SELECT max(id) FROM embedding_spaces")
    return space


async def test_a_broad_filter_goes_by_the_indexes_and_a_narrow_one_compares_all(
    database: Database, logins: DatabaseLogins, store: PostgresSourceStore, own_tenant_id: UUID
) -> None:
    writer = Writer(own_tenant_id)
    for number in range(300):
        texts = [f"word{number} part{part}" for part in range(4)]
        version = new_version(f"s{number}", texts, seed=number * 100, metadata={"year": number})
        await store.add_version(writer, version)
    await analyze(logins)

    async def below(bound: float) -> Findings:
        scope = SearchScope(own_tenant_id, filter=year(Operator.LT, bound))
        async with database.tenant(own_tenant_id) as connection:
            space = await space_of(connection)
            query = both_legs("word7", unit_vector(1), Fusion(FusionMethod.BOUNDED, 0.0), limit=2)
            query = replace(query, candidates=2)
            return await search_repository.search(connection, scope, query, space_id=space, dimensions=384)

    broad, narrow = await below(290.0), await below(20.0)
    assert (broad.plan.exact, broad.plan.matches) == (False, broad.plan.exact_limit + 1)
    assert (narrow.plan.exact, narrow.plan.matches) == (True, 80)
    assert broad.plan.exact_limit < 4 * 290
    for findings in (broad, narrow):
        assert [found.passage.text.split()[0] for found in findings.passages] == ["word7", "word7"]


WHOLE_TABLES = ("postings", "chunk_terms", "chunk_embeddings", "documents", "lexemes", "source_readers")


@pytest.mark.parametrize("sources", [3, 60, 400])
@pytest.mark.parametrize("narrowed", [False, True])
async def test_every_table_is_read_by_its_index_under_the_policies(
    database: Database,
    logins: DatabaseLogins,
    store: PostgresSourceStore,
    own_tenant_id: UUID,
    *,
    sources: int,
    narrowed: bool,
) -> None:
    writer = Writer(own_tenant_id)
    for number in range(sources):
        texts = [f"word{number * 10 + n} common" for n in range(10)]
        version = new_version(f"s{number}", texts, seed=number * 100, metadata={"year": number})
        await store.add_version(writer, version)
    await analyze(logins)
    scope = SearchScope(own_tenant_id, filter=year(Operator.EQ, 7) if narrowed else None)
    query = both_legs("word42 common", unit_vector(1), Fusion(FusionMethod.BOUNDED, 0.5))
    async with database.tenant(own_tenant_id) as connection:
        # On tables of a few pages a scan is cheaper, and right; that the index can serve is what counts.
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await explain(connection, query, scope)
    assert [table for table in WHOLE_TABLES if f"Seq Scan on {table} " in plan] == []
    assert "using chunk_embeddings_space_" in plan
    assert "using postings_pkey" in plan
    assert "(lexeme = ANY" in plan
    if narrowed:
        assert " source_attributes_value" in plan  # of its index


async def analyze(logins: DatabaseLogins) -> None:
    owner = await connect(logins.owner)
    try:
        await owner.execute("ANALYZE")
    finally:
        await owner.close()
