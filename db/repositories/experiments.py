"""Experiments of tenants: what they compare, who was exposed to what, and how each variant does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg

from db.pool import Connection

RULES = "key, kind, traffic_share, salt, max_error_rate, max_latency_ratio, min_samples, window_s"
ADD = f"""
INSERT INTO experiments (tenant_id, created_by, {RULES})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (tenant_id, key) DO NOTHING RETURNING id
"""
FORGET_VARIANTS = "DELETE FROM experiment_variants WHERE experiment_id = $1"
ADD_VARIANT = """
INSERT INTO experiment_variants (tenant_id, experiment_id, ordinal, name, weight, settings)
VALUES ($1, $2, $3, $4, $5, $6)
"""
VARIANTS = """
coalesce((
    SELECT jsonb_agg(
        jsonb_build_object('name', name, 'weight', weight, 'settings', settings) ORDER BY ordinal)
    FROM experiment_variants WHERE experiment_id = e.id), '[]') AS variants
"""
SHOWN = f"""
SELECT id, tenant_id, {RULES}, state, stopped_reason, shadow_dropped, created_by, created_at, started_at,
       stopped_at, {VARIANTS}
FROM experiments e
"""
GET = f"{SHOWN} WHERE id = $1"
BY_KEY = f"{SHOWN} WHERE tenant_id = $1 AND key = $2"
PAGE = f"""
{SHOWN} WHERE tenant_id = $1 AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
ORDER BY created_at DESC, id DESC LIMIT $2
"""
# Answers that note an exposure go on meanwhile.
LOCK = "SELECT id FROM experiments WHERE id = $1 FOR NO KEY UPDATE"
TENANT_OF = "SELECT tenant_id FROM experiments WHERE id = $1"
RUNNING = f"""
SELECT id, tenant_id, {RULES}, started_at, {VARIANTS} FROM experiments e WHERE state = 'running' ORDER BY id
"""
CHANGE = """
UPDATE experiments SET traffic_share = $2, max_error_rate = $3, max_latency_ratio = $4, min_samples = $5,
    window_s = $6
WHERE id = $1
"""
START = """
UPDATE experiments SET state = 'running', started_at = clock_timestamp() WHERE id = $1 AND state = 'draft'
"""
STOP = """
UPDATE experiments SET state = 'stopped', stopped_at = clock_timestamp(), stopped_reason = $2
WHERE id = $1 AND state = 'running' RETURNING id
"""
DELETE = "DELETE FROM experiments WHERE id = $1"


class ExperimentKind(StrEnum):
    SPLIT = "split"  # users are divided among variants, each of which answers
    SHADOW = "shadow"  # a candidate answers copies of requests, and nobody sees it


class ExperimentState(StrEnum):
    DRAFT = "draft"
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Variant:
    """One side of an experiment.

    Attributes:
        weight: Its share is this by the sum of all weights.
        settings: Where it differs from the service.
    """

    name: str
    weight: float = 1.0
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Guard:
    """When an experiment ends by itself; None leaves a rule out.

    Attributes:
        max_error_rate: Of a challenger's requests, if it is above the control's too.
        max_latency_ratio: A challenger's 95th percentile of latency by the control's.
        min_samples: Requests of each that it takes to say so.
        window_s: How far back they are looked at.
    """

    max_error_rate: float | None = None
    max_latency_ratio: float | None = None
    min_samples: int = 100
    window_s: int = 900


@dataclass(frozen=True, slots=True)
class NewExperiment:
    """What is compared, and how.

    Attributes:
        variants: The first is the control; of a shadow experiment, the one candidate.
        traffic_share: Of the subjects that take part; of a shadow experiment, of the requests.
        salt: Another one divides the same subjects anew.
    """

    key: str
    kind: ExperimentKind
    variants: tuple[Variant, ...]
    traffic_share: float
    salt: str
    guard: Guard = Guard()


@dataclass(frozen=True, slots=True)
class RunningExperiment(NewExperiment):
    """What it takes to run one."""

    id: UUID = field(kw_only=True)
    tenant_id: UUID = field(kw_only=True)
    started_at: datetime = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Experiment(NewExperiment):
    """An experiment as it is shown.

    Attributes:
        stopped_reason: Which guard it crossed; None where a person stopped it.
        shadow_dropped: Requests that a shadow candidate was not asked, because too many waited.
    """

    id: UUID = field(kw_only=True)
    tenant_id: UUID = field(kw_only=True)
    state: ExperimentState = field(kw_only=True)
    stopped_reason: str | None = field(kw_only=True)
    shadow_dropped: int = field(kw_only=True)
    created_by: str | None = field(kw_only=True)
    created_at: datetime = field(kw_only=True)
    started_at: datetime | None = field(kw_only=True)
    stopped_at: datetime | None = field(kw_only=True)


async def add(connection: Connection, tenant_id: UUID, new: NewExperiment, created_by: str) -> UUID | None:
    """Store a draft; None if the tenant has an experiment of that key."""
    guard = new.guard
    experiment_id: UUID | None = await connection.fetchval(
        ADD,
        tenant_id,
        created_by,
        new.key,
        new.kind,
        new.traffic_share,
        new.salt,
        guard.max_error_rate,
        guard.max_latency_ratio,
        guard.min_samples,
        guard.window_s,
    )
    if experiment_id is not None:
        await set_variants(connection, tenant_id, experiment_id, new.variants)
    return experiment_id


async def set_variants(
    connection: Connection, tenant_id: UUID, experiment_id: UUID, variants: Sequence[Variant]
) -> None:
    """Replace them all."""
    await connection.execute(FORGET_VARIANTS, experiment_id)
    rows = [
        (tenant_id, experiment_id, place, variant.name, variant.weight, variant.settings)
        for place, variant in enumerate(variants)
    ]
    await connection.executemany(ADD_VARIANT, rows)


async def get(connection: Connection, experiment_id: UUID) -> Experiment | None:
    return _experiment(await connection.fetchrow(GET, experiment_id))


async def find(connection: Connection, tenant_id: UUID, key: str) -> Experiment | None:
    return _experiment(await connection.fetchrow(BY_KEY, tenant_id, key))


async def lock(connection: Connection, experiment_id: UUID) -> None:
    """Let nobody else change it until the transaction ends."""
    await connection.execute(LOCK, experiment_id)


async def page(
    connection: Connection, tenant_id: UUID, *, limit: int, after: tuple[datetime, UUID] | None = None
) -> list[Experiment]:
    """Newest first; those behind `after`."""
    rows = await connection.fetch(PAGE, tenant_id, limit, *(after or (None, None)))
    return [Experiment(**_fields(row)) for row in rows]


async def tenant_of(connection: Connection, experiment_id: UUID) -> UUID | None:
    """Whose it is. Needs a `system` connection."""
    tenant_id: UUID | None = await connection.fetchval(TENANT_OF, experiment_id)
    return tenant_id


async def running(connection: Connection) -> list[RunningExperiment]:
    """Those of all tenants. Needs a `system` connection."""
    return [RunningExperiment(**_fields(row)) for row in await connection.fetch(RUNNING)]


async def change(connection: Connection, experiment_id: UUID, *, traffic_share: float, guard: Guard) -> None:
    await connection.execute(
        CHANGE,
        experiment_id,
        traffic_share,
        guard.max_error_rate,
        guard.max_latency_ratio,
        guard.min_samples,
        guard.window_s,
    )


async def start(connection: Connection, experiment_id: UUID) -> bool:
    """Start a draft; False if another experiment of the tenant and of its kind is running."""
    try:
        async with connection.transaction():
            await connection.execute(START, experiment_id)
    except asyncpg.UniqueViolationError:
        return False
    return True


async def stop(connection: Connection, experiment_id: UUID, reason: str | None = None) -> bool:
    """Stop a running one; False if it isn't."""
    return await connection.fetchval(STOP, experiment_id, reason) is not None


async def delete(connection: Connection, experiment_id: UUID) -> None:
    """With its exposures and shadow results."""
    await connection.execute(DELETE, experiment_id)


def _experiment(row: asyncpg.Record | None) -> Experiment | None:
    return None if row is None else Experiment(**_fields(row))


def _fields(row: asyncpg.Record) -> dict[str, Any]:
    """A row's columns as the classes name them."""
    found = dict(row)
    rules = ("max_error_rate", "max_latency_ratio", "min_samples", "window_s")
    found["guard"] = Guard(**{name: found.pop(name) for name in rules})
    found["kind"] = ExperimentKind(found["kind"])
    found["variants"] = tuple(Variant(**variant) for variant in found["variants"])
    if "state" in found:
        found["state"] = ExperimentState(found["state"])
    return found
