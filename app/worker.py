"""The worker: takes jobs from the queue, one for each of its slots, and writes down how they end.

A handler may be stopped at any moment: by a cancellation, by a deletion, by the process's own end. What it
writes under the job's claim is kept only while the job is still the worker's.
"""

import asyncio
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import asyncpg
import structlog

from app.problems import DETAIL_OF, classify
from app.telemetry.parts import Telemetry
from db.pool import Database
from db.repositories import jobs
from db.repositories import schedules as clock
from db.repositories.jobs import Claim, JobState, LeaseLostError
from db.repositories.schedules import Schedule
from observability.metrics import Metrics
from observability.registry import JOB_DURATION, JOBS
from rag.errors import (
    ConflictError,
    GroundworkError,
    InvalidInputError,
    LimitExceededError,
    NotFoundError,
    QuarantinedError,
)

log = structlog.get_logger(__name__)

BEATS = 4  # in a lease: it survives three that are lost
SHOWN_S = 1.0  # between two reports of progress that are shown
IDLE_S = 5.0  # between two looks at the queue that nothing asked for; a back-off ends unannounced
CLOCK_S = 10.0  # between two looks at the schedules and at lost workers
FIRST_BACKOFF_S = 5.0
LONGEST_BACKOFF_S = 600.0
# They come again however often the job is tried.
PERMANENT = (InvalidInputError, ConflictError, NotFoundError, LimitExceededError)

Report = Callable[[Mapping[str, Any]], Awaitable[None]]


class Handler(Protocol):
    """Does the work of one kind of job."""

    async def __call__(self, claim: Claim, report: Report) -> Mapping[str, Any] | None:
        """Work until it is done.

        Args:
            claim: The job.
            report: Awaited with the progress to show, soon or with the job's end.

        Returns:
            What came of it, to be written down; None when the handler has ended the job itself.
        """
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job that failed goes on."""

    state: JobState  # QUEUED: it is tried again
    error: str
    error_code: str
    delay: timedelta = timedelta(0)


class Worker:
    """Works on the queue until it is cancelled.

    Args:
        database: Where the queue is.
        handlers: By the kind of job.
        slots: Jobs at a time.
        wake: Set when there may be something to do.
        schedules: Work that comes round again for every tenant.
        lease: A job whose worker was silent for so long is given to another.
        telemetry: Tells of the jobs; None tells nobody.
    """

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        *,
        slots: int,
        wake: asyncio.Event,
        schedules: Sequence[Schedule] = (),
        lease: timedelta = timedelta(seconds=60),
        telemetry: Telemetry | None = None,
    ) -> None:
        self._telemetry = telemetry or Telemetry(Metrics(enabled=False))
        self._schedules = schedules
        self._lease = lease
        self._database = database
        self._handlers = handlers
        self._slots = slots
        self._wake = wake
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._clock())
            for _ in range(self._slots):
                group.create_task(self._slot())

    async def _clock(self) -> None:
        while True:
            try:
                async with self._database.system() as connection:
                    await jobs.expire(connection)
                    for schedule in self._schedules:
                        await clock.ensure(connection, schedule)
                    await clock.tick(connection)
            except (GroundworkError, asyncpg.PostgresError):
                log.warning("clock_failed", exc_info=True)
            pause = min(CLOCK_S, self._lease.total_seconds())
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads workers out

    async def _slot(self) -> None:
        while True:
            self._wake.clear()  # before the look: what comes during it is seen
            try:
                claim = await self._claim()
            except Exception:
                log.exception("claim_failed")
                claim = None
            if claim is None:
                with suppress(TimeoutError):  # wait_for would lose a cancellation that comes with the wake-up
                    async with asyncio.timeout(IDLE_S):
                        await self._wake.wait()
                continue
            await self._run(claim)

    async def _claim(self) -> Claim | None:
        async with self._database.system() as connection:
            return await jobs.claim(
                connection, kinds=list(self._handlers), worker=self._name, lease=self._lease
            )

    async def _run(self, claim: Claim) -> None:
        """Do the job, and stop doing it when it is no longer ours."""
        reported = asyncio.Event()

        async def report(progress: Mapping[str, Any]) -> None:
            claim.progress.clear()
            claim.progress.update(progress)
            reported.set()

        work = asyncio.create_task(self._told(claim, report))
        heart = asyncio.create_task(self._beat(claim, reported))
        try:
            await asyncio.wait({work, heart}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, heart):
                task.cancel()
            await asyncio.gather(work, heart, return_exceptions=True)

    async def _told(self, claim: Claim, report: Report) -> None:
        """Do the job, within a span; count how it ends and how long it took."""
        began, outcome = time.perf_counter(), "stopped"
        ids = {"groundwork.job_id": str(claim.id), "groundwork.tenant_id": str(claim.tenant_id)}
        structlog.contextvars.bind_contextvars(tenant=str(claim.tenant_id), job_id=str(claim.id))
        try:
            with self._telemetry.around(f"job {claim.kind}", attributes=ids):
                outcome = await self._work(claim, report)
        finally:
            metrics = self._telemetry.metrics
            metrics.count(JOBS, kind=claim.kind, outcome=outcome)
            metrics.observe(JOB_DURATION, time.perf_counter() - began, kind=claim.kind)

    async def _work(self, claim: Claim, report: Report) -> str:
        """How the job ended, for the metrics."""
        context = {"job_id": str(claim.id), "kind": claim.kind, "attempt": claim.attempts}
        try:
            result = await self._handlers[claim.kind](claim, report)
            if result is not None:
                async with self._database.tenant(claim.tenant_id) as connection:
                    await jobs.end(connection, claim, JobState.SUCCEEDED, result=result)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(claim))
            raise
        except LeaseLostError:
            log.info("job_lost", **context)
            return "lost"
        except Exception as exc:  # the boundary of a task
            outcome = outcome_of(exc, claim)
            said = {"state": outcome.state.value, "code": outcome.error_code} | context
            if isinstance(exc, (*PERMANENT, QuarantinedError)):
                log.warning("job_failed", **said)  # the message may quote the document; it is with the job
            else:
                log.exception("job_failed", **said)
            await self._record(claim, outcome)
            return "retried" if outcome.state is JobState.QUEUED else outcome.state.value
        else:
            log.info("job_succeeded", **context)
            return JobState.SUCCEEDED.value

    async def _beat(self, claim: Claim, reported: asyncio.Event) -> None:
        """Renew the lease and show how far the job is; returns when the job is no longer ours."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(claim.lease.total_seconds() / BEATS):
                    await reported.wait()
                    await asyncio.sleep(SHOWN_S)
            reported.clear()
            try:
                async with self._database.tenant(claim.tenant_id) as connection:
                    await jobs.beat(connection, claim)
            except (LeaseLostError, NotFoundError):  # or the tenant is being deleted
                return
            except (GroundworkError, asyncpg.PostgresError):
                log.warning("heartbeat_failed", job_id=str(claim.id), exc_info=True)

    async def _record(self, claim: Claim, outcome: Outcome) -> None:
        try:
            async with self._database.tenant(claim.tenant_id) as connection:
                if outcome.state is JobState.QUEUED:
                    await jobs.put_back(
                        connection,
                        claim,
                        delay=outcome.delay,
                        error=outcome.error,
                        error_code=outcome.error_code,
                    )
                else:
                    await jobs.end(
                        connection, claim, outcome.state, error=outcome.error, error_code=outcome.error_code
                    )
        except (GroundworkError, asyncpg.PostgresError):
            # Its lease runs out, and another attempt is made.
            log.warning("job_outcome_not_recorded", job_id=str(claim.id), exc_info=True)

    async def _give_back(self, claim: Claim) -> None:
        """Let another worker go on with it at once; the attempt doesn't count."""
        with suppress(GroundworkError, asyncpg.PostgresError):
            async with self._database.tenant(claim.tenant_id) as connection:
                await jobs.put_back(connection, claim, counts=False)


def outcome_of(exc: Exception, claim: Claim) -> Outcome:
    """What becomes of a job that ended in `exc`: tried again, unless that can't help or was done enough."""
    error, code = DETAIL_OF["internal_error"], "internal_error"
    if isinstance(exc, GroundworkError):
        _, code, error = classify(exc)
    if isinstance(exc, QuarantinedError):
        return Outcome(JobState.QUARANTINED, error, code)
    if isinstance(exc, PERMANENT) or claim.attempts >= claim.max_attempts:
        return Outcome(JobState.FAILED, error, code)
    return Outcome(JobState.QUEUED, error, code, delay=backoff(claim.attempts))


def backoff(attempts: int) -> timedelta:
    """Doubles with each attempt, up to a limit, with jitter: what failed together doesn't come together."""
    seconds = min(FIRST_BACKOFF_S * 2 ** (attempts - 1), LONGEST_BACKOFF_S)
    return timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311 - not a secret


@asynccontextmanager
async def running(worker: Worker, *, stop: asyncio.Event | None = None) -> AsyncIterator[None]:
    """Let the worker work beside what else the process does.

    At the end, or once `stop` is set, it gives back what it holds.
    """
    work = asyncio.create_task(worker.run())
    stopping = asyncio.create_task(_cancel_at(work, stop or asyncio.Event()))
    try:
        yield
    finally:
        for task in (work, stopping):
            task.cancel()
        await asyncio.gather(work, stopping, return_exceptions=True)


async def _cancel_at(work: "asyncio.Task[None]", stop: asyncio.Event) -> None:
    await stop.wait()
    work.cancel()
