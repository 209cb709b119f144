"""What a tenant's questions and answers usually are like: one row each, of a fixed size."""

from dataclasses import dataclass
from uuid import UUID

from db.pool import Connection

# The row is made before it is locked, so that two processes take turns from the first question on.
MAKE = "INSERT INTO quality_monitors (tenant_id, state) VALUES ($1, '') ON CONFLICT (tenant_id) DO NOTHING"
HOLD = "SELECT state FROM quality_monitors WHERE tenant_id = $1 FOR UPDATE"
SAVE = """
UPDATE quality_monitors SET state = $2, questions = questions + $3, scored = scored + $4,
    low_groundedness = low_groundedness + $5, alarms = alarms + $6, updated_at = clock_timestamp()
WHERE tenant_id = $1
"""
COUNTS = "SELECT questions, scored, low_groundedness, alarms FROM quality_monitors WHERE tenant_id = $1"


@dataclass(frozen=True, slots=True)
class QualityCounts:
    """Questions observed, answers scored, those with low groundedness, and alarms."""

    questions: int = 0
    scored: int = 0
    low_groundedness: int = 0
    alarms: int = 0


async def hold(connection: Connection, tenant_id: UUID) -> bytes:
    """The tenant's state, empty at first, which nobody else changes until the transaction ends."""
    await connection.execute(MAKE, tenant_id)
    state: bytes = await connection.fetchval(HOLD, tenant_id)
    return state


async def save(connection: Connection, tenant_id: UUID, state: bytes, more: QualityCounts) -> None:
    """Keep the state, and add to the counts."""
    await connection.execute(
        SAVE, tenant_id, state, more.questions, more.scored, more.low_groundedness, more.alarms
    )


async def counts(connection: Connection, tenant_id: UUID) -> QualityCounts:
    row = await connection.fetchrow(COUNTS, tenant_id)
    return QualityCounts(**row) if row else QualityCounts()
