import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.maintenance import MAINTAIN, SCHEDULE, MaintenanceHandler
from app.retention import Retention
from app.worker import Handler, Report, Worker, backoff, running
from db.addresses import DatabaseLogins
from db.notifications import listen
from db.pool import Database
from db.repositories import jobs, schedules
from db.repositories.jobs import CHANNEL, Claim, Job, JobState, NewJob
from rag.errors import InvalidInputError, QuarantinedError, UnavailableError

SHORT = timedelta(seconds=1)


@pytest.fixture
def kind() -> str:
    return f"kind-{uuid4().hex}"


@asynccontextmanager
async def working(
    database: Database, logins: DatabaseLogins, kind: str, handler: Handler, *, slots: int = 1
) -> AsyncIterator[None]:
    async with (
        listen(logins.system, CHANNEL) as wake,
        running(Worker(database, {kind: handler}, slots=slots, wake=wake, lease=SHORT)),
    ):
        yield


async def add(database: Database, tenant_id: UUID, kind: str, *, max_attempts: int = 5) -> UUID:
    async with database.tenant(tenant_id) as connection:
        return await jobs.add(connection, tenant_id, NewJob(kind, {"n": 1}, max_attempts=max_attempts))


async def until(
    database: Database, tenant_id: UUID, job_id: UUID, reached: Callable[[Job], bool], *, seconds: float = 10
) -> Job:
    async with asyncio.timeout(seconds):
        while True:
            async with database.tenant(tenant_id) as connection:
                job = await jobs.get(connection, job_id)
            assert job is not None
            if reached(job):
                return job
            await asyncio.sleep(0.01)


def is_final(job: Job) -> bool:
    return job.state.is_final


def has_run(job: Job) -> bool:
    return job.attempts > 0 and job.state is not JobState.RUNNING


def failing(*errors: Exception) -> Handler:
    """A handler that raises one error after the other, and then succeeds."""
    left = list(errors)

    async def handle(claim: Claim, report: Report) -> Mapping[str, Any]:
        if left:
            raise left.pop(0)
        return {"attempts": claim.attempts}

    return handle


async def test_a_job_is_done_at_once_and_its_result_written_down(
    database: Database, logins: DatabaseLogins, tenant_id: UUID, kind: str
) -> None:
    async def handle(claim: Claim, report: Report) -> Mapping[str, Any]:
        await report({"half": True})
        return {"n": claim.payload["n"]}

    async with working(database, logins, kind, handle):
        await asyncio.sleep(0.2)  # the worker idles: only the notification can wake it before five seconds
        job = await until(database, tenant_id, await add(database, tenant_id, kind), is_final, seconds=2)
    assert (job.state, job.result, job.progress) == (JobState.SUCCEEDED, {"n": 1}, {"half": True})


@pytest.mark.parametrize(
    ("error", "state", "code", "said"),
    [
        (InvalidInputError("page 3 is torn"), JobState.FAILED, "invalid_input", "page 3 is torn"),
        (QuarantinedError("mostly noise"), JobState.QUARANTINED, "quarantined", "mostly noise"),
        (UnavailableError("10.0.0.7 is down"), JobState.QUEUED, "unavailable", "not available"),
        (RuntimeError("secret detail"), JobState.QUEUED, "internal_error", "went wrong on our side"),
    ],
)
async def test_what_becomes_of_a_job_depends_on_the_error(
    database: Database,
    logins: DatabaseLogins,
    tenant_id: UUID,
    kind: str,
    *,
    error: Exception,
    state: JobState,
    code: str,
    said: str,
) -> None:
    job_id = await add(database, tenant_id, kind)
    async with working(database, logins, kind, failing(error)):
        job = await until(database, tenant_id, job_id, lambda job: job.error is not None)
    assert (job.state, job.error_code) == (state, code)
    assert said in (job.error or "")
    assert "secret" not in (job.error or "")
    if state is JobState.QUEUED:
        assert job.run_at > job.created_at + timedelta(seconds=3), "not before the back-off is over"


async def test_a_job_that_keeps_failing_ends_after_its_attempts(
    database: Database, logins: DatabaseLogins, tenant_id: UUID, kind: str
) -> None:
    job_id = await add(database, tenant_id, kind, max_attempts=1)
    async with working(database, logins, kind, failing(RuntimeError("x"), RuntimeError("y"))):
        job = await until(database, tenant_id, job_id, is_final)
        assert (job.state, job.attempts) == (JobState.FAILED, 1)
        async with database.tenant(tenant_id) as connection:
            await jobs.retry(connection, job_id)
        job = await until(database, tenant_id, job_id, is_final)
    assert job.state is JobState.FAILED


async def test_a_cancelled_job_stops_within_a_lease(
    database: Database, logins: DatabaseLogins, tenant_id: UUID, kind: str
) -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def handle(claim: Claim, report: Report) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    job_id = await add(database, tenant_id, kind)
    async with working(database, logins, kind, handle):
        await started.wait()
        async with database.tenant(tenant_id) as connection:
            await jobs.cancel(connection, job_id, reason="enough")
        async with asyncio.timeout(60):
            await stopped.wait()
        job = await until(database, tenant_id, job_id, is_final)
    assert (job.state, job.error) == (JobState.CANCELLED, "enough")


async def test_a_long_job_keeps_its_lease(
    database: Database, logins: DatabaseLogins, tenant_id: UUID, kind: str
) -> None:
    runs = 0

    async def handle(claim: Claim, report: Report) -> Mapping[str, Any]:
        nonlocal runs
        runs += 1
        await asyncio.sleep(2.5 * SHORT.total_seconds())
        return {}

    job_id = await add(database, tenant_id, kind)
    async with working(database, logins, kind, handle, slots=2):
        job = await until(database, tenant_id, job_id, is_final)
    assert (job.state, job.attempts, runs) == (JobState.SUCCEEDED, 1, 1)


async def test_a_worker_that_is_stopped_gives_back_what_it_holds(
    database: Database, logins: DatabaseLogins, tenant_id: UUID, kind: str
) -> None:
    started = asyncio.Event()

    async def handle(claim: Claim, report: Report) -> None:
        started.set()
        await asyncio.sleep(60)

    job_id = await add(database, tenant_id, kind)
    async with working(database, logins, kind, handle):
        await started.wait()
    job = await until(database, tenant_id, job_id, lambda job: True)
    assert (job.state, job.attempts) == (JobState.QUEUED, 0)


def test_the_back_off_doubles_up_to_ten_minutes() -> None:
    for attempts, seconds in [(1, 5), (2, 10), (4, 40), (30, 600)]:
        assert 0.75 * seconds <= backoff(attempts).total_seconds() <= 1.25 * seconds


async def test_every_tenant_is_tidied_up_when_its_hour_has_come(
    database: Database, logins: DatabaseLogins, tenant_id: UUID
) -> None:
    handler = MaintenanceHandler(
        database, keep_versions=1, keep_jobs=timedelta(days=1), retention=Retention()
    )
    async with database.system() as connection:
        await schedules.ensure(connection, SCHEDULE)
        assert await schedules.tick(connection) >= 1
    async with database.tenant(tenant_id) as connection:
        (job,) = await jobs.page(connection, tenant_id, kinds=[MAINTAIN], limit=1)
    async with working(database, logins, MAINTAIN, handler):
        job = await until(database, tenant_id, job.id, has_run)
    assert (job.state, job.result, job.error) == (JobState.SUCCEEDED, {"versions_pruned": 0}, None)


async def test_a_worker_that_is_woken_as_it_is_stopped_stops(database: Database, kind: str) -> None:
    stopped = 0
    for turns in range(4):
        wake = asyncio.Event()
        async with asyncio.timeout(60):
            async with running(Worker(database, {kind: failing()}, slots=2, wake=wake)):
                await asyncio.sleep(0.1)
                wake.set()
                for _ in range(turns):
                    await asyncio.sleep(0)
        stopped += 1
    assert stopped == 4
