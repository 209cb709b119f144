"""Searching at a real standby: what it is asked, when it isn't, and that nobody notices it being behind."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.doctor import Finding, State, examine
from app.ingestion.queue import delete_source
from db.addresses import APP_ROLE, DatabaseLogins, Login
from db.embedded import embedded_postgres
from db.pool import Connection, Database
from db.replica import ReplicatedDatabase, open_replicated_database
from db.repositories import sources, tenants
from db.stores import PostgresChunkSearch, PostgresSourceStore
from rag.ports import SearchScope, Writer
from tests.integration.conftest import settings_for
from tests.integration.db.corpus import Searcher, find_space, new_version
from tests.integration.db.standby import Standby, at_standby, open_standby
from tests.integration.servers import EMBEDDED_MAJOR, Server, migrate_template
from tests.integration.waiting import until, until_true

MAX_LAG_S = 0.6
WRITE_SOMETHING = "SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000))"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="groundwork-tests-") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture(scope="module")
async def primary(folder: Path) -> AsyncIterator[Server]:
    async with embedded_postgres(folder, major=EMBEDDED_MAJOR) as address:
        yield Server(address=address)


@pytest.fixture(scope="module")
async def own_logins(primary: Server) -> DatabaseLogins:
    return await primary.logins(await migrate_template(primary))


@pytest.fixture(scope="module")
async def standby(primary: Server, own_logins: DatabaseLogins) -> AsyncIterator[Standby]:
    assert own_logins
    assert primary.address
    async with open_standby(primary.address) as opened:
        yield opened


@asynccontextmanager
async def reading_at(standby: Standby, logins: DatabaseLogins) -> AsyncIterator[ReplicatedDatabase]:
    read = Login(at_standby(logins.app, standby), role=APP_ROLE)
    async with open_replicated_database(
        replace(logins, read=read), app_connections=4, max_lag_s=MAX_LAG_S
    ) as opened:
        assert isinstance(opened, ReplicatedDatabase)
        yield opened


@pytest.fixture
async def database(standby: Standby, own_logins: DatabaseLogins) -> AsyncIterator[ReplicatedDatabase]:
    async with reading_at(standby, own_logins) as opened:
        assert opened.replica().state == "fresh"
        yield opened


class Tenant:
    """A tenant of one test's own, and what it does."""

    def __init__(
        self, database: Database, tenant_id: UUID, store: PostgresSourceStore, find: Searcher
    ) -> None:
        self.database = database
        self.id = tenant_id
        self._store = store
        self._find = find

    async def add(self, name: str, text: str, *, acl: tuple[str, ...] | None = None) -> UUID:
        ingested = await self._store.add_version(Writer(self.id), new_version(name, [text], acl=acl))
        return ingested.document_id

    async def found(self, word: str, *groups: str) -> list[str]:
        return await self._find.texts(word, SearchScope(self.id, groups=groups))


async def tenant_of(database: Database) -> Tenant:
    async with database.system() as connection:
        tenant_id = (await tenants.ensure(connection, slug=f"t-{uuid4().hex}", name="Test")).id
    space = await find_space(database)
    search = Searcher(PostgresChunkSearch(database, space), tenant_id)
    return Tenant(database, tenant_id, PostgresSourceStore(database, space), search)


@pytest.fixture
async def tenant(database: ReplicatedDatabase) -> Tenant:
    return await tenant_of(database)


@asynccontextmanager
async def paused(standby: Standby) -> AsyncIterator[None]:
    """The standby stands still, and goes on at the end."""
    await standby.run("SELECT pg_wal_replay_pause()")
    await until(lambda: standby.run("SELECT pg_get_wal_replay_pause_state() = 'paused'"))
    try:
        yield
    finally:
        await standby.run("SELECT pg_wal_replay_resume()")


async def searched_at(tenant: Tenant, word: str, *groups: str) -> tuple[str, list[str]]:
    """Where a search was made, and what it found."""
    assert isinstance(tenant.database, ReplicatedDatabase)
    before = tenant.database.replica().reads
    found = await tenant.found(word, *groups)
    after = tenant.database.replica().reads
    (where,) = (name for name in after if after[name] > before[name])
    return where, found


async def noticed(database: ReplicatedDatabase, state: str) -> None:
    """The watch finds it out by itself."""
    await until_true(lambda: database.replica().state == state)


async def test_what_was_just_stored_closed_or_deleted_counts_at_once_although_the_standby_stands_still(
    tenant: Tenant, standby: Standby
) -> None:
    closed = await tenant.add("closed", "The heron sleeps.", acl=("birds",))
    deleted = await tenant.add("deleted", "The otter dives.")
    await standby.catch_up()
    assert await searched_at(tenant, "heron", "birds") == ("replica", ["The heron sleeps."])
    assert await searched_at(tenant, "otter") == ("replica", ["The otter dives."])
    async with paused(standby):
        await tenant.add("new", "The heron wakes.")
        assert await searched_at(tenant, "wakes") == ("primary", ["The heron wakes."])
        async with tenant.database.tenant(tenant.id) as connection:
            await sources.change(
                connection, tenant.id, ["birds"], closed, metadata=None, acl=("fish",), uri=None
            )
            await delete_source(connection, tenant.id, (), deleted)
        assert await tenant.found("sleeps", "birds") == []
        assert await tenant.found("sleeps", "fish") == ["The heron sleeps."]
        assert await tenant.found("otter") == []
        other = await tenant_of(tenant.database)
        assert await other.found("heron") == []
    await standby.catch_up()
    assert await searched_at(tenant, "wakes") == ("replica", ["The heron wakes."])
    assert await searched_at(tenant, "otter") == ("replica", [])


async def test_a_standby_beyond_the_bound_is_left_alone_until_it_has_caught_up(
    tenant: Tenant, standby: Standby
) -> None:
    database = tenant.database
    assert isinstance(database, ReplicatedDatabase)
    await tenant.add("known", "The heron sleeps.")
    await standby.catch_up()
    async with paused(standby):
        await database.call(WRITE_SOMETHING)  # nothing of the tenant's
        await tenant_of(database)
        assert (await searched_at(tenant, "heron"))[0] == "replica"
        await noticed(database, "behind")
        assert database.replica().lag_s > MAX_LAG_S
        assert await searched_at(tenant, "heron") == ("primary", ["The heron sleeps."])
    await noticed(database, "fresh")
    assert await searched_at(tenant, "heron") == ("replica", ["The heron sleeps."])


async def test_a_primary_without_work_makes_no_lag(database: ReplicatedDatabase, standby: Standby) -> None:
    await standby.catch_up()
    await asyncio.sleep(MAX_LAG_S * 1.5)
    await database.look()
    assert database.replica().state == "fresh"
    assert database.replica().lag_s < MAX_LAG_S / 2


@pytest.mark.slow
async def test_searches_go_on_while_the_standby_is_away_and_return_to_it(
    tenant: Tenant, standby: Standby
) -> None:
    database = tenant.database
    assert isinstance(database, ReplicatedDatabase)
    await tenant.add("known", "The heron sleeps.")
    await standby.catch_up()
    assert (await searched_at(tenant, "heron"))[0] == "replica"
    standby.stop()
    try:
        assert await searched_at(tenant, "heron") == ("primary", ["The heron sleeps."])
        assert database.replica().state == "unreachable"
    finally:
        await standby.start()
    await standby.catch_up()
    await noticed(database, "fresh")
    assert (await searched_at(tenant, "heron"))[0] == "replica"


async def test_a_standby_that_hangs_delays_one_search_and_no_other(tenant: Tenant, standby: Standby) -> None:
    await tenant.add("known", "The heron sleeps.")
    await standby.catch_up()
    assert (await searched_at(tenant, "heron"))[0] == "replica"
    times = []
    with standby.hanging():
        for _ in range(3):
            began = time.perf_counter()
            assert await searched_at(tenant, "heron") == ("primary", ["The heron sleeps."])
            times.append(time.perf_counter() - began)
    assert times[0] < 2.5
    assert max(times[1:]) < 0.5


async def test_the_walls_between_tenants_stand_at_the_standby_whoever_logs_in(
    standby: Standby, own_logins: DatabaseLogins, primary: Server
) -> None:
    assert primary.address
    name = own_logins.app.url.split("?")[0].rpartition("/")[2]
    superuser = standby.address.admin_dsn(name)
    logins = DatabaseLogins.from_urls(
        own_logins.owner.url, app=own_logins.app.url, system=own_logins.system.url, read=superuser
    )
    async with open_replicated_database(logins, app_connections=2, max_lag_s=MAX_LAG_S) as database:
        assert isinstance(database, ReplicatedDatabase)
        tenant, other = await tenant_of(database), await tenant_of(database)
        await tenant.add("known", "The heron sleeps.")
        await standby.catch_up()

        async def seen(connection: Connection) -> tuple[str, int, bool]:
            row = await connection.fetchrow(
                "SELECT current_user, (SELECT count(*) FROM documents), pg_is_in_recovery()"
            )
            assert row
            return tuple(row)

        assert await database.read(tenant.id, seen) == (APP_ROLE, 1, True)
        assert await database.read(other.id, seen) == (APP_ROLE, 0, True)
        assert (await searched_at(other, "heron")) == ("replica", [])


async def test_the_doctor_tells_of_it(standby: Standby, own_logins: DatabaseLogins) -> None:
    async def told(url: str) -> Finding:
        settings = settings_for(own_logins, database_read_url=url)
        (found,) = [found async for found in examine(settings) if found.check == "read replica"]
        return found

    found = await told(at_standby(own_logins.app, standby))
    assert found.state is State.OK, found
    found = await told(own_logins.app.url)
    assert (found.state, found.detail) == (
        State.WARNING,
        "it is primary, so searches go to the primary",
    )


@pytest.mark.slow
async def test_a_service_starts_without_its_standby(standby: Standby, own_logins: DatabaseLogins) -> None:
    standby.stop()
    try:
        async with reading_at(standby, own_logins) as database:
            tenant = await tenant_of(database)
            await tenant.add("known", "The heron sleeps.")
            assert await searched_at(tenant, "heron") == ("primary", ["The heron sleeps."])
    finally:
        await standby.start()


@pytest.mark.slow
async def test_one_that_was_made_a_primary_is_never_read_again(tenant: Tenant, standby: Standby) -> None:
    """The last one: the standby is none afterwards."""
    database = tenant.database
    assert isinstance(database, ReplicatedDatabase)
    await tenant.add("known", "The heron sleeps.")
    await standby.catch_up()
    assert await standby.run("SELECT pg_promote(true, 20)")
    await database.look()
    assert database.replica().state == "primary"
    assert await searched_at(tenant, "heron") == ("primary", ["The heron sleeps."])
