import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest

from db.addresses import DatabaseLogins
from db.pool import Database, connect
from db.repositories import usage
from db.repositories.usage import Grouping, Origin, RequestKind, UsageReport
from rag.models.catalog import Operation
from rag.models.usage import ModelUse

NOVA, TITAN, UNKNOWN = (
    "bedrock:amazon.nova-lite-v1:0",  # $0.06 and $0.24 a million tokens
    "bedrock:amazon.titan-embed-text-v2:0",  # $0.02
    "bedrock:amazon.nova-99-v1:0",
)
ASKED = ModelUse(NOVA, Operation.CHAT, input_tokens=1000, output_tokens=100)
EMBEDDED = ModelUse(TITAN, Operation.EMBED, input_tokens=50, units=1)
ASKED_COST = (1000 * Decimal("0.06") + 100 * Decimal("0.24")) / 1_000_000
EMBEDDED_COST = 50 * Decimal("0.02") / 1_000_000


async def as_owner(logins: DatabaseLogins, tenant_id: UUID, statement: str) -> None:
    """Does what the service itself may not do to the ledger."""
    owner = await connect(logins.owner)
    try:
        await owner.execute("SELECT set_config('app.tenant_id', $1, false)", str(tenant_id))
        await owner.execute(statement)
    finally:
        await owner.close()


async def add(
    database: Database, tenant_id: UUID, *uses: ModelUse, kind: RequestKind = RequestKind.CHAT
) -> None:
    async with database.tenant(tenant_id) as connection:
        await usage.add(connection, tenant_id, kind, uses)


async def report(
    database: Database,
    tenant_id: UUID,
    grouping: Grouping = Grouping.MODEL,
    *,
    first: date = date(2020, 1, 1),
    last: date = date(2100, 1, 1),
) -> UsageReport:
    async with database.tenant(tenant_id) as connection:
        return await usage.report(connection, tenant_id, first=first, last=last, grouping=grouping)


async def test_uses_add_up_by_model(database: Database, own_tenant_id: UUID) -> None:
    for _ in range(30):
        await add(database, own_tenant_id, ASKED, EMBEDDED)
    found = await report(database, own_tenant_id)
    nova, titan = found.rows
    assert (nova.label, nova.calls, nova.input_tokens, nova.output_tokens) == (NOVA, 30, 30 * 1000, 30 * 100)
    assert (nova.cost_usd, titan.cost_usd) == (30 * ASKED_COST, 30 * EMBEDDED_COST)
    assert (titan.label, titan.units) == (TITAN, 30)
    assert found.totals.calls == 60
    assert found.totals.cost_usd == 30 * (ASKED_COST + EMBEDDED_COST)
    assert (found.totals.label, found.totals.unpriced_calls) == (None, 0)


async def test_all_counts_are_kept(database: Database, own_tenant_id: UUID) -> None:
    model = "bedrock:global.anthropic.claude-sonnet-4-6"
    use = ModelUse(
        model,
        Operation.CHAT,
        calls=2,
        input_tokens=3,
        output_tokens=5,
        cache_read_tokens=7,
        cache_write_tokens=11,
        cache_write_1h_tokens=13,
    )
    await add(database, own_tenant_id, use)
    row = (await report(database, own_tenant_id)).rows[0]
    assert (row.calls, row.input_tokens, row.output_tokens) == (2, 3, 5)
    assert (row.cache_read_tokens, row.cache_write_tokens, row.cache_write_1h_tokens) == (7, 11, 13)
    millionths = 3 * 3 + 5 * 15 + 7 * Decimal("0.3") + 11 * Decimal("3.75") + 13 * 6
    assert row.cost_usd == millionths / 1_000_000


async def test_what_has_no_price_is_counted_beside_what_has_one(
    database: Database, own_tenant_id: UUID
) -> None:
    broken_off = ModelUse(
        NOVA, Operation.CHAT, calls=3, input_tokens=1000, output_tokens=100, unmetered_calls=2
    )
    await add(database, own_tenant_id, broken_off, ModelUse(UNKNOWN, Operation.CHAT, calls=4))
    found = await report(database, own_tenant_id)
    nova, unknown = found.rows if found.rows[0].label == NOVA else reversed(found.rows)
    assert (nova.cost_usd, nova.unpriced_calls) == (ASKED_COST, 2)
    assert (unknown.cost_usd, unknown.unpriced_calls) == (None, 4)
    assert (found.totals.cost_usd, found.totals.unpriced_calls) == (ASKED_COST, 6)


async def test_known_and_unknown_costs_of_a_model_are_kept_apart(
    database: Database, own_tenant_id: UUID
) -> None:
    for _ in range(20):
        await add(database, own_tenant_id, ModelUse(NOVA, Operation.CHAT, cache_write_tokens=1))
        await add(database, own_tenant_id, ASKED)
    (row,) = (await report(database, own_tenant_id)).rows
    assert (row.cost_usd, row.unpriced_calls, row.calls) == (20 * ASKED_COST, 20, 40)


async def test_requests_at_once_lose_nothing_and_do_not_lock_each_other_out(
    database: Database, own_tenant_id: UUID
) -> None:
    orders = [(ASKED, EMBEDDED), (EMBEDDED, ASKED)] * 50
    await asyncio.gather(*(add(database, own_tenant_id, *uses) for uses in orders))
    assert (await report(database, own_tenant_id)).totals.cost_usd == 100 * (ASKED_COST + EMBEDDED_COST)


async def test_groups_and_days(database: Database, logins: DatabaseLogins, own_tenant_id: UUID) -> None:
    await add(database, own_tenant_id, ASKED)
    await add(database, own_tenant_id, EMBEDDED, kind=RequestKind.INGEST)
    today = datetime.now(UTC).date()
    await as_owner(logins, own_tenant_id, "UPDATE usage_ledger SET day = day - 2 WHERE kind = 'ingest'")
    by_day = await report(database, own_tenant_id, Grouping.DAY)
    assert [row.label for row in by_day.rows] == [str(today - timedelta(days=2)), str(today)]
    by_kind = await report(database, own_tenant_id, Grouping.KIND)
    assert [(row.label, row.calls) for row in by_kind.rows] == [("chat", 1), ("ingest", 1)]
    for first, last, calls in (
        (today, today, 1),
        (today - timedelta(days=2), today, 2),
        (today - timedelta(days=2), today - timedelta(days=1), 1),
    ):
        found = await report(database, own_tenant_id, first=first, last=last)
        assert found.totals.calls == calls


async def test_nothing_used_is_nothing_spent(database: Database, own_tenant_id: UUID) -> None:
    await add(database, own_tenant_id)
    found = await report(database, own_tenant_id)
    assert found.rows == []
    assert (found.totals.calls, found.totals.cost_usd, found.totals.unpriced_calls) == (0, None, 0)


@pytest.mark.parametrize("grouping", list(Grouping))
async def test_another_tenant_sees_nothing(
    database: Database, own_tenant_id: UUID, tenant_id: UUID, grouping: Grouping
) -> None:
    await add(database, own_tenant_id, ASKED)
    async with database.tenant(tenant_id) as connection:
        found = await usage.report(
            connection, own_tenant_id, first=date.min, last=date.max, grouping=grouping
        )
        assert found.rows == []
        assert await connection.fetchval("SELECT count(*) FROM usage_ledger") == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE usage_ledger SET cost_usd = 0",
        "UPDATE usage_ledger SET subject = 'nobody'",
        "DELETE FROM usage_ledger",
        "TRUNCATE usage_ledger",
    ],
)
async def test_requests_can_only_add_to_the_ledger(
    database: Database, own_tenant_id: UUID, change: str
) -> None:
    await add(database, own_tenant_id, ASKED)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.tenant(own_tenant_id) as connection:
            await connection.execute(change)
    assert (await report(database, own_tenant_id)).totals.calls == 1


async def test_an_entry_says_what_it_is_of(database: Database, own_tenant_id: UUID) -> None:
    origin = Origin(request_id="r-1", trace_id=uuid4(), job_id=uuid4(), subject="key:1")
    async with database.tenant(own_tenant_id) as connection:
        await usage.add(connection, own_tenant_id, RequestKind.CHAT, [ASKED, EMBEDDED], origin)
        rows = await connection.fetch("SELECT request_id, trace_id, job_id, subject FROM usage_ledger")
    assert [tuple(row) for row in rows] == [("r-1", origin.trace_id, origin.job_id, "key:1")] * 2


async def test_sums_for_quotas_follow_the_ledger(
    database: Database, logins: DatabaseLogins, own_tenant_id: UUID
) -> None:
    async def sums() -> tuple[int, Decimal, int]:
        async with database.tenant(own_tenant_id) as connection:
            row = await connection.fetchrow(
                "SELECT sum(tokens)::bigint, sum(cost_usd), "
                "(sum(day_tokens) FILTER (WHERE day > now() - interval '1 day'))::bigint FROM usage_sums"
            )
        assert row
        return row[0], row[1], row[2] or 0

    for _ in range(40):  # enough for several shards to be taken twice
        await add(database, own_tenant_id, ASKED, EMBEDDED, ModelUse(UNKNOWN, Operation.CHAT))
    tokens, cost = 40 * (1000 + 100 + 50), 40 * (ASKED_COST + EMBEDDED_COST)
    assert await sums() == (tokens, cost, tokens)
    await as_owner(logins, own_tenant_id, "UPDATE usage_sums SET day = day - 3")
    assert await sums() == (tokens, cost, 0)
    for _ in range(40):
        await add(database, own_tenant_id, EMBEDDED)
    assert (await sums())[0] == tokens + 40 * 50
    assert (await sums())[2] == 40 * 50
