"""Who waits for jobs: told by one look for all, told of a failure, and forgotten when gone."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from app.ingestion import endings
from app.ingestion.endings import JobEndings
from db.pool import Database
from db.repositories.jobs import Job, JobState
from rag.errors import NotFoundError, UnavailableError

TENANT = uuid4()


def job_in(state: JobState, job_id: UUID) -> Job:
    now = datetime.now(UTC)
    return Job(job_id, 1, "ingest", None, state, {}, None, None, None, 1, 5, 0, now, now, now, None)


class Queue:
    """Jobs, as the database would tell of them; each look is counted."""

    def __init__(self, *open_jobs: UUID) -> None:
        self.open = set(open_jobs)
        self.gone: set[UUID] = set()
        self.looks: list[set[UUID]] = []
        self.looked = asyncio.Event()
        self.is_down = False

    @asynccontextmanager
    async def tenant(self, tenant_id: UUID) -> AsyncIterator[None]:
        if self.is_down:
            raise UnavailableError("the database can't be reached")
        assert tenant_id == TENANT
        yield

    async def get_all(self, connection: Any, job_ids: Iterable[UUID]) -> dict[UUID, Job]:
        self.looks.append(set(job_ids))
        self.looked.set()
        await asyncio.sleep(0)
        return {
            job_id: job_in(JobState.RUNNING if job_id in self.open else JobState.FAILED, job_id)
            for job_id in set(job_ids) - self.gone
        }

    def endings(self, monkeypatch: pytest.MonkeyPatch) -> JobEndings:
        monkeypatch.setattr(endings, "LOOK_S", 0.001)
        monkeypatch.setattr("app.ingestion.endings.jobs.get_all", self.get_all)
        return JobEndings(cast("Database", self))


async def test_all_who_wait_are_told_by_the_same_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = uuid4(), uuid4()
    queue = Queue(first, second)
    endings = queue.endings(monkeypatch)
    waiting = [asyncio.create_task(endings.wait(TENANT, job)) for job in (first, first, second)]
    await queue.looked.wait()
    assert {first, second} in queue.looks
    queue.open.discard(first)
    assert [(job.id, job.state) for job in await asyncio.gather(*waiting[:2])] == [
        (first, JobState.FAILED)
    ] * 2
    assert not waiting[2].done()
    queue.open.clear()
    await waiting[2]


async def test_a_job_that_has_ended_is_told_by_the_first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue()
    ended = uuid4()
    assert (await queue.endings(monkeypatch).wait(TENANT, ended)).id == ended
    assert len(queue.looks) == 1


async def test_whoever_waits_for_a_job_that_is_gone_is_told_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone, stays = uuid4(), uuid4()
    queue = Queue(gone, stays)
    endings = queue.endings(monkeypatch)
    waiting = [asyncio.create_task(endings.wait(TENANT, job)) for job in (gone, stays)]
    await queue.looked.wait()
    queue.gone.add(gone)
    with pytest.raises(NotFoundError, match=f"the job {gone} is not there any more"):
        await waiting[0]
    queue.open.clear()
    assert (await waiting[1]).id == stays


async def test_whoever_joins_during_a_look_is_told_by_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = uuid4(), uuid4()
    queue = Queue()
    endings = queue.endings(monkeypatch)
    waiting = asyncio.create_task(endings.wait(TENANT, first))
    await queue.looked.wait()  # the look is under way
    assert (await endings.wait(TENANT, second)).id == second
    assert (await waiting).id == first
    assert queue.looks == [{first}, {second}]


async def test_nobody_looks_for_those_who_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    job = uuid4()
    queue = Queue(job)
    endings = queue.endings(monkeypatch)
    gone, stays = (asyncio.create_task(endings.wait(TENANT, each)) for each in (job, uuid4()))
    await stays
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    looks = len(queue.looks)
    await asyncio.sleep(0.05)
    assert len(queue.looks) <= looks + 1  # the one that was under way
    queue.open.clear()
    await endings.wait(TENANT, job)  # and it begins anew


async def test_a_look_that_fails_is_told_to_all_and_the_next_one_may_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = uuid4(), uuid4()
    queue = Queue(*jobs)
    endings = queue.endings(monkeypatch)
    waiting = [asyncio.create_task(endings.wait(TENANT, job)) for job in jobs]
    await queue.looked.wait()
    queue.is_down = True
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in told] == [UnavailableError, UnavailableError]
    queue.is_down = False
    queue.open.clear()
    await endings.wait(TENANT, jobs[0])
