"""Nobody gets a connection but as one tenant or as `system`, and nobody keeps one."""

import re
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from db.pool import Database

ROOT = Path(__file__).parents[3]
PACKAGES = ("app", "db", "eval", "feedback", "graph", "observability", "rag", "scripts")
POOL = "db/pool.py"
# Who opens a connection of its own, beside the pools, and what for.
OWN_CONNECTIONS = {
    "db/backup/create.py": "reads everything as the superuser of the embedded server",
    "db/backup/restore.py": "writes it back as the same",
    "db/bootstrap.py": "makes the roles and the database of the embedded server",
    "db/embedding_spaces.py": "builds indexes as the owner",
    "db/migrate.py": "migrates as the owner",
    "db/notifications.py": "hears of new jobs",
}
OPENS_POOL = re.compile(r"create_pool|asyncpg\.connect\(|database\._|\._app\b|\._system\b")
OPENS_CONNECTION = re.compile(r"^from db\.pool import .*\bconnect\b|\bpool\.connect\(", re.MULTILINE)
SETS_TENANT = re.compile(r"set_config\('app\.tenant_id'|enter_tenant\(")


def files_with(pattern: re.Pattern[str]) -> set[str]:
    """Which of our files, but for migrations, which run as the owner."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "migrations" not in path.parts and pattern.search(path.read_text(encoding="utf-8"))
    }


def test_only_the_pool_opens_and_hands_out_connections() -> None:
    assert files_with(OPENS_POOL) == {POOL}
    assert files_with(SETS_TENANT) == {POOL}
    assert files_with(OPENS_CONNECTION) == set(OWN_CONNECTIONS)


def test_a_database_hands_connections_out_as_a_tenant_or_as_system_alone() -> None:
    assert {name for name in vars(Database) if not name.startswith("_")} == {
        "tenant",
        "read",  # as a tenant
        "system",
        "call",
        "ping",
        "pools",  # counts alone
        "replica",  # counts alone
    }


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
async def test_a_connection_that_was_kept_is_of_no_use(
    database: Database, tenant_id: UUID, error: type[Exception] | None
) -> None:
    kept = []
    try:
        async with database.tenant(tenant_id) as connection:
            kept.append(connection)
            if error is not None:
                raise error
    except ZeroDivisionError:
        pass
    with pytest.raises(asyncpg.InterfaceError):
        await kept[0].fetchval("SELECT count(*) FROM conversations")


async def test_a_call_outside_a_tenant_sees_nothing(database: Database, tenant_id: UUID) -> None:
    assert await database.call("SELECT id FROM tenants WHERE id = $1", tenant_id) == []
