"""Connection pools, one a role, and the only way to a tenant's rows: `Database.tenant`."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeAlias, TypeVar, cast
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction
from pgvector.asyncpg import register_vector

from db.addresses import DatabaseLogins, Login
from db.statement_spans import note_statement
from rag.errors import NotFoundError, UnavailableError

# A string: asyncpg's classes take type arguments in their stubs only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

T = TypeVar("T")

ENTER_TENANT = "SELECT enter_tenant('{tenant_id}');"
IS_THERE = "SELECT EXISTS (SELECT FROM tenants WHERE id = $1)"

# They ride in the start-up packet, so that no query pays a round trip for them.
SESSION_SETTINGS = {
    "application_name": "groundwork",
    "search_path": "public",
    "timezone": "UTC",
    # Planning the search statement takes longer than running it; its plan does not hang on the values.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",  # compiling pays for seconds of work, not for milliseconds
    # A filtered HNSW scan goes on until it has found enough. Keeping the order strict would throw away what
    # comes late; the statements that search put what they find in order themselves.
    "hnsw.iterative_scan": "relaxed_order",
    "hnsw.ef_search": "80",
    # However far from the question the chunks in scope lie, as many as were asked for are found.
    "hnsw.max_scan_tuples": "2147483647",
    "hnsw.scan_mem_multiplier": "32",  # times work_mem; what a scan has seen is kept in memory
}
# What the driver and the server say when it is not the query's fault.
UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.DeadlockDetectedError,
)
CONNECT_TIMEOUT = 10.0  # seconds; a healthy server answers in milliseconds
STATEMENT_TIMEOUT = 60.0  # seconds; the longest statement is the switch of a large document
SYSTEM_CONNECTIONS = 4  # who asks, and the queue


class PooledConnection(asyncpg.Connection):
    """A connection whose transactions begin as a tenant, and end with a reset, without round trips for these.

    The driver sends `BEGIN`, what enters the tenant, `COMMIT` and what resets the session one by one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._setting = ""
        self._was_reset = False

    def begin_with(self, setting: str) -> None:
        """Send this along with the next `BEGIN`."""
        self._setting = setting

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109
        if query.startswith("BEGIN"):
            query, self._setting = query + self._setting, ""
        ends = query == "COMMIT;"
        if ends:
            query += self.get_reset_query()
        self._was_reset = False
        status: str = await super().execute(query, *args, timeout=timeout)
        self._was_reset = ends
        return status

    async def reset_session(self) -> None:
        """Leave nothing to whoever has the connection next. The pool calls it when no transaction is open."""
        if not self._was_reset:
            await self.execute(self.get_reset_query())
        self._setting, self._was_reset = "", False


@dataclass(frozen=True, slots=True)
class PoolUse:
    """A pool's connections: those that are lent, those that wait, and most that there may be."""

    name: str
    in_use: int
    idle: int
    limit: int

    @classmethod
    def of(cls, name: str, pool: "asyncpg.Pool[asyncpg.Record]") -> Self:
        idle = pool.get_idle_size()
        return cls(name, pool.get_size() - idle, idle, pool.get_max_size())


@dataclass(frozen=True, slots=True)
class ReplicaUse:
    """How a standby is used.

    Attributes:
        state: Whether it is read: "fresh", or why it is not.
        lag_s: How many seconds it was behind when it was last reached.
        reads: Searches so far, by where they were made: "replica", "primary".
    """

    state: str
    lag_s: float
    reads: Mapping[str, int]


class Database:
    """Pools of the roles `app` and `system`. Made by `open_database`."""

    def __init__(self, app: "asyncpg.Pool[asyncpg.Record]", system: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._app = app
        self._system = system

    @asynccontextmanager
    async def tenant(self, tenant_id: UUID) -> AsyncIterator[Connection]:
        """A transaction as `app` that sees one tenant's rows. Commits at the end, rolls back on an error.

        Raises:
            UnavailableError: The database can't be reached.
            NotFoundError: The tenant is being deleted, or was, and a row could not be written for it.
        """
        async with _translated(), self._app.acquire() as connection:
            try:
                async with transaction_of(connection, tenant_id):
                    yield connection
            except asyncpg.ForeignKeyViolationError as exc:
                async with transaction_of(connection, tenant_id):
                    if await connection.fetchval(IS_THERE, tenant_id):
                        raise
                raise NotFoundError("the tenant was deleted") from exc

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Connection]:
        """A transaction as `system`: sees all tenants, but just the tables that its policies name."""
        async with _translated(), self._system.acquire() as connection, connection.transaction():
            yield connection

    async def read(self, tenant_id: UUID, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do what only reads documents in a transaction that sees one tenant's rows; may be done twice.

        A database with a standby does it there if nothing that it reads is older there than here.

        Raises:
            UnavailableError: The database can't be reached.
        """
        async with self.tenant(tenant_id) as connection:
            return await work(connection)

    async def call(self, statement: str, *arguments: object) -> "list[asyncpg.Record]":
        """The rows of a statement that is a transaction of its own: one round trip as `app`.

        It sees rows only where it calls a function that sets the tenant.

        Raises:
            UnavailableError: The database can't be reached.
            NotFoundError: The tenant was deleted.
        """
        async with _translated(), self._app.acquire() as connection:
            try:
                try:
                    return await connection.fetch(statement, *arguments)
                except asyncpg.DeadlockDetectedError:  # with a tenant's deletion, which has gone on since
                    return await connection.fetch(statement, *arguments)
            except asyncpg.ForeignKeyViolationError as exc:
                if not (exc.constraint_name or "").endswith("_tenant_id_fkey"):
                    raise
                raise NotFoundError("the tenant was deleted") from exc

    def pools(self) -> list[PoolUse]:
        """How much of each pool is in use now."""
        return [PoolUse.of("app", self._app), PoolUse.of("system", self._system)]

    def replica(self) -> ReplicaUse | None:
        """How the standby is used; None where there is none."""
        return None

    async def ping(self) -> None:
        """Ask for one row as `app`; as `system` while all of the app's connections are lent.

        Whoever has much to do would else wait behind it, be taken for dead, and leave it to others who then
        have too much.

        Raises:
            UnavailableError: The database can't be reached.
        """
        use = PoolUse.of("app", self._app)
        pool = self._system if use.in_use == use.limit else self._app
        async with _translated(), pool.acquire() as connection:
            await connection.fetchval("SELECT 1")


def transaction_of(connection: Connection, tenant_id: UUID, *, readonly: bool = False) -> Transaction:
    """A transaction on a pool's connection that sees one tenant's rows."""
    pooled = cast("PooledConnection", connection)  # or the pool's proxy, which has its methods
    pooled.begin_with(ENTER_TENANT.format(tenant_id=tenant_id))
    return connection.transaction(readonly=readonly)


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except ValueError:
        raise  # a value that fits no column: a bug of ours, although the driver calls it an interface error
    except asyncpg.NoDataFoundError as exc:
        raise NotFoundError("the tenant is being deleted") from exc
    except UNREACHABLE as exc:
        raise UnavailableError("the database cannot be reached") from exc


async def connect(login: Login) -> "asyncpg.Connection[asyncpg.Record]":
    """A single connection outside the pools, for migrations and index builds.

    Raises:
        UnavailableError: The server can't be reached or refuses the login.
    """
    settings = {"role": login.role} if login.role else {}
    try:
        return await _log_in(login, timeout=CONNECT_TIMEOUT, server_settings=settings)
    except (OSError, TimeoutError, asyncpg.PostgresError) as exc:
        raise UnavailableError(f"cannot connect to the database: {exc}") from exc


async def _log_in(login: Login, *_: object, **arguments: Any) -> "asyncpg.Connection[asyncpg.Record]":
    """Connect; once more where the login is refused and turns out to have changed."""
    url = login.newest_url
    try:
        return await _connect(url, **arguments)
    except asyncpg.InvalidAuthorizationSpecificationError:  # a wrong password too
        if login.renewal and login.newest_url == url:
            await login.renewal.renew()
        if login.newest_url == url:
            raise
    return await _connect(login.newest_url, **arguments)


async def _connect(url: str, **arguments: Any) -> "asyncpg.Connection[asyncpg.Record]":
    try:
        return await asyncpg.connect(url, **arguments)
    except ValueError:
        # The driver quotes what it can't read, which may be the password that upsets the URL.
        raise UnavailableError(
            "cannot connect to the database: its URL can't be read, or its TLS settings can't be used"
        ) from None


@asynccontextmanager
async def open_database(logins: DatabaseLogins, *, app_connections: int = 10) -> AsyncIterator[Database]:
    """Open both pools; close them at the end, after running queries have ended.

    Args:
        logins: Who logs in, and where.
        app_connections: Largest number of connections that serve requests.

    Raises:
        UnavailableError: The server can't be reached or refuses the login.
    """
    async with AsyncExitStack() as stack:
        app = await open_pool(logins.app, stack, size=app_connections)
        system = await open_pool(logins.system, stack, size=SYSTEM_CONNECTIONS)
        yield Database(app, system)


async def open_pool(
    login: Login, stack: AsyncExitStack, *, size: int, idle: int = 1
) -> "asyncpg.Pool[asyncpg.Record]":
    """A pool of at least `idle` connections; none means that nobody need be there yet.

    Raises:
        UnavailableError: The server can't be reached or refuses the login.
    """
    settings = SESSION_SETTINGS | ({"role": login.role} if login.role else {})
    try:
        pool = await asyncpg.create_pool(
            connect=partial(_log_in, login),
            min_size=idle,
            max_size=size,
            timeout=CONNECT_TIMEOUT,
            command_timeout=STATEMENT_TIMEOUT,
            server_settings=settings,
            init=_prepare_connection,
            reset=_reset_session,
            connection_class=PooledConnection,
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as exc:
        raise UnavailableError(f"cannot connect to the database: {exc}") from exc
    stack.push_async_callback(_close, pool)
    return pool


async def _close(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    try:
        await asyncio.wait_for(pool.close(), timeout=10)
    except TimeoutError:
        pool.terminate()


async def _reset_session(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await cast("PooledConnection", connection).reset_session()


async def _prepare_connection(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await register_vector(connection)
    connection.add_query_logger(note_statement)
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
