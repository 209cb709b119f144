"""What admins and operators do with experiments."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from app.access.identity import Identity
from app.access.named_tenant import check_tenant, named_tenant
from app.access.roles import Role
from app.experiments.running import RunningExperiments
from app.experiments.setups import Setups
from db.pool import Connection, Database
from db.repositories import experiments, exposures, shadow_results
from db.repositories.experiments import (
    Experiment,
    ExperimentKind,
    ExperimentState,
    Guard,
    NewExperiment,
    Variant,
)
from db.repositories.shadow_results import ShadowSummary
from feedback.experiments.assignment import positive_weights
from rag.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError

FEWEST_VARIANTS, MOST_VARIANTS = 2, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentChanges:
    """What is to be another; None stays.

    Attributes:
        variants: All of them; of a draft only.
        weights: Of those variants that are named; also while it runs.
        state: `running` or `stopped`.
    """

    variants: tuple[Variant, ...] | None = None
    weights: Mapping[str, float] | None = None
    traffic_share: float | None = None
    guard: Guard | None = None
    state: ExperimentState | None = None


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """An experiment with what came of it so far.

    Attributes:
        exposures: Subjects that met each variant.
        shadow: The candidate beside the answers that were given; None for a split.
    """

    experiment: Experiment
    exposures: Mapping[str, int]
    shadow: ShadowSummary | None


class Experiments:
    """Experiments of all tenants, seen from the API. An admin reaches those of their tenant, an operator all.

    Args:
        database: Where they are.
        setups: Say whether a variant can be.
        running: Takes up changes at once in this process; others do so within a second.
    """

    def __init__(self, database: Database, setups: Setups, running: RunningExperiments) -> None:
        self._database = database
        self._setups = setups
        self._running = running

    async def create(
        self, caller: Identity, new: NewExperiment, *, tenant_id: UUID | None = None
    ) -> Experiment:
        """Store a draft; an operator may name another tenant.

        Raises:
            InvalidInputError: A variant can't be.
            ConflictError: The tenant has an experiment of that key.
            NotFoundError: There is no such tenant that the caller may make experiments of.
        """
        owner_id = named_tenant(caller, tenant_id)
        await self._check(new.kind, new.variants)
        new = replace(new, salt=new.salt or secrets.token_hex(8))
        async with self._database.tenant(owner_id) as connection:
            created_by = caller.subject or "anonymous"
            experiment_id = await experiments.add(connection, owner_id, new, created_by)
            if experiment_id is None:
                raise ConflictError(f"there is an experiment {new.key} already")
            return await _get(connection, experiment_id)

    async def page(
        self,
        caller: Identity,
        *,
        tenant_id: UUID | None = None,
        limit: int,
        after: tuple[datetime, UUID] | None = None,
    ) -> list[Experiment]:
        """Newest first, of the caller's tenant; an operator may name another.

        Raises:
            NotFoundError: There is no such tenant whose experiments the caller may see.
        """
        owner_id = named_tenant(caller, tenant_id)
        async with self._database.tenant(owner_id) as connection:
            await check_tenant(connection, owner_id)
            return await experiments.page(connection, owner_id, limit=limit, after=after)

    async def get(self, caller: Identity, experiment_id: UUID) -> ExperimentResult:
        """Raises: NotFoundError when there is none that the caller may see."""
        async with self._own(caller, experiment_id, to_change=False) as (connection, experiment):
            exposed = await exposures.exposures(connection, experiment_id)
            is_shadow = experiment.kind is ExperimentKind.SHADOW
            shadow = await shadow_results.summary(connection, experiment_id) if is_shadow else None
            return ExperimentResult(experiment, exposed, shadow)

    async def change(self, caller: Identity, experiment_id: UUID, changes: ExperimentChanges) -> Experiment:
        """Change a draft, or of a running experiment weights, share, guard and state.

        Every replica goes by it within two seconds.

        Raises:
            NotFoundError: There is none that the caller may see.
            ForbiddenError: It is to be started by somebody who is not the tenant's own admin.
            ConflictError: In its state that can't be changed, or another of its kind is running.
            InvalidInputError: A variant can't be, or isn't there.
        """
        async with self._own(caller, experiment_id) as (connection, found):
            variants = _changed(found, changes)
            # What runs can be stopped, also where its models may not be used any more.
            if variants != found.variants or changes.state is ExperimentState.RUNNING:
                await self._check(found.kind, variants)
                await experiments.set_variants(connection, found.tenant_id, experiment_id, variants)
            share = found.traffic_share if changes.traffic_share is None else changes.traffic_share
            guard = changes.guard or found.guard
            await experiments.change(connection, experiment_id, traffic_share=share, guard=guard)
            if changes.state is not None and changes.state is not found.state:
                await _move(connection, caller, found, changes.state)
            changed = await _get(connection, experiment_id)
        await self._running.refresh()
        return changed

    async def delete(self, caller: Identity, experiment_id: UUID) -> None:
        """Delete it with all that was found out by it.

        Raises:
            NotFoundError: There is none that the caller may see.
            ConflictError: It is running.
        """
        async with self._own(caller, experiment_id) as (connection, experiment):
            if experiment.state is ExperimentState.RUNNING:
                raise ConflictError("the experiment is running: stop it first")
            await experiments.delete(connection, experiment_id)

    async def _check(self, kind: ExperimentKind, variants: tuple[Variant, ...]) -> None:
        names = [variant.name for variant in variants]
        if len(set(names)) < len(names):
            raise InvalidInputError("two variants have the same name")
        if kind is ExperimentKind.SHADOW and len(variants) != 1:
            raise InvalidInputError("a shadow experiment has one variant, its candidate")
        if kind is ExperimentKind.SPLIT and not FEWEST_VARIANTS <= len(variants) <= MOST_VARIANTS:
            raise InvalidInputError(
                f"a split has {FEWEST_VARIANTS} to {MOST_VARIANTS} variants, the control first"
            )
        positive_weights({variant.name: variant.weight for variant in variants})
        for variant in variants:
            await self._setups.get(variant.settings)

    @asynccontextmanager
    async def _own(
        self, caller: Identity, experiment_id: UUID, *, to_change: bool = True
    ) -> AsyncIterator[tuple[Connection, Experiment]]:
        """The experiment, with a transaction of its tenant, if the caller may see it."""
        tenant_id: UUID | None = caller.tenant_id
        if caller.role is Role.OPERATOR:
            async with self._database.system() as connection:
                tenant_id = await experiments.tenant_of(connection, experiment_id)
        if tenant_id is None:
            raise _none(experiment_id)
        async with self._database.tenant(tenant_id) as connection:
            if to_change:
                await experiments.lock(connection, experiment_id)
            yield connection, await _get(connection, experiment_id)


def _changed(found: Experiment, changes: ExperimentChanges) -> tuple[Variant, ...]:
    """The variants as they are to be."""
    if found.state is ExperimentState.STOPPED:
        raise ConflictError("the experiment has ended: make another one")
    if changes.variants is not None and found.state is not ExperimentState.DRAFT:
        raise ConflictError("the variants of an experiment that was started stay: make another one")
    variants, weights = changes.variants or found.variants, changes.weights or {}
    if unknown := weights.keys() - {variant.name for variant in variants}:
        raise InvalidInputError(f"there is no variant {min(unknown)}")
    return tuple(replace(v, weight=weights.get(v.name, v.weight)) for v in variants)


async def _move(connection: Connection, caller: Identity, found: Experiment, state: ExperimentState) -> None:
    """Start or stop it. Its tenant opts in by its admin, who alone can start it."""
    if state is ExperimentState.DRAFT or (
        state is ExperimentState.STOPPED and found.state is ExperimentState.DRAFT
    ):
        raise ConflictError(f"the experiment is {found.state}: it can't become {state}")
    if state is ExperimentState.STOPPED:
        await experiments.stop(connection, found.id)
        return
    if caller.role is Role.OPERATOR:
        raise ForbiddenError("an experiment is started by an admin of its tenant")
    if not await experiments.start(connection, found.id):
        raise ConflictError(f"another {found.kind} experiment of the tenant is running")


async def _get(connection: Connection, experiment_id: UUID) -> Experiment:
    found = await experiments.get(connection, experiment_id)
    if found is None:
        raise _none(experiment_id)
    return found


def _none(experiment_id: UUID) -> NotFoundError:
    return NotFoundError(f"there is no experiment {experiment_id}")
