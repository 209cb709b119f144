"""What candidates of shadow experiments made of requests that others answered."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from db.pool import Connection
from db.repositories.experiments import RunningExperiment
from db.repositories.exposures import HEALTH, NEWEST, Health

ADD = """
INSERT INTO shadow_results (id, tenant_id, experiment_id, trace_id, subject, user_id, variant, answer,
                            retrieved, citations, prompt_version, models, usage, timings_ms, degraded,
                            abstained, error, source_overlap, same_answer)
SELECT $1, $2, e.id, t.id, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19
FROM experiments e, traces t WHERE e.id = $3 AND t.id = $4 FOR KEY SHARE OF e, t
"""
ADD_DROPPED = "UPDATE experiments SET shadow_dropped = shadow_dropped + $2 WHERE id = $1"
SHADOW_HEALTH = "SELECT 'shadow' AS label, " + HEALTH.format(
    newest="""
    SELECT error, timings_ms, created_at FROM shadow_results
    WHERE experiment_id = $1 AND created_at >= greatest($2, now() - $3::interval)
    """,
    limit=NEWEST,
)
SHADOWED_HEALTH = "SELECT 'live' AS label, " + HEALTH.format(
    newest="""
    SELECT error, timings_ms, created_at FROM traces WHERE id IN (
        SELECT trace_id FROM shadow_results
        WHERE experiment_id = $1 AND created_at >= greatest($2, now() - $3::interval))
    """,
    limit=NEWEST,
)
SUMMARY = """
SELECT count(*) AS requests, count(*) FILTER (WHERE s.error IS NOT NULL) AS errors,
       avg(s.source_overlap) FILTER (WHERE s.error IS NULL) AS source_overlap,
       avg(s.same_answer::int) FILTER (WHERE s.error IS NULL)::float8 AS same_answers,
       count(*) FILTER (WHERE s.error IS NULL AND s.abstained) AS abstained,
       count(*) FILTER (WHERE s.error IS NULL AND t.abstained) AS live_abstained,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY (s.timings_ms ->> 'total')::float8)
           FILTER (WHERE s.error IS NULL) AS p95_ms,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY (t.timings_ms ->> 'total')::float8)
           FILTER (WHERE s.error IS NULL) AS live_p95_ms
FROM shadow_results s JOIN traces t ON t.id = s.trace_id WHERE s.experiment_id = $1
"""


@dataclass(frozen=True, slots=True)
class ShadowResult:
    """What a candidate made of a request that another configuration answered.

    Attributes:
        trace_id: Of the answer that was given.
        answer: As it may be stored, which may be sealed; None where text must not be stored.
        source_overlap: Chunks that both had in the prompt, by those that either had.
        same_answer: Whether both say the same, to the letter.
    """

    id: UUID
    experiment_id: UUID
    trace_id: UUID
    subject: str
    user_id: str | None
    variant: str
    answer: str | None
    retrieved: list[dict[str, Any]]
    citations: list[dict[str, Any]]
    prompt_version: str
    models: dict[str, Any]
    usage: dict[str, Any]
    timings_ms: dict[str, float]
    degraded: list[str]
    abstained: bool
    error: str | None
    source_overlap: float
    same_answer: bool


@dataclass(frozen=True, slots=True)
class ShadowSummary:
    """A candidate beside the answers that were given; means and percentiles are over requests it answered."""

    requests: int
    errors: int
    source_overlap: float | None
    same_answers: float | None
    abstained: int
    live_abstained: int
    p95_ms: float | None
    live_p95_ms: float | None


async def add(connection: Connection, tenant_id: UUID, result: ShadowResult) -> None:
    """Store it, unless the trace or the experiment has gone."""
    await connection.execute(
        ADD,
        result.id,
        tenant_id,
        result.experiment_id,
        result.trace_id,
        result.subject,
        result.user_id,
        result.variant,
        result.answer,
        result.retrieved,
        result.citations,
        result.prompt_version,
        result.models,
        result.usage,
        result.timings_ms,
        result.degraded,
        result.abstained,
        result.error,
        result.source_overlap,
        result.same_answer,
    )


async def add_dropped(connection: Connection, experiment_id: UUID, count: int) -> None:
    """Say that a candidate was not asked so many more requests."""
    await connection.execute(ADD_DROPPED, experiment_id, count)


async def health(connection: Connection, experiment: RunningExperiment) -> tuple[Health, Health]:
    """How the latest requests went that were copied, and how their copies did."""
    window = timedelta(seconds=experiment.guard.window_s)
    found = []
    for query in (SHADOWED_HEALTH, SHADOW_HEALTH):
        row = await connection.fetchrow(query, experiment.id, experiment.started_at, window)
        assert row is not None, "an aggregate"  # noqa: S101 - narrows the type
        found.append(Health(row["requests"], row["errors"], row["p95_ms"]))
    return found[0], found[1]


async def summary(connection: Connection, experiment_id: UUID) -> ShadowSummary:
    row = await connection.fetchrow(SUMMARY, experiment_id)
    assert row is not None, "an aggregate"  # noqa: S101 - narrows the type
    return ShadowSummary(**row)
