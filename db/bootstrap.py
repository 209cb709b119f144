"""The embedded server's first steps: its three roles and their database."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from db.addresses import APP_ROLE, SYSTEM_ROLE, DatabaseLogins, Login
from db.embedded import ServerAddress, embedded_postgres
from db.pool import connect

DATABASE = "groundwork"
OWNER_ROLE = "groundwork_owner"
LOCK_KEY = 0x67776F726B  # "gwork": two processes may start beside each other

ROLE_EXISTS = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"
DATABASE_EXISTS = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)"


@asynccontextmanager
async def embedded_database(data_dir: Path, *, major: int = 16) -> AsyncIterator[DatabaseLogins]:
    """Start the server that lives in `data_dir`, or join it, with roles and database ready for migrations.

    Raises:
        UnavailableError: The server doesn't start; the message ends with its log.
    """
    async with embedded_postgres(data_dir, major=major) as address:
        yield await prepare(address, database=DATABASE)


async def prepare(address: ServerAddress, *, database: str) -> DatabaseLogins:
    """Make what is missing of the roles and of `database`; how to log in."""
    admin = await connect(Login(address.admin_dsn()))
    try:
        await admin.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        for role in (APP_ROLE, SYSTEM_ROLE, OWNER_ROLE):
            await _ensure_role(admin, role, _password(address, role))
        await admin.execute(f"GRANT {APP_ROLE}, {SYSTEM_ROLE} TO {OWNER_ROLE}")
        await _ensure_database(admin, address, database)
    finally:
        await admin.close()
    return DatabaseLogins(
        owner=_login(address, OWNER_ROLE, database),
        app=_login(address, APP_ROLE, database),
        system=_login(address, SYSTEM_ROLE, database),
    )


async def _ensure_role(admin: "asyncpg.Connection[asyncpg.Record]", role: str, password: str) -> None:
    if not await admin.fetchval(ROLE_EXISTS, role):
        # A utility statement takes no parameters; the password is a hex digest of our own.
        await admin.execute(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '{password}'")


async def _ensure_database(
    admin: "asyncpg.Connection[asyncpg.Record]", address: ServerAddress, database: str
) -> None:
    if not await admin.fetchval(DATABASE_EXISTS, database):
        await admin.execute(f'CREATE DATABASE "{database}" OWNER {OWNER_ROLE}')
    inside = await connect(Login(address.admin_dsn(database)))
    try:
        await inside.execute("CREATE EXTENSION IF NOT EXISTS vector")
    finally:
        await inside.close()


def _login(address: ServerAddress, role: str, database: str) -> Login:
    return Login(address.dsn(role, _password(address, role), database))


def _password(address: ServerAddress, role: str) -> str:
    """A role's password, derived: processes that share the server agree on it without a file for each."""
    return hmac.new(address.admin_password.encode(), role.encode(), hashlib.sha256).hexdigest()
