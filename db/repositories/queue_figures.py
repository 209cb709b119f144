"""How full the queue is, over all tenants."""

from collections.abc import Mapping
from dataclasses import dataclass

from db.pool import Connection

COUNTED = ("queued", "running")  # an index has just these
# A job that waits for a back-off, or behind another one on its document, is nobody's to take.
READ = """
SELECT state, count(*) AS jobs,
       coalesce(extract(epoch FROM now() - min(run_at)
                        FILTER (WHERE state = 'queued' AND run_at <= now())), 0) AS age
FROM jobs WHERE state IN ('queued', 'running') GROUP BY state
"""


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """Jobs by their state, and seconds that the oldest that may run has waited."""

    jobs: Mapping[str, int]
    age_s: float


async def read(connection: Connection) -> QueueFigures:
    """As `system`, which sees all tenants."""
    rows = await connection.fetch(READ)
    jobs = dict.fromkeys(COUNTED, 0) | {row["state"]: row["jobs"] for row in rows}
    return QueueFigures(jobs, max((float(row["age"]) for row in rows), default=0.0))
