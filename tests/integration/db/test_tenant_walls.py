"""Five tenants at once on four connections, with errors, cancellations and lost connections in between."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from db.addresses import DatabaseLogins
from db.pool import Connection, Database, open_database
from db.repositories import spaces, tenants
from rag.errors import UnavailableError
from tests.integration.db.tenant_operations import OPERATIONS
from tests.integration.db.tenant_world import Call, Tenant, World

CONNECTIONS = 4
PATIENCE_S = 60.0  # for anything; a step takes milliseconds


class Disturbance(StrEnum):
    """What goes wrong with an operation, in the middle of its transaction."""

    NONE = "none"
    ERROR = "error"
    STATEMENT = "statement"
    CANCELLATION = "cancellation"
    LOST_CONNECTION = "lost_connection"
    STICKY_TENANT = "sticky_tenant"  # a tenant set for the session instead of the transaction


class DisturbedError(Exception):
    """Raised in a transaction as code of ours might."""


# What a caller sees of each, besides success: the operation may have ended before.
ERRORS: dict[Disturbance, tuple[type[BaseException], ...]] = {
    Disturbance.NONE: (),
    Disturbance.ERROR: (DisturbedError,),
    Disturbance.STATEMENT: (asyncpg.DivisionByZeroError,),
    Disturbance.CANCELLATION: (TimeoutError,),
    Disturbance.LOST_CONNECTION: (UnavailableError,),
    Disturbance.STICKY_TENANT: (),
}
# Half of all operations go well.
DISTURBANCES = [*Disturbance, *[Disturbance.NONE] * (len(Disturbance) - 2)]

current: ContextVar[tuple[Disturbance, UUID]] = ContextVar("current")


class DisturbedDatabase(Database):
    """The database of a service, whose transactions fail at the end in the way that `current` says."""

    @asynccontextmanager
    async def tenant(self, tenant_id: UUID) -> AsyncIterator[Connection]:
        async with super().tenant(tenant_id) as connection:
            yield connection
            await _disturb(connection)

    @property
    def pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        return self._app


async def _disturb(connection: Connection) -> None:
    disturbance, other_tenant = current.get()
    match disturbance:
        case Disturbance.ERROR:
            raise DisturbedError
        case Disturbance.STATEMENT:
            await connection.execute("SELECT 1 / 0")
        case Disturbance.LOST_CONNECTION:
            # The login may be a superuser's, whose sessions only a superuser may end.
            await connection.execute("SET ROLE NONE; SELECT pg_terminate_backend(pg_backend_pid())")
        case Disturbance.STICKY_TENANT:
            await connection.execute("SELECT set_config('app.tenant_id', $1, false)", str(other_tenant))


@dataclass(frozen=True, slots=True)
class Operation:
    """What one tenant does. The numbers choose among what there is by then."""

    name: int
    tenant: int
    other: int
    pick: int
    disturbance: Disturbance
    delay_ms: float


operations = st.builds(
    Operation,
    name=st.integers(0, len(OPERATIONS) - 1),
    tenant=st.integers(0, 4),
    other=st.integers(0, 4),
    pick=st.integers(0, 255),
    disturbance=st.sampled_from(DISTURBANCES),
    delay_ms=st.floats(0, 20),
)


class Walls:
    """Carries operations out and looks at what comes back."""

    def __init__(self, database: DisturbedDatabase, world: World) -> None:
        self._database = database
        self._world = world
        self.carried_out = 0

    def forget(self) -> None:
        self._world.made.clear()

    async def run(self, operation: Operation) -> None:
        tenant, other = (self._world.tenants[index] for index in (operation.tenant, operation.other))
        current.set((operation.disturbance, other.id))
        cancelled = operation.disturbance is Disturbance.CANCELLATION
        call = Call(self._world, tenant, other, operation.pick)
        try:
            async with asyncio.timeout(operation.delay_ms / 1000 if cancelled else PATIENCE_S):
                seen = str(await OPERATIONS[operation.name](call))
        except ERRORS[operation.disturbance]:
            seen = ""
        others = {stranger.canary for stranger in self._world.tenants if stranger is not tenant}
        assert not [canary for canary in others if canary in seen]
        self.carried_out += 1

    async def check_connections(self) -> None:
        """All of them at once, as the pool hands them out: without a tenant, seeing nothing."""
        held = [await self._database.pool.acquire() for _ in range(CONNECTIONS)]
        try:
            for connection in held:
                tenant = await connection.fetchval("SELECT current_setting('app.tenant_id', true)")
                assert tenant in {None, ""}
                assert await connection.fetchval("SELECT count(*) FROM tenants") == 0
        finally:
            for connection in held:
                await self._database.pool.release(connection)


class TenantsAtOnce(RuleBasedStateMachine):
    """Each step starts operations side by side; some go on while the next steps are taken."""

    def __init__(self, walls: Walls, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._walls = walls
        self._loop = loop
        self._going_on: list[Future[None]] = []
        walls.forget()

    @rule(several=st.lists(operations, min_size=4, max_size=16))
    def run_at_once(self, several: list[Operation]) -> None:
        self._await(_all([self._walls.run(operation) for operation in several]))

    @rule(operation=operations)
    def start(self, operation: Operation) -> None:
        self._going_on.append(asyncio.run_coroutine_threadsafe(self._walls.run(operation), self._loop))

    @invariant()
    def connections_come_back_without_a_tenant(self) -> None:
        self._await(self._walls.check_connections())

    def teardown(self) -> None:
        for running in self._going_on:
            running.result(timeout=PATIENCE_S)

    def _await(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=PATIENCE_S)


async def _all(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*work)


TENANT_COLUMNS = """
SELECT a.attrelid::regclass::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
  AND has_table_privilege(c.oid, 'SELECT')
"""
# A row of the one table and the row of the other that it refers to by a single column.
REFERENCES = """
SELECT r.conrelid::regclass::text AS child, a.attname AS child_column,
       r.confrelid::regclass::text AS parent, b.attname AS parent_column
FROM pg_constraint r
JOIN pg_attribute a ON a.attrelid = r.conrelid AND a.attnum = r.conkey[1]
JOIN pg_attribute b ON b.attrelid = r.confrelid AND b.attnum = r.confkey[1]
WHERE r.contype = 'f' AND cardinality(r.conkey) = 1 AND r.confrelid <> 'embedding_spaces'::regclass
  AND has_table_privilege(r.conrelid, 'SELECT')
"""


async def _check_rows(database: Database, tenant_id: UUID) -> None:
    """A tenant sees rows of its own alone, and all that they refer to."""
    async with Database.tenant(database, tenant_id) as connection:
        for row in await connection.fetch(TENANT_COLUMNS):
            (table,) = row
            found = await connection.fetch(f"SELECT DISTINCT tenant_id FROM {table}")
            assert {of for (of,) in found} <= {tenant_id}, table
        for row in await connection.fetch(REFERENCES):
            child, column, parent, key = row
            astray = await connection.fetchval(
                f"SELECT count(*) FROM {child} c WHERE c.{column} IS NOT NULL "
                f"AND NOT EXISTS (SELECT FROM {parent} p WHERE p.{key} = c.{column})"
            )
            assert astray == 0, (child, parent)


@pytest.fixture
async def walls(logins: DatabaseLogins) -> AsyncIterator[Walls]:
    async with open_database(logins, app_connections=CONNECTIONS) as opened:
        database = DisturbedDatabase(opened._app, opened._system)
        async with database.system() as connection:
            space = await spaces.active(connection)
            made = [await tenants.ensure(connection, slug=f"t-{uuid4().hex}", name="T") for _ in range(5)]
        assert space
        known = [Tenant(tenant.id, f"canary{uuid4().hex}") for tenant in made]
        yield Walls(database, World(database, space, known))
        for tenant in known:
            await _check_rows(opened, tenant.id)


async def _run(walls: Walls, *, examples: int, steps: int) -> None:
    loop = asyncio.get_running_loop()

    class Here(TenantsAtOnce):
        def __init__(self) -> None:
            super().__init__(walls, loop)

    await asyncio.to_thread(
        run_state_machine_as_test,
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=False,  # a second run is to find other examples
            database=None,
            phases=[Phase.generate],  # what hangs on timing gets no smaller
            suppress_health_check=list(HealthCheck),
        ),
    )


async def test_nothing_crosses_between_tenants_that_work_at_once(walls: Walls) -> None:
    await _run(walls, examples=10, steps=20)
    assert walls.carried_out >= 300


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_nothing_crosses_in_ten_thousand_operations(walls: Walls) -> None:
    while walls.carried_out < 10_000:
        await _run(walls, examples=50, steps=50)
    print(f"{walls.carried_out} operations")  # noqa: T201 - shown by `pytest -rP`
