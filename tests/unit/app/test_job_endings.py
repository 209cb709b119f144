"""Who waits for jobs: told by one look for all, told of a failure, and forgotten when gone."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from app.ingestion import endings
from app.ingestion.endings import JobEndings
from db.pool import Database
from rag.errors import UnavailableError

TENANT = uuid4()


class Queue:
    """Jobs that have not ended, as the database would tell; each look is counted."""

    def __init__(self, *open_jobs: UUID) -> None:
        self.open = set(open_jobs)
        self.looks: list[set[UUID]] = []
        self.looked = asyncio.Event()
        self.is_down = False

    @asynccontextmanager
    async def tenant(self, tenant_id: UUID) -> AsyncIterator[None]:
        if self.is_down:
            raise UnavailableError("the database can't be reached")
        assert tenant_id == TENANT
        yield

    async def unfinished(self, connection: Any, job_ids: Iterable[UUID]) -> set[UUID]:
        self.looks.append(set(job_ids))
        self.looked.set()
        return self.open & set(job_ids)

    def endings(self, monkeypatch: pytest.MonkeyPatch) -> JobEndings:
        monkeypatch.setattr(endings, "LOOK_S", 0.001)
        monkeypatch.setattr("app.ingestion.endings.jobs.unfinished", self.unfinished)
        return JobEndings(cast("Database", self))


async def test_all_who_wait_are_told_by_the_same_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = uuid4(), uuid4()
    queue = Queue(first, second)
    endings = queue.endings(monkeypatch)
    waiting = [asyncio.create_task(endings.wait(TENANT, job)) for job in (first, first, second)]
    await queue.looked.wait()
    assert {first, second} in queue.looks
    queue.open.discard(first)
    await asyncio.gather(*waiting[:2])
    assert not waiting[2].done()
    queue.open.clear()
    await waiting[2]


async def test_a_job_that_has_ended_or_gone_is_told_by_the_first_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = Queue()
    await queue.endings(monkeypatch).wait(TENANT, uuid4())
    assert len(queue.looks) == 1


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
