"""`python -m app.experiments.shadow_worker`: answers the copies that come on standard input, until that ends.

The first message is the settings. What comes is unpickled: it is our own parent that writes.
"""

import asyncio
import os
import pickle
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import BinaryIO

import structlog

from app.answer_context import answer_context
from app.experiments.setups import AllowedModels, AnswerSetup, Setups
from app.experiments.shadow import Copy, Dropped
from app.experiments.shadow_answers import ShadowRunner
from app.experiments.shadow_process import LENGTH
from app.foundation import Foundation, open_foundation
from app.model_options import model_options
from app.settings import Settings
from app.telemetry.parts import Telemetry
from graph.build import build_answer_graph
from observability.langsmith import quieten_langchain
from observability.logs import configure_logs
from observability.metrics import Metrics
from rag.errors import GroundworkError
from rag.models.options import ModelOptions
from rag.models.registry import Models

log = structlog.get_logger(__name__)

NICENESS = 19  # users' answers go first
COUNT_S = 1.0  # between two looks at what was dropped


def receive(pipe: BinaryIO) -> Settings | Copy | None:
    """The next message; None at the end."""
    header = pipe.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(header)
    data = pipe.read(length)
    if len(data) < length:
        return None
    message: Settings | Copy = pickle.loads(data)  # noqa: S301 - from our parent
    return message


async def work(settings: Settings, pipe: BinaryIO) -> None:
    """Answer copies until there are no more.

    Raises:
        UnavailableError: The database can't be reached.
        ModelError: A model can't be loaded.
    """
    quieten_langchain()
    dropped = Dropped()
    async with open_foundation(settings, Telemetry(Metrics(enabled=False)), None) as base:
        async with _runner(settings, base, dropped) as runner, runner.running(), _counting(base, dropped):
            while isinstance(message := await asyncio.to_thread(receive, pipe), Copy):
                runner.offer(message)
        await dropped.store(base.database)


@asynccontextmanager
async def _runner(settings: Settings, base: Foundation, dropped: Dropped) -> AsyncIterator[ShadowRunner]:
    """Candidates have clients and circuit breakers of their own: one that fails closes nothing for users."""
    context = await answer_context(settings, base)
    models = Models(_quiet(model_options(settings), settings), base.models.local)
    try:
        yield ShadowRunner(
            base.database,
            build_answer_graph(),
            Setups(AnswerSetup(context, settings.top_k), models, AllowedModels.of(settings)),
            keys=base.privacy.keys,
            dropped=dropped,
            timeout_s=settings.shadow_timeout_s,
            concurrency=settings.shadow_concurrency,
            waiting=settings.shadow_queue,
            store_text=settings.store_text,
        )
    finally:
        await models.close()


def _quiet(options: ModelOptions, settings: Settings) -> ModelOptions:
    """One attempt, no second one beside it, and no more calls than candidates answer at a time."""
    resilience = replace(
        options.resilience, attempts=1, hedge_after_s=None, limit=settings.shadow_concurrency
    )
    return replace(options, resilience=resilience)


@asynccontextmanager
async def _counting(base: Foundation, dropped: Dropped) -> AsyncIterator[None]:
    """Store what is dropped, every second."""

    async def count() -> None:
        while True:
            await asyncio.sleep(COUNT_S)
            try:
                await dropped.store(base.database)
            except GroundworkError:
                log.warning("dropped_shadows_not_counted", exc_info=True)

    task = asyncio.create_task(count())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _give_way() -> None:
    """Run on what the answers to users leave of the processors."""
    os.nice(NICENESS)
    if sys.platform == "linux":  # where a low priority alone still keeps others waiting for milliseconds
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def main() -> int:
    _give_way()
    pipe = sys.stdin.buffer
    settings = receive(pipe)
    if not isinstance(settings, Settings):
        return 0  # the parent has gone before it said anything
    configure_logs(level=settings.log_level, log_format=settings.log_format)
    try:
        asyncio.run(work(settings, pipe))
    except GroundworkError:
        log.exception("shadow_process_failed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
