import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from db.pool import Database
from db.repositories import jobs, schedules, tenants
from db.repositories.jobs import Claim, JobState, LeaseLostError, NewJob
from db.repositories.schedules import Schedule

LEASE = timedelta(seconds=60)


@pytest.fixture
def kind() -> str:
    """Of the test's own, so that it takes only its own jobs."""
    return f"kind-{uuid4().hex}"


async def another_tenant(database: Database) -> UUID:
    async with database.system() as connection:
        return (await tenants.ensure(connection, slug=f"t-{uuid4().hex}", name="Test")).id


async def add(database: Database, tenant_id: UUID, kind: str, **fields: object) -> UUID:
    async with database.tenant(tenant_id) as connection:
        return await jobs.add(connection, tenant_id, NewJob(kind, {}, **fields))  # type: ignore[arg-type]


async def take(database: Database, kind: str) -> Claim | None:
    async with database.system() as connection:
        return await jobs.claim(connection, kinds=[kind], worker="test", lease=LEASE)


async def took(database: Database, kind: str) -> Claim:
    claim = await take(database, kind)
    assert claim is not None
    return claim


async def finish(database: Database, claim: Claim, state: JobState = JobState.SUCCEEDED) -> None:
    async with database.tenant(claim.tenant_id) as connection:
        await jobs.end(connection, claim, state)


async def shown(database: Database, tenant_id: UUID, job_id: UUID) -> jobs.Job:
    async with database.tenant(tenant_id) as connection:
        job = await jobs.get(connection, job_id)
    assert job is not None
    return job


async def lose_lease(database: Database, claim: Claim) -> None:
    async with database.system() as connection:
        await connection.execute(
            "UPDATE jobs SET lease_until = now() - interval '1s' WHERE id = $1", claim.id
        )
        assert await jobs.expire(connection) == 1


async def test_jobs_come_in_the_order_of_priority_and_arrival(
    database: Database, own_tenant_id: UUID, kind: str
) -> None:
    first, second = [await add(database, own_tenant_id, kind) for _ in range(2)]
    urgent = await add(database, own_tenant_id, kind, priority=1)
    assert [(await took(database, kind)).id for _ in range(3)] == [urgent, first, second]
    assert await take(database, kind) is None


async def test_claims_at_the_same_moment_take_different_jobs(
    database: Database, own_tenant_id: UUID, kind: str
) -> None:
    added = {await add(database, own_tenant_id, kind) for _ in range(2)}
    async with database.system() as one, database.system() as other:
        claims = [await jobs.claim(c, kinds=[kind], worker="test", lease=LEASE) for c in (one, other)]
    assert {claim.id for claim in claims if claim} == added


async def test_a_tenant_with_a_long_queue_does_not_keep_another_waiting(
    database: Database, own_tenant_id: UUID, kind: str
) -> None:
    for _ in range(5):
        await add(database, own_tenant_id, kind)
    other = await another_tenant(database)
    for _ in range(2):
        await add(database, other, kind)
    order = [(await took(database, kind)).tenant_id for _ in range(5)]
    assert order.count(other) == 2
    assert other in order[:2]
    assert order[:4].count(other) == 2


async def test_jobs_on_one_document_run_one_after_the_other(
    database: Database, own_tenant_id: UUID, kind: str
) -> None:
    first, second = [await add(database, own_tenant_id, kind, source_document_id="a") for _ in range(2)]
    other = await add(database, own_tenant_id, kind, source_document_id="b")
    claim = await took(database, kind)
    assert [claim.id, (await took(database, kind)).id] == [first, other]
    assert await take(database, kind) is None
    async with database.tenant(own_tenant_id) as connection:
        await jobs.put_back(connection, claim, delay=timedelta(hours=1))
    assert await take(database, kind) is None, "the later upload waits for the earlier one's next attempt"
    async with database.tenant(own_tenant_id) as connection:
        assert await jobs.cancel(connection, first, reason="changed my mind")
    assert (await took(database, kind)).id == second


async def test_an_expired_lease_gives_the_job_to_another_worker_and_shuts_the_first_one_out(
    database: Database, own_tenant_id: UUID, kind: str
) -> None:
    job_id = await add(database, own_tenant_id, kind)
    lost = await took(database, kind)
    await lose_lease(database, lost)
    mine = await took(database, kind)
    assert (mine.id, mine.fence, mine.attempts) == (job_id, lost.fence + 1, 2)
    async with database.tenant(own_tenant_id) as connection:
        for act in (
            jobs.beat(connection, lost),
            jobs.hold(connection, lost),
            jobs.end(connection, lost, JobState.SUCCEEDED),
            jobs.put_back(connection, lost),
        ):
            with pytest.raises(LeaseLostError):
                await act
    await finish(database, mine)
    assert (await shown(database, own_tenant_id, job_id)).state is JobState.SUCCEEDED


async def test_a_job_whose_workers_keep_dying_ends_among_the_failed(
    database: Database, own_tenant_id: UUID, kind: str
) -> None:
    job_id = await add(database, own_tenant_id, kind, max_attempts=2)
    for _ in range(2):
        await lose_lease(database, await took(database, kind))
    assert await take(database, kind) is None
    job = await shown(database, own_tenant_id, job_id)
    assert (job.state, job.error_code) == (JobState.FAILED, "worker_lost")
    assert job.error == "the worker stopped in the middle of it, 2 of 2 attempts"
    assert job.finished_at is not None


async def test_a_cancelled_job_is_lost_to_its_worker(
    database: Database, own_tenant_id: UUID, kind: str
) -> None:
    job_id = await add(database, own_tenant_id, kind)
    claim = await took(database, kind)
    async with database.tenant(own_tenant_id) as connection:
        assert await jobs.cancel(connection, job_id, reason="not needed")
        assert not await jobs.cancel(connection, job_id, reason="again")
    with pytest.raises(LeaseLostError):
        await finish(database, claim)
    job = await shown(database, own_tenant_id, job_id)
    assert (job.state, job.error) == (JobState.CANCELLED, "not needed")


async def test_a_failed_job_can_be_tried_again_and_a_running_one_cannot(
    database: Database, own_tenant_id: UUID, kind: str
) -> None:
    job_id = await add(database, own_tenant_id, kind, max_attempts=1)
    claim = await took(database, kind)
    async with database.tenant(own_tenant_id) as connection:
        assert not await jobs.retry(connection, job_id)
        await jobs.end(connection, claim, JobState.FAILED, error="broken", error_code="x")
        assert await jobs.retry(connection, job_id, payload={"released": True})
    again = await took(database, kind)
    assert (again.attempts, again.payload) == (1, {"released": True})


async def test_a_running_job_cannot_be_forgotten(database: Database, own_tenant_id: UUID, kind: str) -> None:
    job_id = await add(database, own_tenant_id, kind)
    async with database.tenant(own_tenant_id) as connection:
        assert not await jobs.delete(connection, job_id)
        await jobs.cancel(connection, job_id, reason="x")
        assert await jobs.delete(connection, job_id)
        assert await jobs.get(connection, job_id) is None


async def test_an_attempt_that_does_not_count_leaves_the_number_of_attempts(
    database: Database, own_tenant_id: UUID, kind: str
) -> None:
    await add(database, own_tenant_id, kind)
    claim = await took(database, kind)
    async with database.tenant(own_tenant_id) as connection:
        await jobs.put_back(connection, claim, counts=False)
    assert (await took(database, kind)).attempts == 1


async def test_jobs_are_listed_newest_first_by_state_and_document(
    database: Database, own_tenant_id: UUID, kind: str
) -> None:
    added = [await add(database, own_tenant_id, kind, source_document_id=name) for name in "abc"]
    await finish(database, await took(database, kind))
    async with database.tenant(own_tenant_id) as connection:

        async def ids(**wanted: object) -> list[UUID]:
            found = await jobs.page(connection, own_tenant_id, kinds=[kind], **{"limit": 9, **wanted})  # type: ignore[arg-type]
            return [job.id for job in found]

        assert await ids() == added[::-1]
        assert await ids(states=[JobState.QUEUED]) == [added[2], added[1]]
        assert await ids(source_document_id="a") == [added[0]]
        newest = (await jobs.page(connection, own_tenant_id, kinds=[kind], limit=1))[0]
        assert await ids(before=newest.number) == [added[1], added[0]]
        assert await jobs.counts(connection, own_tenant_id, kinds=[kind]) == {
            JobState.QUEUED: 2,
            JobState.SUCCEEDED: 1,
        }


async def test_another_tenants_job_is_out_of_reach(
    database: Database, own_tenant_id: UUID, kind: str
) -> None:
    job_id = await add(database, own_tenant_id, kind)
    async with database.tenant(await another_tenant(database)) as connection:
        assert await jobs.get(connection, job_id) is None
        assert not await jobs.cancel(connection, job_id, reason="x")
        assert not await jobs.retry(connection, job_id)
    assert (await took(database, kind)).id == job_id


async def test_the_clock_queues_what_is_due_once(database: Database, own_tenant_id: UUID, kind: str) -> None:
    async with database.system() as connection:
        for _ in range(2):
            await schedules.ensure(connection, Schedule(name=kind, kind=kind, every=timedelta(hours=1)))

    async def tick() -> None:
        async with database.system() as connection:
            await schedules.tick(connection)

    await asyncio.gather(tick(), tick())
    await tick()
    mine = 0
    while (claim := await take(database, kind)) is not None:
        mine += claim.tenant_id == own_tenant_id
    assert mine == 1


async def test_many_workers_do_every_job_exactly_once(
    database: Database, own_tenant_id: UUID, kind: str
) -> None:
    tenant_ids = [own_tenant_id, await another_tenant(database)]
    added = [await add(database, tenant_ids[n % 2], kind, source_document_id=f"{n % 7}") for n in range(60)]
    done: list[UUID] = []

    async def work() -> None:
        while len(done) < len(added):
            claim = await take(database, kind)
            if claim is None:
                await asyncio.sleep(0.002)
                continue
            await finish(database, claim)
            done.append(claim.id)

    await asyncio.gather(*(work() for _ in range(4)))
    assert sorted(done) == sorted(added)
