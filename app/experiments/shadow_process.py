"""The process that asks candidates, as the one that answers users sees it.

What a candidate computes would take its turn among the users' answers: a Python process computes one thing at
a time. Copies go through a pipe and are stored nowhere.
"""

import asyncio
import os
import pickle
import random
import struct
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from app.experiments.running import RunningExperiments
from app.experiments.shadow import AnsweredRequest, Copy, Dropped
from app.settings import Settings
from db.repositories.experiments import ExperimentKind

log = structlog.get_logger(__name__)

MODULE = "app.experiments.shadow_worker"
LENGTH = struct.Struct(">Q")  # before each message
START_AGAIN_S = 10.0  # after the last start: one that can't live isn't started for every request
STOP_S = 5.0  # for what is under way, then it is killed
ROOT = Path(__file__).parents[2]


def framed(message: Settings | Copy) -> bytes:
    """As it goes through the pipe."""
    data = pickle.dumps(message)
    return LENGTH.pack(len(data)) + data


class ShadowProcess:
    """Hands copies of answered requests to a process that it starts for the first. Is a `Shadow`.

    Args:
        settings: Of the process, with the database that it shall work on.
        experiments: Say which candidate is asked.
        dropped: Counts what can't be handed over.
    """

    def __init__(self, settings: Settings, experiments: RunningExperiments, dropped: Dropped) -> None:
        self._settings = settings
        self._experiments = experiments
        self._dropped = dropped
        self._waiting: asyncio.Queue[Copy] = asyncio.Queue(settings.shadow_queue)
        self._process: Process | None = None
        self._started_at = -START_AGAIN_S

    def offer(self, request: AnsweredRequest) -> None:
        live = self._experiments.of(request.tenant_id, ExperimentKind.SHADOW)
        if live is None or random.random() >= live.experiment.traffic_share:  # noqa: S311 - a sample
            return
        candidate = live.experiment.variants[0]
        copy = Copy(live.experiment.id, candidate.name, candidate.settings, request)
        try:
            self._waiting.put_nowait(copy)
        except asyncio.QueueFull:
            self._dropped.add(copy)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hand over in the background. At the end, what waits is dropped and the process is ended."""
        task = asyncio.create_task(self._hand_over())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            while not self._waiting.empty():
                self._dropped.add(self._waiting.get_nowait())
            await self._stop()

    async def _hand_over(self) -> None:
        while True:
            copy = await self._waiting.get()
            try:
                await self._send(copy)
            except asyncio.CancelledError:
                self._dropped.add(copy)
                raise
            except OSError:
                log.warning("shadow_process_lost", exc_info=True)
                self._dropped.add(copy)
                await self._stop()
            except Exception:  # the boundary of a task that must go on with the next one
                log.exception("shadow_not_handed_over", experiment=str(copy.experiment_id))
                self._dropped.add(copy)

    async def _send(self, copy: Copy) -> None:
        if self._process is None and not await self._start():
            self._dropped.add(copy)
            return
        await self._write(copy)

    async def _start(self) -> bool:
        """Whether it was time for that."""
        if time.monotonic() - self._started_at < START_AGAIN_S:
            return False
        self._started_at = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            MODULE,
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,  # it ends when we do, and not by a Ctrl-C that we hear first
        )
        log.info("shadow_process_started", pid=self._process.pid)
        await self._write(self._settings)
        return True

    async def _write(self, message: Settings | Copy) -> None:
        """Raises: OSError when nobody reads any more."""
        assert self._process and self._process.stdin  # noqa: S101, PT018 - narrows the type
        self._process.stdin.write(framed(message))
        await self._process.stdin.drain()

    async def _stop(self) -> None:
        """The end of its input tells the process to end."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin  # noqa: S101 - narrows the type
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
