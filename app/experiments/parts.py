"""What of experiments the service works with, put together and kept going."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from app.audit import Audit
from app.experiments.guard import GuardWatch
from app.experiments.manage import Experiments
from app.experiments.running import RunningExperiments
from app.experiments.setups import AllowedModels, AnswerSetup, Setups
from app.experiments.shadow import ShadowRunner
from app.model_options import model_options
from app.settings import Settings
from db.pool import Database
from graph.build import AnswerGraph
from graph.state import AnswerContext
from rag.errors import GroundworkError
from rag.models.options import ModelOptions
from rag.models.registry import Models

log = structlog.get_logger(__name__)

LOOK_S = 1.0  # between two looks at what runs: a change reaches every replica within two seconds
GUARD_EVERY = 5  # looks; a guard reads many traces


@dataclass(frozen=True, slots=True)
class Experimenting:
    """Experiments as the API manages them, as answers follow them, and their shadows."""

    experiments: Experiments
    running: RunningExperiments
    shadow: ShadowRunner
    guard: GuardWatch

    async def look(self, *, at_guards: bool) -> None:
        """Take up what is running, store what was counted, and stop what crosses its guard.

        Raises:
            UnavailableError: The database can't be reached.
        """
        await self.running.refresh()
        await self.shadow.count_dropped()
        stopped = False
        for live in self.running.all() if at_guards else ():
            stopped |= await self.guard.check(live)
        if stopped:
            await self.running.refresh()

    async def follow(self) -> None:
        """Look every second, until cancelled."""
        looks = 0
        while True:
            await asyncio.sleep(LOOK_S)
            looks += 1
            try:
                await self.look(at_guards=looks % GUARD_EVERY == 0)
            except GroundworkError:
                log.warning("experiments_not_followed", exc_info=True)
            except Exception:  # the boundary of a task that must go on
                log.exception("experiments_not_followed")


@asynccontextmanager
async def experimenting(
    settings: Settings,
    database: Database,
    *,
    graph: AnswerGraph,
    context: AnswerContext,
    models: Models,
    audit: Audit,
) -> AsyncIterator[Experimenting]:
    """Open all of it, and follow what runs in the background where answers are given.

    Candidates have clients and circuit breakers of their own: one that fails closes nothing for users.

    Raises:
        UnavailableError: The database can't be reached.
    """
    base, allowed = AnswerSetup(context, settings.top_k), AllowedModels.of(settings)
    of_candidates = Models(_quiet(model_options(settings), settings), models.local)
    try:
        split = Setups(base, models, allowed)
        running = RunningExperiments(database, split=split, shadow=Setups(base, of_candidates, allowed))
        shadow = ShadowRunner(
            database,
            graph,
            running,
            timeout_s=settings.shadow_timeout_s,
            concurrency=settings.shadow_concurrency,
            waiting=settings.shadow_queue,
            store_text=settings.store_text,
        )
        opened = Experimenting(
            Experiments(database, split, running), running, shadow, GuardWatch(database, audit)
        )
        if settings.role == "worker":
            yield opened
        else:
            await running.refresh()
            async with _following(opened):
                yield opened
    finally:
        await of_candidates.close()


@asynccontextmanager
async def _following(opened: Experimenting) -> AsyncIterator[None]:
    async with opened.shadow.running():
        task = asyncio.create_task(opened.follow())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    try:
        await opened.shadow.count_dropped()
    except GroundworkError:
        log.warning("dropped_shadows_not_counted", exc_info=True)


def _quiet(options: ModelOptions, settings: Settings) -> ModelOptions:
    """One attempt, no second one beside it, and no more calls than candidates answer at a time."""
    resilience = replace(
        options.resilience, attempts=1, hedge_after_s=None, limit=settings.shadow_concurrency
    )
    return replace(options, resilience=resilience)
