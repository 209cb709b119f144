"""The experiments that run now, held in memory and followed, so that a request asks no database for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog

from app.experiments.setups import AnswerSetup, Setups
from db.pool import Database
from db.repositories import experiments
from db.repositories.experiments import ExperimentKind, RunningExperiment
from feedback.experiments.assignment import assign, takes_part
from rag.errors import GroundworkError

log = structlog.get_logger(__name__)


def label_of(key: str, variant: str) -> str:
    """What answers and traces call a variant."""
    return f"{key}/{variant}"


@dataclass(frozen=True, slots=True)
class Assigned:
    """The variant that answers a subject."""

    experiment_id: UUID
    label: str
    variant: str
    setup: AnswerSetup


@dataclass(frozen=True, slots=True)
class Live:
    """A running experiment, with the setups of its variants."""

    experiment: RunningExperiment
    setups: Mapping[str, AnswerSetup]

    def assigned(self, subject: str) -> Assigned | None:
        experiment = self.experiment
        key, salt = experiment.key, experiment.salt
        if not takes_part(key, salt, subject, experiment.traffic_share):
            return None
        weights = {variant.name: variant.weight for variant in experiment.variants}
        variant = assign(key, salt, subject, weights)
        return Assigned(experiment.id, label_of(key, variant), variant, self.setups[variant])


class Assigner(Protocol):
    """Decides which variant answers."""

    def assign(self, tenant_id: UUID, subject: str) -> Assigned | None:
        """The subject's variant; None for who takes part in no experiment."""
        ...


class RunningExperiments:
    """All tenants' running experiments, as of the last `refresh`. Is an `Assigner`.

    Args:
        database: Says which are running.
        setups: Makes what variants answer with.
    """

    def __init__(self, database: Database, setups: Setups) -> None:
        self._database = database
        self._setups = setups
        self._live: dict[UUID, Live] = {}
        self._by_tenant: dict[tuple[UUID, ExperimentKind], Live] = {}
        self._refused: dict[UUID, RunningExperiment] = {}

    def assign(self, tenant_id: UUID, subject: str) -> Assigned | None:
        live = self.of(tenant_id, ExperimentKind.SPLIT)
        return live.assigned(subject) if live else None

    def of(self, tenant_id: UUID, kind: ExperimentKind) -> Live | None:
        """The tenant's experiment of that kind."""
        return self._by_tenant.get((tenant_id, kind))

    def all(self) -> Sequence[Live]:
        return list(self._live.values())

    async def refresh(self) -> None:
        """Take up what is running now.

        Raises:
            UnavailableError: The database can't be reached.
        """
        async with self._database.system() as connection:
            found = await experiments.running(connection)
        live = {e.id: taken for e in found if (taken := await self._take_up(e)) is not None}
        ids = {experiment.id for experiment in found}
        self._refused = {known: refused for known, refused in self._refused.items() if known in ids}
        self._live = live
        self._by_tenant = {(one.experiment.tenant_id, one.experiment.kind): one for one in live.values()}

    async def _take_up(self, experiment: RunningExperiment) -> Live | None:
        """None for one that can't run here, which leaves everybody with the service's own setup."""
        known = self._live.get(experiment.id)
        if known is not None and known.experiment == experiment:
            return known
        if self._refused.get(experiment.id) == experiment:
            return None
        try:
            made = {variant.name: await self._setups.get(variant.settings) for variant in experiment.variants}
        except GroundworkError:
            log.warning("experiment_not_taken_up", experiment=str(experiment.id), exc_info=True)
            self._refused[experiment.id] = experiment
            return None
        log.info("experiment_taken_up", experiment=str(experiment.id), kind=experiment.kind.value)
        return Live(experiment, made)
