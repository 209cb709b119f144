"""Searching at a standby of the database, which is never seen to be behind.

A search asks the primary for the tenant's corpus version, which every change of what it can find advances
(documents, access lists, deletions), and for the active embedding space. If the standby doesn't have both
already, the search is made at the primary. So a caller finds what was stored before the question, and nobody
reads what was closed or deleted before it.

A standby that is far behind, gone or no standby any more isn't asked at all: `ReplicatedDatabase` looks at it
every second.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

import asyncpg
import structlog

from db.addresses import DatabaseLogins
from db.pool import (
    SYSTEM_CONNECTIONS,
    UNREACHABLE,
    Connection,
    Database,
    PoolUse,
    ReplicaUse,
    open_pool,
    transaction_of,
)
from rag.errors import UnavailableError

log = structlog.get_logger(__name__)

T = TypeVar("T")

LOOK_S = 1.0  # between two looks at how far the standby is
PATIENCE_S = 1.0  # for what the standby answers in milliseconds when it is well
SAMPLES = 256  # positions of the primary that are remembered

PRIMARY_POSITION = "SELECT (pg_current_wal_lsn() - '0/0')::bigint AS position"
STANDBY_POSITION = """
SELECT pg_is_in_recovery() AS is_standby, coalesce(pg_last_wal_replay_lsn() - '0/0', 0)::bigint AS position
"""
CORPUS = """
SELECT (SELECT corpus_version FROM tenants WHERE id = $1) AS version,
       (SELECT id FROM embedding_spaces WHERE active) AS space_id
"""


class ReplicaState(StrEnum):
    FRESH = "fresh"
    BEHIND = "behind"  # by more than the bound
    UNREACHABLE = "unreachable"
    PRIMARY = "primary"  # it was made one: what it holds goes its own way


class ReplicaMissedError(Exception):
    """The standby can't answer this; the primary can."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """What searches of a tenant can find, as far as one server knows."""

    version: int | None
    space_id: int | None

    def holds(self, other: "Corpus") -> bool:
        """Whether all that the other has is here too."""
        if self.version is None or other.version is None:
            return False
        return self.version >= other.version and self.space_id == other.space_id


class LagMeter:
    """How long ago the primary was where the standby is.

    It compares positions in the log and asks no clock but our own: a primary without work makes no lag, and a
    standby whose connection hangs does.
    """

    def __init__(self) -> None:
        self._ahead: list[tuple[float, int]] = []  # moments and positions that the standby hasn't reached
        self._gap_s = 0.0  # between two that are remembered

    def add(self, moment: float, position: int) -> None:
        """The primary's position at this moment, in seconds of a monotonic clock."""
        if self._ahead and moment - self._ahead[-1][0] < self._gap_s:
            return
        self._ahead.append((moment, position))
        if len(self._ahead) > SAMPLES:
            self._gap_s = 2 * (moment - self._ahead[0][0]) / SAMPLES
            del self._ahead[1::2]  # the oldest stays, and with it how long the standby is behind

    def lag(self, moment: float, position: int) -> float:
        """Seconds that a standby at this position is behind; exact to a look's distance, or a hundredth."""
        self._ahead = [sample for sample in self._ahead if sample[1] > position]
        if not self._ahead:
            self._gap_s = 0.0
            return 0.0
        return moment - self._ahead[0][0]


class Replica:
    """A standby's pool and what is known about it.

    Args:
        pool: Of the role `app`. It may be empty: the standby need not be there yet.
        max_lag_s: How far it may be behind, in seconds.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", *, max_lag_s: float) -> None:
        self._pool = pool
        self._max_lag_s = max_lag_s
        self._meter = LagMeter()
        self._lag_s = 0.0
        self.state = ReplicaState.UNREACHABLE

    def connections(self) -> PoolUse:
        return PoolUse.of("read", self._pool)

    @property
    def lag_s(self) -> float:
        """When it was last reached."""
        return self._lag_s

    async def look(self, moment: float, primary_position: int) -> None:
        """See whether it can be read, given where the primary was at a moment before."""
        self._meter.add(moment, primary_position)
        try:
            async with asyncio.timeout(PATIENCE_S), self._pool.acquire() as connection:
                row = await connection.fetchrow(STANDBY_POSITION)
        except (*UNREACHABLE, UnavailableError, asyncpg.PostgresError) as exc:
            self._take(ReplicaState.UNREACHABLE, reason=type(exc).__name__)
            return
        assert row is not None, "a SELECT without FROM"  # noqa: S101 - narrows the type
        if not row["is_standby"]:
            self._take(ReplicaState.PRIMARY)
            return
        self._lag_s = self._meter.lag(time.monotonic(), row["position"])
        self._take(ReplicaState.FRESH if self._lag_s <= self._max_lag_s else ReplicaState.BEHIND)

    async def read(self, tenant_id: UUID, corpus: Corpus, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do it in a transaction that reads one tenant's rows, at least as new as `corpus`.

        Raises:
            ReplicaMissedError: It is not so far yet, or did not answer.
        """
        try:
            async with AsyncExitStack() as stack:
                return await work(await self._begin(stack, tenant_id, corpus))
        except (*UNREACHABLE, UnavailableError, asyncpg.PostgresError) as exc:
            # Replay cancels queries in its way; what is the statement's own fault shows again at the primary.
            log.info("replica_search_failed", error=type(exc).__name__)
            raise ReplicaMissedError from exc

    async def _begin(self, stack: AsyncExitStack, tenant_id: UUID, corpus: Corpus) -> Connection:
        connection = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                connection = await stack.enter_async_context(self._pool.acquire())
                await stack.enter_async_context(transaction_of(connection, tenant_id, readonly=True))
                found = await _read_corpus(connection, tenant_id)
        except (*UNREACHABLE, UnavailableError) as exc:
            if connection is not None:
                connection.terminate()  # it may hang for as long as whoever waits for it
            self._take(ReplicaState.UNREACHABLE, reason=type(exc).__name__)
            raise
        if not found.holds(corpus):
            raise ReplicaMissedError
        return connection

    def _take(self, state: ReplicaState, **why: str) -> None:
        if state is self.state:
            return
        self.state = state
        if state is ReplicaState.FRESH:
            log.info("replica_read", lag_s=round(self._lag_s, 1))
        else:
            log.warning("replica_not_read", state=state.value, lag_s=round(self._lag_s, 1), **why)


class ReplicatedDatabase(Database):
    """A database whose `read` goes to a standby while that has what is asked for."""

    def __init__(
        self,
        app: "asyncpg.Pool[asyncpg.Record]",
        system: "asyncpg.Pool[asyncpg.Record]",
        replica: Replica,
    ) -> None:
        super().__init__(app, system)
        self._replica = replica
        self._reads = {"replica": 0, "primary": 0}

    async def read(self, tenant_id: UUID, work: Callable[[Connection], Awaitable[T]]) -> T:
        if self._replica.state is ReplicaState.FRESH:
            async with self.tenant(tenant_id) as connection:
                corpus = await _read_corpus(connection, tenant_id)
            try:
                found = await self._replica.read(tenant_id, corpus, work)
            except ReplicaMissedError:
                pass
            else:
                self._reads["replica"] += 1
                return found
        self._reads["primary"] += 1
        return await super().read(tenant_id, work)

    def pools(self) -> list[PoolUse]:
        return [*super().pools(), self._replica.connections()]

    def replica(self) -> ReplicaUse:
        return ReplicaUse(self._replica.state.value, self._replica.lag_s, dict(self._reads))

    async def look(self) -> None:
        """See how far the standby is. Without the primary nothing changes: nothing can be read then."""
        moment = time.monotonic()
        try:
            rows = await self.call(PRIMARY_POSITION)
        except (UnavailableError, asyncpg.PostgresError):
            return
        await self._replica.look(moment, rows[0]["position"])

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except Exception:  # the task's boundary: the next look may go well
                log.exception("replica_look_failed")


async def _read_corpus(connection: Connection, tenant_id: UUID) -> Corpus:
    row = await connection.fetchrow(CORPUS, tenant_id)
    assert row is not None, "a SELECT without FROM"  # noqa: S101 - narrows the type
    return Corpus(row["version"], row["space_id"])


@asynccontextmanager
async def open_replicated_database(
    logins: DatabaseLogins, *, app_connections: int, max_lag_s: float
) -> AsyncIterator[Database]:
    """`open_database` with the standby that `logins` name, if they do. It need not be reachable.

    Args:
        logins: Who logs in, and where.
        app_connections: Largest number of connections that serve requests, and as many to the standby.
        max_lag_s: How far the standby may be behind to be read, in seconds.

    Raises:
        UnavailableError: The primary can't be reached or refuses the login.
    """
    async with AsyncExitStack() as stack:
        app = await open_pool(logins.app, stack, size=app_connections)
        system = await open_pool(logins.system, stack, size=SYSTEM_CONNECTIONS)
        if logins.read is None:
            yield Database(app, system)
            return
        pool = await open_pool(logins.read, stack, size=app_connections, idle=0)
        database = ReplicatedDatabase(app, system, Replica(pool, max_lag_s=max_lag_s))
        await database.look()
        task = asyncio.create_task(database.watch())
        try:
            yield database
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
