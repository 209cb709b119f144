"""Limits that hold over all processes: how many requests get through, and what of a quota is used up."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.access.identity import Identity
from app.access.roles import Role
from app.limits.admission import Admission, RouteClass
from app.limits.postgres import Need, PostgresLimits
from db.addresses import DatabaseLogins
from db.pool import Database, open_database
from db.repositories import limits, tenants, usage
from db.repositories.usage import RequestKind
from rag.models.catalog import Operation
from rag.models.usage import ModelUse
from tests.integration.db.test_usage import as_owner

NEEDS = {RouteClass.CHAT: Need(1000, Decimal("0.10")), RouteClass.SEARCH: Need()}
GPT = "openai:gpt-4o-mini"
CHAT, SEARCH, LOOK = "POST /chat", "POST /search", "GET /documents"


def limits_of(database: Database, *, hold_s: float = 60) -> PostgresLimits:
    return PostgresLimits(database, needs=NEEDS, hold=timedelta(seconds=hold_s))


@pytest.fixture
async def second(logins: DatabaseLogins) -> AsyncIterator[Database]:
    """Another process's connections."""
    async with open_database(logins) as opened:
        yield opened


@pytest.fixture
async def caller(database: Database) -> Identity:
    """A key of a tenant without limits."""
    async with database.system() as connection:
        tenant = await tenants.ensure(connection, slug=f"t-{uuid4().hex}", name="Test")
    return Identity(tenant.id, key_id=uuid4())


async def set_limits(database: Database, tenant_id: UUID, **own: Any) -> None:
    async with database.tenant(tenant_id) as connection:
        await limits.set_own(connection, tenant_id, {"requests_per_minute": None} | own)


async def spend(database: Database, tenant_id: UUID, tokens: int) -> None:
    use = ModelUse(GPT, Operation.CHAT, input_tokens=tokens)
    async with database.tenant(tenant_id) as connection:
        await usage.add(connection, tenant_id, RequestKind.CHAT, [use])


async def ask(
    allowing: PostgresLimits, caller: Identity, route: str = LOOK, *, times: int = 1
) -> list[Admission]:
    return await asyncio.gather(*(allowing.admit(caller, route) for _ in range(times)))


def let_in(admissions: list[Admission]) -> int:
    return sum(admission.refused_by is None for admission in admissions)


def refused(admission: Admission) -> str | None:
    return admission.refused_by.name if admission.refused_by else None


async def test_of_200_at_once_on_two_pools_exactly_the_limit_gets_through(
    database: Database, second: Database, caller: Identity
) -> None:
    await set_limits(database, caller.tenant_id, requests_per_minute=100)
    first_half, second_half = await asyncio.gather(
        ask(limits_of(database), caller, times=100), ask(limits_of(second), caller, times=100)
    )
    assert let_in(first_half) + let_in(second_half) == 100
    later = limits_of(second)
    assert [refused(admission) for admission in await ask(later, caller, times=3)] == ["tenant"] * 3


async def test_over_two_processes_exactly_the_limit_gets_through(
    logins: DatabaseLogins, database: Database, caller: Identity
) -> None:
    await set_limits(database, caller.tenant_id, key_requests_per_minute=300, chat_per_minute=250)
    command = (sys.executable, "-m", "tests.integration.app.limit_process")
    told = (logins.app.newest_url, logins.app.role or "", str(caller.tenant_id), str(caller.key_id), "200")
    processes = [
        await asyncio.create_subprocess_exec(
            *command, *told, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout
        assert await process.stdout.readline() == b"ready\n"
    told_by_each = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    counts = [int(output) for output, _ in told_by_each]
    assert sum(counts) == 250
    assert all(counts), "each of them had its share"


async def test_keys_classes_and_the_tenant_have_rates_of_their_own(
    database: Database, caller: Identity
) -> None:
    await set_limits(
        database,
        caller.tenant_id,
        requests_per_minute=9,
        key_requests_per_minute=5,
        search_per_minute=2,
    )
    allowing = limits_of(database)
    assert [refused(a) for a in await ask(allowing, caller, SEARCH, times=3)] == [None, None, "search"]
    assert [refused(a) for a in await ask(allowing, caller, times=4)] == [None, None, None, "key"]
    other_key = Identity(caller.tenant_id, key_id=uuid4())
    assert [refused(a) for a in await ask(allowing, other_key, times=5)] == [None] * 4 + ["tenant"]
    person = Identity(caller.tenant_id, subject="somebody")
    assert refused((await ask(allowing, person))[0]) == "tenant"
    async with database.tenant(caller.tenant_id) as connection:
        scopes = await connection.fetch("SELECT DISTINCT scope FROM rate_slots")
    assert not any("somebody" in row["scope"] for row in scopes)


async def test_what_is_refused_takes_nothing(database: Database, caller: Identity) -> None:
    await set_limits(database, caller.tenant_id, requests_per_minute=10, search_per_minute=1)
    allowing = limits_of(database)
    assert let_in(await ask(allowing, caller, SEARCH, times=50)) == 1
    assert let_in(await ask(allowing, caller, times=50)) == 9


async def test_in_no_minute_more_get_through_than_may(
    database: Database, logins: DatabaseLogins, caller: Identity
) -> None:
    await set_limits(database, caller.tenant_id, requests_per_minute=5)
    allowing = limits_of(database)
    assert let_in(await ask(allowing, caller, times=3)) == 3

    async def pass_s(seconds: float) -> None:
        statement = f"UPDATE rate_slots SET slot = slot - {int(seconds * 2)}"
        await as_owner(logins, caller.tenant_id, statement)

    await pass_s(30)
    first = (await ask(limits_of(database), caller, times=3))[-1]
    assert first.refused_by
    assert first.refused_by.reset_s is not None
    assert 29 < first.refused_by.reset_s <= 31
    await pass_s(29)
    assert let_in(await ask(limits_of(database), caller)) == 0
    await pass_s(2)  # the three of the first moment are back, not the two that came half a minute later
    assert let_in(await ask(limits_of(database), caller, times=5)) == 3
    await pass_s(61)
    assert let_in(await ask(limits_of(database), caller, times=9)) == 5


async def test_a_change_of_plan_counts_at_once(
    database: Database, second: Database, caller: Identity
) -> None:
    assert let_in(await ask(limits_of(second), caller, times=70)) == 70
    async with database.tenant(caller.tenant_id) as connection:
        assert await limits.set_plan(connection, caller.tenant_id, "free")
        assert not await limits.set_plan(connection, caller.tenant_id, "platinum")
        has = await limits.of_tenant(connection, caller.tenant_id)
    assert has
    assert (has.plan, has.limits["requests_per_minute"]) == ("free", 60)
    assert refused((await ask(limits_of(second), caller))[0]) == "tenant"
    async with database.tenant(caller.tenant_id) as connection:
        await limits.set_own(connection, caller.tenant_id, {"requests_per_minute": 80, "chat_per_minute": 0})
    assert let_in(await ask(limits_of(second), caller, times=30)) == 10
    assert let_in(await ask(limits_of(second), caller, CHAT)) == 0


async def test_requests_of_a_day_are_a_quota(
    database: Database, logins: DatabaseLogins, caller: Identity
) -> None:
    await set_limits(database, caller.tenant_id, requests_per_day=10)
    assert let_in(await ask(limits_of(database), caller, times=12)) == 10
    refusal = (await ask(limits_of(database), caller))[0].refused_by
    assert refusal
    assert (refusal.name, refusal.is_rate, refusal.used) == ("requests-day", False, 10)
    assert refusal.reset_s is not None
    assert 0 < refusal.reset_s <= 86_400
    await as_owner(logins, caller.tenant_id, "UPDATE request_counts SET day = day - 1")
    assert let_in(await ask(limits_of(database), caller, times=12)) == 10


async def test_a_chat_reserves_what_it_may_need_and_gives_back_what_it_did_not(
    database: Database, second: Database, caller: Identity
) -> None:
    await set_limits(database, caller.tenant_id, tokens_per_month=5500)
    here, there = limits_of(database), limits_of(second)
    one, other = await asyncio.gather(ask(here, caller, CHAT, times=4), ask(there, caller, CHAT, times=4))
    admitted = [admission for admission in (*one, *other) if admission.refused_by is None]
    assert len(admitted) == 5
    assert refused((await ask(here, caller, CHAT))[0]) == "tokens-month"
    assert refused((await ask(here, caller, SEARCH))[0]) is None, "500 are left"
    await spend(database, caller.tenant_id, 700)
    await here.end(caller, admitted[0])
    assert let_in(await ask(here, caller, CHAT)) == 0, "4,000 reserved and 700 used"
    await there.end(caller, admitted[1])
    assert let_in(await ask(here, caller, CHAT, times=3)) == 1


async def test_what_was_spent_keeps_models_off_but_not_looks(database: Database, caller: Identity) -> None:
    await set_limits(database, caller.tenant_id, cost_usd_per_day=0.15)
    allowing = limits_of(database)
    assert let_in(await ask(allowing, caller, CHAT)) == 1
    await spend(database, caller.tenant_id, 1_000_000)  # $0.15
    assert refused((await ask(allowing, caller, CHAT))[0]) == "cost-day"
    assert refused((await ask(allowing, caller, SEARCH))[0]) == "cost-day"
    assert refused((await ask(allowing, caller, LOOK))[0]) is None


async def test_a_reservation_of_a_process_that_has_gone_expires(
    database: Database, second: Database, caller: Identity
) -> None:
    await set_limits(database, caller.tenant_id, tokens_per_month=1000)
    assert let_in(await ask(limits_of(second, hold_s=0.3), caller, CHAT)) == 1
    allowing = limits_of(database)
    assert let_in(await ask(allowing, caller, CHAT)) == 0
    await asyncio.sleep(0.4)
    assert let_in(await ask(allowing, caller, CHAT)) == 1


async def test_a_quota_below_what_a_chat_may_need_lets_one_in_at_a_time(
    database: Database, caller: Identity
) -> None:
    await set_limits(database, caller.tenant_id, tokens_per_day=10)
    assert let_in(await ask(limits_of(database), caller, CHAT, times=5)) == 1


async def test_operators_and_tenants_that_have_gone_are_not_limited(database: Database) -> None:
    operator = Identity(uuid4(), key_id=uuid4(), role=Role.OPERATOR)
    assert await limits_of(database).admit(operator, LOOK) == Admission()
    gone = Identity(uuid4(), key_id=uuid4())
    assert let_in(await ask(limits_of(database), gone, CHAT, times=3)) == 3


async def test_a_caller_who_gives_up_does_not_disturb_the_others(
    database: Database, caller: Identity
) -> None:
    await set_limits(database, caller.tenant_id, requests_per_minute=20)
    allowing = limits_of(database)
    tasks = [asyncio.create_task(allowing.admit(caller, LOOK)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(result, Admission) for result in results) == 5
    assert let_in(await ask(allowing, caller, times=30)) >= 10
    assert allowing._lines == {}


async def test_a_failure_is_every_waiting_callers(logins: DatabaseLogins, caller: Identity) -> None:
    async with open_database(logins) as closing:
        allowing = limits_of(closing)
        assert let_in(await ask(allowing, caller)) == 1
    results = await asyncio.gather(*(allowing.admit(caller, LOOK) for _ in range(3)), return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["UnavailableError"] * 3


async def test_old_traces_of_limits_are_forgotten(
    database: Database, logins: DatabaseLogins, caller: Identity
) -> None:
    await set_limits(database, caller.tenant_id, requests_per_minute=5, tokens_per_day=9000)
    await ask(limits_of(database, hold_s=0), caller, CHAT, times=2)
    await as_owner(logins, caller.tenant_id, "UPDATE rate_slots SET slot = slot - 500")
    await as_owner(logins, caller.tenant_id, "UPDATE request_counts SET day = day - 500")
    async with database.tenant(caller.tenant_id) as connection:
        await limits.forget(connection, caller.tenant_id)
        for table in ("rate_slots", "quota_reservations", "request_counts"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
