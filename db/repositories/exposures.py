"""Who met which variant of an experiment, what came of it, and how each variant does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from db.pool import Connection
from db.repositories.experiments import Experiment, RunningExperiment

# The lock makes a deletion of the experiment wait, so that an exposure either goes with it or is not stored.
EXPOSE = """
INSERT INTO exposures (tenant_id, experiment_id, subject, user_id, variant, exposed_at)
SELECT $1, e.id, $3, $4, $5, $6 FROM experiments e WHERE e.id = $2
  AND NOT EXISTS (SELECT FROM exposures WHERE experiment_id = $2 AND subject = $3) FOR KEY SHARE OF e
ON CONFLICT (experiment_id, subject) DO NOTHING
"""
EXPOSURES = """
SELECT variant, count(*) AS subjects FROM exposures WHERE experiment_id = $1 GROUP BY variant ORDER BY variant
"""
# Neither a client that went nor a question that may not be asked says anything of a variant.
NOT_ITS_FAULT = "ARRAY['client_closed', 'BlockedError']"
HEALTH = f"""
count(*) AS requests, count(*) FILTER (WHERE error IS NOT NULL) AS errors,
percentile_cont(0.95) WITHIN GROUP (ORDER BY (timings_ms ->> 'total')::float8)
    FILTER (WHERE error IS NULL) AS p95_ms
FROM ({{newest}} AND coalesce(error, '') <> ALL ({NOT_ITS_FAULT})
      ORDER BY created_at DESC LIMIT {{limit}}) AS newest
"""
NEWEST = 20_000  # rows that a look at an experiment's health reads at most
BY_VARIANT = "SELECT label, " + HEALTH.format(
    newest="""
    SELECT variant AS label, error, timings_ms, created_at FROM traces
    WHERE tenant_id = $1 AND created_at >= greatest($3, now() - $4::interval) AND variant = ANY ($2::text[])
    """,
    limit=NEWEST,
)
BY_VARIANT += " GROUP BY label"
# One row for each request since the exposure. Whoever met another variant later, because weights changed, has
# rows of both.
OUTCOMES = """
SELECT e.subject, coalesce(split_part(t.variant, '/', 2), e.variant) AS variant, e.exposed_at,
       t.strategy AS segment_strategy,
       CASE WHEN t.id IS NOT NULL THEN (t.error IS NOT NULL)::int END AS errors,
       CASE WHEN t.error IS NULL THEN (t.timings_ms ->> 'total')::float8 END AS latency_ms,
       (t.usage ->> 'cost_usd')::float8 AS cost_usd,
       CASE WHEN t.error IS NULL THEN t.abstained::int END AS abstained,
       (SELECT f.rating FROM feedback f WHERE f.trace_id = t.id AND f.subject = t.subject) AS rating,
       v.click, v.cite_click, v.copy, v.add_to_cart, v.purchase, v.reformulate,
       greatest(v.click, v.cite_click, v.copy, v.add_to_cart, v.purchase) AS converted
FROM exposures e
LEFT JOIN traces t ON t.tenant_id = e.tenant_id AND t.subject = e.subject AND t.created_at >= e.exposed_at
    AND starts_with(t.variant, $2 || '/') AND coalesce(t.error, '') <> 'client_closed'
CROSS JOIN LATERAL (
    SELECT (count(*) FILTER (WHERE kind = 'click') > 0)::int AS click,
           (count(*) FILTER (WHERE kind = 'cite_click') > 0)::int AS cite_click,
           (count(*) FILTER (WHERE kind = 'copy') > 0)::int AS copy,
           (count(*) FILTER (WHERE kind = 'add_to_cart') > 0)::int AS add_to_cart,
           (count(*) FILTER (WHERE kind = 'purchase') > 0)::int AS purchase,
           (count(*) FILTER (WHERE kind = 'reformulate') > 0)::int AS reformulate
    FROM events WHERE events.trace_id = t.id) v
WHERE e.experiment_id = $1
ORDER BY e.exposed_at, e.subject, t.created_at
"""


@dataclass(frozen=True, slots=True)
class Exposure:
    """A subject met a variant for the first time.

    Attributes:
        exposed_at: When the request began, by the database's clock.
    """

    experiment_id: UUID
    subject: str
    user_id: str | None
    variant: str
    exposed_at: datetime


@dataclass(frozen=True, slots=True)
class Health:
    """How some requests went. `p95_ms` is of those without an error; None if there are none."""

    requests: int = 0
    errors: int = 0
    p95_ms: float | None = None


async def expose(connection: Connection, tenant_id: UUID, exposure: Exposure) -> None:
    """Note the first time; later ones change nothing."""
    await connection.execute(
        EXPOSE,
        tenant_id,
        exposure.experiment_id,
        exposure.subject,
        exposure.user_id,
        exposure.variant,
        exposure.exposed_at,
    )


async def exposures(connection: Connection, experiment_id: UUID) -> dict[str, int]:
    """How many subjects met each variant first."""
    return {row["variant"]: row["subjects"] for row in await connection.fetch(EXPOSURES, experiment_id)}


async def health(
    connection: Connection, experiment: RunningExperiment, labels: Sequence[str]
) -> dict[str, Health]:
    """How the latest requests went, by the variants' labels as traces have them."""
    window = timedelta(seconds=experiment.guard.window_s)
    rows = await connection.fetch(
        BY_VARIANT, experiment.tenant_id, list(labels), experiment.started_at, window
    )
    return {row["label"]: Health(row["requests"], row["errors"], row["p95_ms"]) for row in rows}


async def outcomes(connection: Connection, experiment: Experiment) -> list[dict[str, Any]]:
    """A row for each request of each subject since their exposure: what an analysis reads."""
    rows = await connection.fetch(OUTCOMES, experiment.id, experiment.key)
    return [{**row, "exposed_at": row["exposed_at"].isoformat()} for row in rows]
