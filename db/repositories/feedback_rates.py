"""How many verdicts are good and bad, by what was rated."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import asyncpg

from db.pool import Connection

# A document counts where the answer cites it and these groups may read it.
RATES = """
WITH asked AS (SELECT $4::text[] AS groups, $5::text AS key, $6::text AS period),
rated AS (
    SELECT f.rating, f.labels, (f.created_at AT TIME ZONE 'UTC') AS at, t.*
    FROM feedback f JOIN LATERAL (
        SELECT models, prompt_version, variant, metadata, retrieved, citations, curated_id
        FROM traces WHERE id = f.trace_id) t ON true
    WHERE f.tenant_id = $1 AND f.created_at >= $2 AND f.created_at < $3
)
SELECT {label} AS label, date_trunc(asked.period, at)::date AS since,
       count(*) FILTER (WHERE rating = 1) AS up, count(*) FILTER (WHERE rating = -1) AS down
FROM asked CROSS JOIN rated {of_each}
WHERE {condition}
GROUP BY 1, 2 ORDER BY 2 NULLS FIRST, count(*) DESC, 1 LIMIT 1000
"""
CITED = """
CROSS JOIN LATERAL (
    SELECT DISTINCT s.source_document_id AS name FROM jsonb_array_elements(retrieved) r
    JOIN source_documents s ON s.id = (r ->> 'document_id')::uuid
    WHERE (s.acl = '{}' OR s.acl && asked.groups) AND EXISTS (
        SELECT FROM jsonb_array_elements(citations) c WHERE c ->> 'chunk_id' = r ->> 'chunk_id')) d
"""


class RateGrouping(StrEnum):
    """What verdicts are counted by. A verdict counts once for each of its labels, or cited documents."""

    MODEL = "model"
    PROMPT_VERSION = "prompt_version"
    VARIANT = "variant"
    SOURCE_DOCUMENT = "source_document"
    LABEL = "label"
    TAG = "tag"
    DAY = "day"


def _rates_by(label: str, *, of_each: str = "", condition: str = "true") -> str:
    return RATES.format(label=label, of_each=of_each, condition=condition)


RATES_BY = {
    RateGrouping.MODEL: _rates_by(
        "coalesce(models ->> 'chat', CASE WHEN curated_id IS NULL THEN 'none' ELSE 'curated' END)"
    ),
    RateGrouping.PROMPT_VERSION: _rates_by("prompt_version"),
    RateGrouping.VARIANT: _rates_by("coalesce(variant, 'none')"),
    RateGrouping.SOURCE_DOCUMENT: _rates_by("d.name", of_each=CITED),
    RateGrouping.LABEL: _rates_by("l.name", of_each="CROSS JOIN LATERAL unnest(labels) AS l (name)"),
    RateGrouping.TAG: _rates_by("metadata ->> asked.key", condition="metadata ->> asked.key IS NOT NULL"),
    RateGrouping.DAY: _rates_by("at::date::text"),
}
TOTAL = """
SELECT count(*) FILTER (WHERE rating = 1) AS up, count(*) FILTER (WHERE rating = -1) AS down
FROM feedback WHERE tenant_id = $1 AND created_at >= $2 AND created_at < $3
"""


@dataclass(frozen=True, slots=True)
class Count:
    """How many verdicts are good and bad.

    Attributes:
        label: What they are of; None for all.
        since: The first day of the period; None where time was not divided.
    """

    up: int
    down: int
    label: str | None = None
    since: date | None = None


async def counts(
    connection: Connection,
    tenant_id: UUID,
    groups: Sequence[str],
    grouping: RateGrouping,
    *,
    first: datetime,
    before: datetime,
    key: str,
    period: str | None = None,
) -> list[Count]:
    """Verdicts given from `first` on and before `before`, by `grouping`: at most 1,000 rows, most first.

    Args:
        connection: Of the tenant.
        tenant_id: Whose.
        groups: Only documents that these may read are named.
        grouping: What to count by.
        first: Beginning, which counts.
        before: End, which doesn't.
        key: Of the question's metadata, where they are counted by tag.
        period: "day", "week" or "month" to count each apart, oldest first.
    """
    rows = await connection.fetch(RATES_BY[grouping], tenant_id, first, before, list(groups), key, period)
    return [_count(row) for row in rows]


async def total(connection: Connection, tenant_id: UUID, *, first: datetime, before: datetime) -> Count:
    """All of them."""
    row = await connection.fetchrow(TOTAL, tenant_id, first, before)
    assert row is not None, "an aggregate"  # noqa: S101 - narrows the type
    return _count(row)


def _count(row: asyncpg.Record) -> Count:
    return Count(**{field.name: row[field.name] for field in fields(Count) if field.name in row})
