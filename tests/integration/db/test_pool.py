"""What a pool's connection sends to the server, and what it leaves behind."""

import asyncio
from typing import cast
from uuid import UUID, uuid4

import pytest

from db.addresses import DatabaseLogins
from db.pool import Database, PooledConnection, open_database

TENANT = "SELECT current_setting('app.tenant_id', true) AS id"


async def test_a_transaction_is_two_round_trips_and_its_statements(
    logins: DatabaseLogins, tenant_id: UUID
) -> None:
    async with open_database(logins, app_connections=1) as database:
        said: list[str] = []
        async with database.tenant(tenant_id) as connection:
            connection.add_query_logger(lambda query: said.append(query.query))
        said.clear()
        async with database.tenant(tenant_id) as connection:
            assert await connection.fetchval(TENANT) == str(tenant_id)
        assert [statement.split(";")[0] for statement in said] == ["BEGIN", TENANT, "COMMIT"]


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
async def test_what_a_session_was_told_is_forgotten_with_its_transaction(
    logins: DatabaseLogins, tenant_id: UUID, error: type[Exception] | None
) -> None:
    async with open_database(logins, app_connections=1) as database:
        try:
            async with database.tenant(tenant_id) as connection:
                await connection.execute("SELECT set_config('app.tenant_id', $1, false)", str(uuid4()))
                await connection.execute("SELECT pg_advisory_lock(42)")
                if error is not None:
                    raise error
        except ZeroDivisionError:
            pass
        assert not (await database.call(TENANT))[0]["id"]
        locks = "SELECT count(*) AS held FROM pg_locks WHERE locktype = 'advisory' AND objid = 42"
        assert (await database.call(locks))[0]["held"] == 0
        await _sees_itself_alone(database, tenant_id)


async def _sees_itself_alone(database: Database, tenant_id: UUID) -> None:
    async with database.tenant(tenant_id) as connection:
        assert [row["id"] for row in await connection.fetch("SELECT id FROM tenants")] == [tenant_id]


async def test_a_tenant_that_was_never_begun_as_is_not_the_next_ones(
    logins: DatabaseLogins, tenant_id: UUID
) -> None:
    async with open_database(logins, app_connections=1) as database:
        async with database._app.acquire() as connection:
            pooled = cast("PooledConnection", connection)
            pooled.begin_with(f"SELECT set_config('app.tenant_id', '{tenant_id}', true);")
        async with database._app.acquire() as connection, connection.transaction():
            assert not await connection.fetchval(TENANT)


BOTH_LOCKS = """
WITH first AS MATERIALIZED (SELECT pg_advisory_xact_lock({first})::text AS got),
    pause AS MATERIALIZED (SELECT pg_sleep(0.3)::text AS over FROM first)
SELECT pg_advisory_xact_lock({second})::text FROM pause
"""


async def test_a_single_statement_that_met_another_in_a_deadlock_is_made_again(
    logins: DatabaseLogins,
) -> None:
    there, back = BOTH_LOCKS.format(first=71, second=72), BOTH_LOCKS.format(first=72, second=71)
    async with open_database(logins, app_connections=2) as database:
        found = await asyncio.gather(database.call(there), database.call(back))
    assert [len(rows) for rows in found] == [1, 1]
