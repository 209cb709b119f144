"""What of experiments the service works with, put together and kept going."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import SecretStr

from app.audit import Audit
from app.experiments.guard import GuardWatch
from app.experiments.manage import Experiments
from app.experiments.running import RunningExperiments
from app.experiments.setups import AllowedModels, AnswerSetup, Setups
from app.experiments.shadow import Dropped
from app.experiments.shadow_process import ShadowProcess
from app.foundation import Foundation
from app.settings import Settings
from db.addresses import DatabaseLogins
from db.pool import Database
from graph.state import AnswerContext
from rag.errors import GroundworkError

log = structlog.get_logger(__name__)

LOOK_S = 1.0  # between two looks at what runs: a change reaches every replica within two seconds
GUARD_EVERY = 5  # looks; a guard reads many traces


@dataclass(frozen=True, slots=True)
class Experimenting:
    """Experiments as the API manages them, as answers follow them, and their shadows."""

    database: Database
    experiments: Experiments
    running: RunningExperiments
    shadow: ShadowProcess
    dropped: Dropped
    guard: GuardWatch

    async def look(self, *, at_guards: bool) -> None:
        """Take up what is running, store what was counted, and stop what crosses its guard.

        Raises:
            UnavailableError: The database can't be reached.
        """
        await self.running.refresh()
        await self.dropped.store(self.database)
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
    settings: Settings, base: Foundation, context: AnswerContext, audit: Audit
) -> AsyncIterator[Experimenting]:
    """Open all of it, and follow what runs in the background where answers are given.

    Raises:
        UnavailableError: The database can't be reached.
    """
    database = base.database
    setups = Setups(AnswerSetup(context, settings.top_k), base.models, AllowedModels.of(settings))
    running, dropped = RunningExperiments(database, setups), Dropped()
    opened = Experimenting(
        database,
        Experiments(database, setups, running),
        running,
        ShadowProcess(_of_shadows(settings, base.logins), running, dropped),
        dropped,
        GuardWatch(database, audit),
    )
    if settings.role == "worker":
        yield opened
        return
    await running.refresh()
    async with _following(opened):
        yield opened


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
        await opened.dropped.store(opened.database)
    except GroundworkError:
        log.warning("dropped_shadows_not_counted", exc_info=True)


def _of_shadows(settings: Settings, logins: DatabaseLogins) -> Settings:
    """Those of the process that asks candidates: it works on our database, and tells no metrics."""
    connections = min(settings.db_connections, settings.shadow_concurrency)
    changes: dict[str, Any] = {
        "role": "api",
        "migrate_on_start": False,
        "metrics": False,
        "db_connections": connections,
    }
    if settings.database_logins() is None:
        changes["database_url"] = SecretStr(logins.owner.url)
    return settings.model_copy(update=changes)
