from uuid import UUID, uuid4

import asyncpg
import pytest

from db.addresses import DatabaseLogins
from db.pool import Database, connect
from db.repositories import conversations, tenants


@pytest.fixture
async def other_tenant_id(database: Database) -> UUID:
    async with database.system() as connection:
        return (await tenants.ensure(connection, slug="other", name="Other")).id


@pytest.mark.parametrize("role", ["app", "system", "owner"])
async def test_no_role_goes_past_the_policies(logins: DatabaseLogins, role: str) -> None:
    connection = await connect(getattr(logins, role))
    try:
        bypass = await connection.fetchval(
            "SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = current_user"
        )
    finally:
        await connection.close()
    if role == "owner" and bypass:
        pytest.skip("the database under test was given with a superuser's login")
    assert bypass is False


async def test_a_tenant_does_not_see_anothers_rows(
    database: Database, tenant_id: UUID, other_tenant_id: UUID
) -> None:
    async with database.tenant(tenant_id) as connection:
        mine = await conversations.start(connection, tenant_id, subject="me")
    async with database.tenant(other_tenant_id) as connection:
        assert await conversations.subject_of(connection, mine) is None
    async with database.tenant(tenant_id) as connection:
        assert await conversations.subject_of(connection, mine) == "me"


async def test_a_row_cannot_be_written_for_another_tenant(
    database: Database, tenant_id: UUID, other_tenant_id: UUID
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.tenant(tenant_id) as connection:
            await conversations.start(connection, other_tenant_id, subject="me")


async def test_without_a_tenant_nothing_is_seen(logins: DatabaseLogins, tenant_id: UUID) -> None:
    assert tenant_id
    connection = await connect(logins.app)
    try:
        assert await connection.fetchval("SELECT count(*) FROM tenants") == 0
        await connection.execute("BEGIN")
        await connection.execute("SELECT set_config('app.tenant_id', $1, true)", str(uuid4()))
        await connection.execute("COMMIT")
        assert await connection.fetchval("SELECT count(*) FROM conversations") == 0
    finally:
        await connection.close()


async def test_connections_come_back_without_a_tenant(database: Database, tenant_id: UUID) -> None:
    for _ in range(20):
        async with database.tenant(tenant_id) as connection:
            await connection.execute("SELECT 1")
        async with database._app.acquire() as connection:
            assert await connection.fetchval("SELECT current_setting('app.tenant_id', true)") in {"", None}


async def test_the_system_role_reaches_only_the_tables_that_its_policies_name(database: Database) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.system() as connection:
            await connection.fetch("SELECT * FROM documents")
