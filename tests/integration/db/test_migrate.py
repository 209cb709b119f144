import asyncio
from uuid import UUID

import pytest
from pgvector.asyncpg import register_vector

from db.addresses import DatabaseLogins, Login
from db.embedding_spaces import build_index, ensure_embedding_space
from db.migrate import downgrade, migrate
from db.pool import connect, open_database
from db.reindex import reindex_words
from db.repositories.spaces import Space
from db.stores import PostgresChunkSearch
from rag.errors import UnavailableError
from rag.filters import Condition, MetadataKey, Operator
from rag.ports import SearchQuery, SearchScope
from tests.integration.servers import Server


async def test_migrations_run_at_once_take_turns(server: Server) -> None:
    logins = await server.logins("migrated_at_once")
    try:
        await asyncio.gather(*(migrate(logins.owner) for _ in range(4)))
        connection = await connect(logins.owner)
        assert await connection.fetchval("SELECT string_agg(version_num, ',') FROM alembic_version") == "0013"
        await connection.close()
    finally:
        await server.drop("migrated_at_once")


OLD_ROWS = """
WITH tenant AS (
    INSERT INTO tenants (slug, name) VALUES ('old', 'Old') RETURNING id
), current AS (
    SELECT set_config('app.tenant_id', id::text, true) FROM tenant
), space AS (
    INSERT INTO embedding_spaces (model, dimensions) VALUES ('test:old', 3) RETURNING id
)
SELECT tenant.id, space.id AS space_id FROM tenant, space, current
"""
OLD_SOURCE = """
INSERT INTO source_documents (tenant_id, source_document_id, title, mime_type, content_sha256, metadata, acl,
                              current_version)
VALUES ($1, $2, 'Leave', 'text/plain', 'x', $3, $4, 1) RETURNING id
"""
OLD_VERSION = """
INSERT INTO source_versions (tenant_id, source_id, version, content_sha256, byte_size, text, chunk_count)
VALUES ($1, $2, 1, 'x', 1, $3, 1)
"""
OLD_CHUNK = """
INSERT INTO documents (tenant_id, source_id, version, chunk_index, text, start_char, end_char, token_count)
VALUES ($1, $2, 1, 0, $3, 0, 1, 1) RETURNING id
"""
OLD_VECTOR = "INSERT INTO chunk_embeddings (tenant_id, chunk_id, space_id, embedding) VALUES ($1, $2, $3, $4)"


async def test_documents_of_the_first_schema_are_found_after_the_migration(server: Server) -> None:
    logins = await server.logins("migrated_with_rows")
    try:
        await migrate(logins.owner, revision="0001")
        tenant_id, space = await store_by_first_schema(logins)
        await migrate(logins.owner)
        async with open_database(logins) as database:
            assert await reindex_words(database) == 2
            assert await reindex_words(database) == 0
            search = PostgresChunkSearch(database, space)
            query = SearchQuery(vector=[1.0, 0.0, 0.0], words="urlaubstag", limit=5)
            year = Condition(MetadataKey("year"), Operator.EQ, (2025,))
            for scope, names in (
                (SearchScope(tenant_id), ["open"]),
                (SearchScope(tenant_id, ("hr",)), ["closed", "open"]),
                (SearchScope(tenant_id, ("hr",), year), ["closed"]),
            ):
                found = (await search.search(scope, query)).passages
                assert sorted(p.passage.source_document_id for p in found) == names
                cosines = {"open": 1.0, "closed": 0.6}
                for p in found:
                    expected = cosines[p.passage.source_document_id]
                    assert p.vector_score == pytest.approx(expected, abs=1e-3)
                assert all(p.lexical_rank for p in found), "stemmed as German"
    finally:
        await server.drop("migrated_with_rows")


async def store_by_first_schema(logins: DatabaseLogins) -> tuple[UUID, Space]:
    owner = await connect(logins.owner)
    try:
        await owner.execute("ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY")
        row = await owner.fetchrow(OLD_ROWS)
        assert row
        tenant_id, space_id = row
        await owner.execute("ALTER TABLE tenants FORCE ROW LEVEL SECURITY")
        await owner.execute("SELECT set_config('app.tenant_id', $1, false)", str(tenant_id))
        for name, acl, text in (
            ("open", [], "Es gibt dreißig Urlaubstage im Jahr für alle Beschäftigten."),
            ("closed", ["hr"], "Die Leitung nimmt ihre Urlaubstage erst im folgenden Jahr."),
        ):
            metadata = '{"year": 2025}' if acl else "{}"
            source = await owner.fetchval(OLD_SOURCE, tenant_id, name, metadata, acl)
            await owner.execute(OLD_VERSION, tenant_id, source, text)
            chunk = await owner.fetchval(OLD_CHUNK, tenant_id, source, text)
            await register_vector(owner)
            vector = [0.6, 0.8, 0.0] if acl else [1.0, 0.0, 0.0]
            await owner.execute(OLD_VECTOR, tenant_id, chunk, space_id, vector)
    finally:
        await owner.close()
    return tenant_id, Space(space_id, "test:tiny", 3)


SCHEMA = """
SELECT coalesce(string_agg(line, E'\\n' ORDER BY line), '') FROM (
    SELECT format('%s.%s %s %s', table_name, column_name, data_type, is_nullable) AS line
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT format('%s %s %s', tablename, policyname, qual) FROM pg_policies
    UNION ALL SELECT format('%s forced %s', relname, relforcerowsecurity) FROM pg_class
              WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
) s
"""


async def schema_of(logins: DatabaseLogins) -> str:
    connection = await connect(logins.owner)
    try:
        found: str = await connection.fetchval(SCHEMA)
    finally:
        await connection.close()
    return found


async def test_migrating_again_changes_nothing(logins: DatabaseLogins) -> None:
    before = await schema_of(logins)
    await migrate(logins.owner)
    assert await schema_of(logins) == before
    assert "index_terms" in before


async def test_the_search_tables_can_be_taken_back_and_made_again(server: Server) -> None:
    logins = await server.logins("migrated_back")
    try:
        await migrate(logins.owner, revision="0001")
        first = await schema_of(logins)
        tenant_id, _ = await store_by_first_schema(logins)
        await migrate(logins.owner)
        newest = await schema_of(logins)
        await downgrade(logins.owner, revision="0001")
        assert await schema_of(logins) == first
        owner = await connect(logins.owner)
        await owner.execute("SELECT set_config('app.tenant_id', $1, false)", str(tenant_id))
        assert await owner.fetchval("SELECT count(*) FROM postings") > 0
        assert await owner.fetchval("SELECT count(*) FROM chunk_lengths") == 2
        assert await owner.fetchval("SELECT count(chunk_id) FROM chunk_embeddings") == 2
        await owner.close()
        await migrate(logins.owner)
        assert await schema_of(logins) == newest
    finally:
        await server.drop("migrated_back")


async def test_a_space_has_an_index_of_its_own_dimensions(logins: DatabaseLogins) -> None:
    space = await ensure_embedding_space(logins.owner, model="test:tiny", dimensions=8)
    assert await ensure_embedding_space(logins.owner, model="test:tiny", dimensions=8) == space
    await build_index(logins.owner, Space(space, "test:tiny", 8))
    connection = await connect(logins.owner)
    definition = await connection.fetchval(
        "SELECT indexdef FROM pg_indexes WHERE indexname = $1", f"chunk_embeddings_space_{space}"
    )
    await connection.close()
    assert "halfvec(8)" in definition
    assert f"space_id = {space}" in definition


async def test_a_server_that_is_not_there_is_reported(unused_tcp_port: int) -> None:
    with pytest.raises(UnavailableError, match="cannot connect"):
        await migrate(Login(f"postgresql://nobody:nothing@127.0.0.1:{unused_tcp_port}/none"))
