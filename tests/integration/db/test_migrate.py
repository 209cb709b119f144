import asyncio

import pytest

from db.addresses import DatabaseLogins, Login
from db.migrate import ensure_embedding_space, migrate
from db.pool import connect
from rag.errors import UnavailableError
from tests.integration.servers import Server


async def test_migrations_run_at_once_take_turns(server: Server) -> None:
    logins = await server.logins("migrated_at_once")
    try:
        await asyncio.gather(*(migrate(logins.owner) for _ in range(4)))
        connection = await connect(logins.owner)
        assert await connection.fetchval("SELECT string_agg(version_num, ',') FROM alembic_version") == "0001"
        await connection.close()
    finally:
        await server.drop("migrated_at_once")


async def test_migrating_again_changes_nothing(logins: DatabaseLogins) -> None:
    await migrate(logins.owner)


async def test_a_space_has_an_index_of_its_own_dimensions(logins: DatabaseLogins) -> None:
    space = await ensure_embedding_space(logins.owner, model="test:tiny", dimensions=8)
    assert await ensure_embedding_space(logins.owner, model="test:tiny", dimensions=8) == space
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
