"""What is looked at now and then instead of counted as it happens: pools, breakers and the queue."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg
import structlog

from app.settings import Settings
from app.telemetry.parts import Telemetry
from db.pool import Database
from db.repositories import queue_figures
from observability.emf import EmfWriter
from observability.line_queue import LineQueue
from observability.metrics import Metrics
from observability.registry import (
    BREAKER_STATE,
    MODEL_EVENTS,
    POOL_CONNECTIONS,
    QUEUE_AGE,
    QUEUE_JOBS,
    REPLICA_LAG,
    REPLICA_READS,
)
from rag.errors import GroundworkError
from rag.models.resilience.breaker import BreakerState
from rag.models.resilience.guard import ModelGuard

log = structlog.get_logger(__name__)

STOP_S = 3.0  # for the last lines
STATES = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class Gauges:
    """Reads them into the metrics.

    Args:
        metrics: Where they are set.
        database: Whose pools and queue are looked at.
        guards: Of the models that have one, by name; it may grow.
    """

    def __init__(self, metrics: Metrics, database: Database, guards: Mapping[str, ModelGuard]) -> None:
        self._metrics = metrics
        self._database = database
        self._guards = guards

    def read(self) -> None:
        """What this process knows by itself."""
        for pool in self._database.pools():
            for state, connections in (
                ("in_use", pool.in_use),
                ("idle", pool.idle),
                ("limit", pool.limit),
            ):
                self._metrics.set(POOL_CONNECTIONS, connections, pool=pool.name, state=state)
        self._read_replica()
        for name, guard in list(self._guards.items()):
            self._metrics.set(BREAKER_STATE, STATES[guard.breaker.state], model=name)
            stats = guard.stats
            for event, count in (
                ("failure", stats.failures),
                ("retry", stats.retries),
                ("hedge", stats.hedges),
                ("shed", stats.sheds),
            ):
                self._metrics.set(MODEL_EVENTS, float(count), model=name, event=event)

    def _read_replica(self) -> None:
        if (use := self._database.replica()) is None:
            return
        self._metrics.set(REPLICA_LAG, use.lag_s)
        for server, reads in use.reads.items():
            self._metrics.set(REPLICA_READS, float(reads), server=server)

    async def read_queue(self) -> None:
        """Raises: UnavailableError when the database can't be reached."""
        async with self._database.system() as connection:
            figures = await queue_figures.read(connection)
        for state, count in figures.jobs.items():
            self._metrics.set(QUEUE_JOBS, count, state=state)
        self._metrics.set(QUEUE_AGE, figures.age_s)


@asynccontextmanager
async def watching(gauges: Gauges, telemetry: Telemetry, settings: Settings) -> AsyncIterator[None]:
    """Read them in the background, and write CloudWatch's lines if the settings want them."""
    if not settings.metrics:
        yield
        return
    writer, lines = None, None
    if settings.metrics_emf:
        lines = LineQueue(_write_line)
        writer = EmfWriter(telemetry.metrics, namespace=settings.metrics_namespace, write=lines.add)
    task = asyncio.create_task(_watch(gauges, writer, settings.metrics_interval_s))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if writer is not None and lines is not None:
            writer.flush(_now_ms())  # what was counted since the last time
            await asyncio.to_thread(lines.stop, STOP_S)


async def _watch(gauges: Gauges, writer: EmfWriter | None, interval_s: float) -> None:
    while True:
        gauges.read()
        try:
            await gauges.read_queue()
        except (GroundworkError, asyncpg.PostgresError):
            log.warning("queue_not_read", exc_info=True)
        if writer is not None:
            writer.flush(_now_ms())
        await asyncio.sleep(interval_s)


def _now_ms() -> int:
    return round(time.time() * 1000)


def _write_line(line: str) -> None:
    """To standard output: CloudWatch wants nothing but its JSON on the line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
