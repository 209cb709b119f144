"""A tenant that is deleted while its rows are worked on."""

import asyncio
from uuid import UUID

import pytest

from db.pool import Database
from db.repositories import tenants
from db.stores import PostgresSourceStore
from rag.errors import NotFoundError
from rag.ports import Writer
from tests.integration.db.corpus import new_version
from tests.integration.waiting import until

ADD_ROW = "INSERT INTO quality_monitors (tenant_id, state) VALUES ($1, '')"
HOLD_SOURCES = "SELECT count(*) FROM (SELECT FROM source_documents FOR SHARE) held"
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


async def _delete(database: Database, tenant_id: UUID) -> bool:
    async with database.system() as connection:
        return await tenants.delete(connection, tenant_id)


async def _has_to_wait(database: Database) -> None:
    async def waits() -> bool:
        async with database.system() as connection:
            return bool(await connection.fetchval(WAITING))

    await until(waits)


async def test_whoever_is_in_ends_and_nobody_gets_in(
    database: Database, store: PostgresSourceStore, own_tenant_id: UUID, tenant_id: UUID
) -> None:
    """Holding a row that the deletion wants, and then wanting the tenant's: else a deadlock."""
    await store.add_version(Writer(own_tenant_id), new_version("a", ["alfa"], language="xx"))
    async with database.tenant(own_tenant_id) as connection:
        assert await connection.fetchval(HOLD_SOURCES) == 1
        deleting = asyncio.create_task(_delete(database, own_tenant_id))
        await _has_to_wait(database)
        for _ in range(20):  # more than there are connections, each of which must serve again
            with pytest.raises(NotFoundError):
                async with database.tenant(own_tenant_id):
                    pytest.fail("got in")
        async with database.tenant(tenant_id) as other:
            assert await other.fetchval("SELECT id FROM tenants") == tenant_id
        await connection.execute(ADD_ROW, own_tenant_id)
    assert await deleting
    async with database.tenant(own_tenant_id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM source_documents") == 0


async def test_a_deletion_that_is_given_up_lets_all_in_again(database: Database, own_tenant_id: UUID) -> None:
    async with database.tenant(own_tenant_id):
        deleting = asyncio.create_task(_delete(database, own_tenant_id))
        await _has_to_wait(database)
        deleting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await deleting
    async with database.tenant(own_tenant_id) as connection:
        assert await connection.fetchval("SELECT id FROM tenants") == own_tenant_id
