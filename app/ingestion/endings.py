"""Who waits for jobs to end, told by one look at the queue for all of them."""

import asyncio
from uuid import UUID

from db.pool import Database
from db.repositories import jobs
from db.repositories.jobs import Job
from rag.errors import NotFoundError

LOOK_S = 0.2  # between two looks, while somebody waits

Waiting = dict[asyncio.Future[Job], UUID]  # for the job of that id


class JobEndings:
    """Looks at the jobs that somebody waits for.

    Args:
        database: Where the queue is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[UUID, Waiting] = {}  # by tenant
        self._looking: dict[UUID, asyncio.Task[None]] = {}

    async def wait(self, tenant_id: UUID, job_id: UUID) -> Job:
        """The job when it has ended.

        Raises:
            NotFoundError: It is not there any more.
            UnavailableError: The database can't be reached.
        """
        waiting = self._waiting.setdefault(tenant_id, {})
        ended: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        waiting[ended] = job_id
        if tenant_id not in self._looking:
            self._looking[tenant_id] = asyncio.create_task(self._look(tenant_id, waiting))
        try:
            return await ended
        finally:
            del waiting[ended]

    async def _look(self, tenant_id: UUID, waiting: Waiting) -> None:
        """Until nobody waits, or the look fails."""
        try:
            while waiting:
                await self._tell(tenant_id, waiting)
                await asyncio.sleep(LOOK_S)
        except Exception as exc:  # noqa: BLE001 - told to all who wait
            for ended in waiting:
                if not ended.done():
                    ended.set_exception(exc)
        finally:
            del self._looking[tenant_id]

    async def _tell(self, tenant_id: UUID, waiting: Waiting) -> None:
        asked = dict(waiting)  # who joins during the look is told by the next one
        async with self._database.tenant(tenant_id) as connection:
            found = await jobs.get_all(connection, set(asked.values()))
        for ended, job_id in asked.items():
            if ended.done():
                continue
            job = found.get(job_id)
            if job is None:
                ended.set_exception(NotFoundError(f"the job {job_id} is not there any more"))
            elif job.state.is_final:
                ended.set_result(job)
