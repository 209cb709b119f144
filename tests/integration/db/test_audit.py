from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from db.addresses import DatabaseLogins
from db.pool import Connection, Database, connect
from db.repositories import audit, tenants
from db.repositories.audit import AuditEvent, AuditFilter, AuditResult, AuditRow

EVENT = AuditEvent(subject="key:1", action="document.delete", object_type="document")
EXPLAINED = """
EXPLAIN (COSTS OFF) SELECT * FROM audit_log WHERE tenant_id = $1 AND {} ORDER BY at DESC, id DESC LIMIT 50
"""
BACKDATED = """
INSERT INTO audit_log (tenant_id, subject, action, object_type, result, at)
SELECT id, 'x', 'x', 'x', 'succeeded', now() - interval '1 year' FROM tenants
"""


async def entries(
    database: Database,
    tenant_id: UUID,
    wanted: AuditFilter = AuditFilter(),  # noqa: B008 - frozen
) -> list[AuditRow]:
    async with database.tenant(tenant_id) as connection:
        return await audit.page(connection, tenant_id, wanted, limit=100)


async def test_an_event_is_entered_once_for_each_object(database: Database, own_tenant_id: UUID) -> None:
    async with database.tenant(own_tenant_id) as connection:
        await audit.add(connection, own_tenant_id, EVENT, ["a", "b"])
        await audit.add(connection, own_tenant_id, EVENT)
    found = await entries(database, own_tenant_id)
    assert [row.object_id for row in found] == [None, "b", "a"], "newest first"
    assert found[0].result is AuditResult.SUCCEEDED
    assert found[0].details == {}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_log SET result = 'failed'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "DELETE FROM tenants",
        BACKDATED,
        "ALTER TABLE audit_log DISABLE ROW LEVEL SECURITY",
    ],
)
async def test_requests_can_only_add_and_not_in_the_past(
    database: Database, own_tenant_id: UUID, change: str
) -> None:
    async with database.tenant(own_tenant_id) as connection:
        await audit.add(connection, own_tenant_id, EVENT, ["a"])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.tenant(own_tenant_id) as connection:
            await connection.execute(change)
    assert len(await entries(database, own_tenant_id)) == 1


async def test_a_tenant_neither_sees_nor_writes_anothers_log(
    database: Database, own_tenant_id: UUID, tenant_id: UUID
) -> None:
    async with database.tenant(own_tenant_id) as connection:
        await audit.add(connection, own_tenant_id, EVENT)
    async with database.tenant(tenant_id) as connection:
        assert await audit.page(connection, own_tenant_id, AuditFilter(), limit=10) == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.tenant(tenant_id) as connection:
            await audit.add(connection, own_tenant_id, EVENT)


async def test_each_side_of_the_filter_holds(database: Database, own_tenant_id: UUID) -> None:
    async with database.tenant(own_tenant_id) as connection:
        await audit.add(connection, own_tenant_id, EVENT, ["a"])
    other = AuditEvent(subject="key:2", action="job.cancel", object_type="job")
    async with database.tenant(own_tenant_id) as connection:
        await audit.add(connection, own_tenant_id, other, ["b"])
    second, first = await entries(database, own_tenant_id)
    for wanted, found in (
        (AuditFilter(subject="key:1"), [first]),
        (AuditFilter(action="job.cancel"), [second]),
        (AuditFilter(object_id="a"), [first]),
        (AuditFilter(subject="key:1", object_id="b"), []),
        (AuditFilter(first=second.at), [second]),
        (AuditFilter(before=second.at), [first]),
        (AuditFilter(first=second.at + timedelta(microseconds=1)), []),
    ):
        assert await entries(database, own_tenant_id, wanted) == found


async def test_pages_follow_one_another_without_a_gap(database: Database, own_tenant_id: UUID) -> None:
    async with database.tenant(own_tenant_id) as connection:
        await audit.add(connection, own_tenant_id, EVENT, [str(number) for number in range(7)])
        seen: list[UUID] = []
        after = None
        while rows := await audit.page(connection, own_tenant_id, AuditFilter(), limit=3, after=after):
            seen += [row.id for row in rows]
            after = rows[-1].at, rows[-1].id
    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("at >= now() - interval '1 day'", "audit_log_page"),
        ("subject = 'x'", "audit_log_subject"),
        ("object_id = 'x'", "audit_log_object"),
    ],
)
async def test_a_page_is_read_by_an_index(
    database: Database, own_tenant_id: UUID, *, condition: str, index: str
) -> None:
    async with database.tenant(own_tenant_id) as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        await connection.execute("SET LOCAL enable_sort = off")
        plan = await connection.fetch(EXPLAINED.format(condition), own_tenant_id)
    assert index in "\n".join(row[0] for row in plan)


async def test_the_system_role_reaches_only_what_has_expired(
    database: Database, logins: DatabaseLogins, own_tenant_id: UUID
) -> None:
    owner = await connect(logins.owner)
    try:
        await enter_old(owner, own_tenant_id, days=[29, 31, 99, 101])
    finally:
        await owner.close()
    for own, reached in (
        ({}, 3),
        ({"audit_days": 1}, 3),
        ({"audit_days": 100}, 1),
        ({"audit_days": 100.5}, 1),
        ({"audit_days": None}, 0),
        ({"audit_days": "what?"}, 3),
    ):
        async with database.tenant(own_tenant_id) as connection:
            await tenants.set_retention(connection, own_tenant_id, own)
        async with database.system() as connection:
            found = await connection.fetchval(
                "SELECT count(*) FROM audit_log WHERE tenant_id = $1", own_tenant_id
            )
        assert found == reached, own
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.system() as connection:
            await connection.execute("UPDATE audit_log SET subject = 'x'")


async def enter_old(owner: Connection, tenant_id: UUID, *, days: list[int]) -> None:
    await owner.execute("SELECT set_config('app.tenant_id', $1, false)", str(tenant_id))
    await owner.execute(
        "INSERT INTO audit_log (tenant_id, subject, action, object_type, result, object_id, at) "
        "SELECT $1, 'x', 'x.y', 'x', 'succeeded', d, now() - d * interval '1 day' FROM unnest($2::int[]) d",
        tenant_id,
        days,
    )
