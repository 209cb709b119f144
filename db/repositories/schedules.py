"""The clock: work that comes round again for each tenant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from db.pool import Connection
from db.repositories.jobs import WAKE

ENSURE = """
INSERT INTO schedules (tenant_id, name, kind, payload, every)
SELECT id, $1, $2, $3, $4 FROM tenants
ON CONFLICT (tenant_id, name) DO NOTHING
"""
# Late rounds are not made up for: after a night without workers a job runs once.
TICK = f"""
WITH due AS (
    SELECT tenant_id, name FROM schedules WHERE next_run_at <= now() FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE schedules s SET next_run_at = now() + every
    FROM due WHERE s.tenant_id = due.tenant_id AND s.name = due.name
    RETURNING s.tenant_id, s.kind, s.payload
)
INSERT INTO jobs (tenant_id, kind, payload, priority)
SELECT tenant_id, kind, payload, -10 FROM moved
RETURNING {WAKE}
"""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Work of one kind that every tenant has done again and again."""

    name: str
    kind: str
    every: timedelta
    payload: Mapping[str, Any] = field(default_factory=dict)


async def ensure(connection: Connection, schedule: Schedule) -> None:
    """Give every tenant that schedule, unless it has one of its name. Needs a `system` connection."""
    await connection.execute(ENSURE, schedule.name, schedule.kind, dict(schedule.payload), schedule.every)


async def tick(connection: Connection) -> int:
    """Queue what is due; how many jobs. Needs a `system` connection."""
    return len(await connection.fetch(TICK))
