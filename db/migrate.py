"""Bring a database to the newest schema: roles and migrations. Needs the `owner` login."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection as SyncConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from db.addresses import APP_ROLE, SYSTEM_ROLE, Login
from db.pool import connect
from rag.errors import UnavailableError

MIGRATIONS = Path(__file__).parent / "migrations"
MINIMUM_VERSION = 16
LOCK_KEY = 0x67726F756E64  # "ground": one migration at a time for each database
LOCK_WAIT_S = 10.0  # who waits for a table's lock holds up all that want it after; a second try costs nothing

# A role belongs to the whole server, so another database's migration may make it at the same moment.
CREATE_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
# Lets the owner's login take the role on; a role that logs in by itself doesn't need it.
GRANT_ROLE = """
DO $$ BEGIN
    IF NOT pg_has_role(current_user, '{role}', 'SET') THEN
        GRANT {role} TO CURRENT_USER;
    END IF;
EXCEPTION WHEN unique_violation THEN NULL;
END $$
"""
CONNECT_GRANT = "GRANT USAGE ON SCHEMA public TO {role}"


async def migrate(
    owner: Login, *, revision: str = "head", migrations: Path = MIGRATIONS, lock_wait_s: float = LOCK_WAIT_S
) -> None:
    """Bring the schema to `revision`. Safe to run from several processes at once: they take turns.

    Each migration is a transaction: one that fails leaves what those before it have made.

    Args:
        owner: Whose tables they are.
        revision: Where to go.
        migrations: The folder of the revisions.
        lock_wait_s: How long a statement waits for a table that others use.

    Raises:
        UnavailableError: The server can't be reached, is too old, lacks pgvector, refuses the login or a
            statement, or a table was in use for too long.
    """
    async with locked(owner) as connection:
        await _check_server(connection)
        for role in (APP_ROLE, SYSTEM_ROLE):
            for statement in (CREATE_ROLE, GRANT_ROLE, CONNECT_GRANT):
                await connection.execute(statement.format(role=role))
        await _run_alembic(owner, command.upgrade, revision, migrations, lock_wait_s)


async def downgrade(owner: Login, *, revision: str) -> None:
    """Take the schema back to an earlier `revision`, for the release before; it refills what that one needs.

    Raises:
        UnavailableError: The server can't be reached, or refuses a statement.
    """
    async with locked(owner):
        await _run_alembic(owner, command.downgrade, revision, MIGRATIONS, LOCK_WAIT_S)


async def is_current(owner: Login) -> bool:
    """Whether the schema is the newest; changes nothing.

    Raises:
        UnavailableError: The server can't be reached, is too old, lacks pgvector, or refuses the login.
    """
    connection = await connect(owner)
    try:
        await _check_server(connection)
        exists = await connection.fetchval("SELECT to_regclass('alembic_version')")
        version = await connection.fetchval("SELECT version_num FROM alembic_version") if exists else None
    finally:
        await connection.close()
    return version == ScriptDirectory(str(MIGRATIONS)).get_current_head()


@asynccontextmanager
async def locked(owner: Login) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection of the owner that nobody else changes the schema beside.

    Raises:
        UnavailableError: The server can't be reached, or refuses a statement.
    """
    connection = await connect(owner)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        yield connection
    except asyncpg.PostgresError as exc:
        raise UnavailableError(f"cannot migrate the database: {exc}") from exc
    finally:
        await connection.close()  # ends the session, and with it the lock


async def _check_server(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    version = connection.get_server_version().major
    if version < MINIMUM_VERSION:
        raise UnavailableError(f"the server is Postgres {version}; {MINIMUM_VERSION} or newer is needed")
    available = await connection.fetchval("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")
    if not available:
        raise UnavailableError("the server has no pgvector: install the extension on it")


async def _run_alembic(
    owner: Login,
    run: Callable[[Config, str], None],
    revision: str,
    migrations: Path,
    lock_wait_s: float,
) -> None:
    async def open_connection(*_: object, **__: object) -> "asyncpg.Connection[asyncpg.Record]":
        connection = await connect(owner)
        await connection.execute(
            "SELECT set_config('lock_timeout', $1, false)", f"{lock_wait_s * 1000:.0f}ms"
        )
        return connection

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=open_connection, poolclass=NullPool, connect_args={}
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run_command, run, revision, migrations)
            await connection.commit()
    except DBAPIError as exc:
        raise UnavailableError(f"cannot migrate the database: {exc.orig}") from exc
    finally:
        await engine.dispose()


def _run_command(
    connection: SyncConnection, run: Callable[[Config, str], None], revision: str, migrations: Path
) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    attributes: dict[str, Any] = config.attributes
    attributes["connection"] = connection
    run(config, revision)
