"""What users say of answers: one verdict of each user on each answer, and those that it replaced."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from db.pool import Connection

# The lock makes an erasure of the trace wait, so that a verdict either goes with it or is not stored.
ADD = """
INSERT INTO feedback (id, tenant_id, trace_id, subject, rating, labels, comment, correction, metadata)
SELECT $1, $2, t.id, $4, $5, $6, $7, $8, $9 FROM traces t WHERE t.id = $3 FOR KEY SHARE
ON CONFLICT (trace_id, subject) DO NOTHING
RETURNING id
"""
GIVEN = """
SELECT id, rating, labels, comment, correction, metadata FROM feedback
WHERE trace_id = $1 AND subject = $2 FOR UPDATE
"""
KEEP = """
INSERT INTO feedback_history (tenant_id, feedback_id, rating, labels, comment, correction, metadata, given_at)
SELECT tenant_id, id, rating, labels, comment, correction, metadata, coalesce(changed_at, created_at)
FROM feedback WHERE id = $1
"""
REPLACE = """
UPDATE feedback SET rating = $2, labels = $3, comment = $4, correction = $5, metadata = $6,
    changed_at = clock_timestamp(), handled_at = NULL
WHERE id = $1
"""
# Closed: the answer was made from a document that these groups may not read, and a comment may quote it.
SHOWN = """
SELECT f.id, t.request_id, f.rating, f.labels, f.comment, f.correction, f.metadata, f.created_at,
       f.changed_at, f.handled_at, t.models ->> 'chat' AS model_name, t.prompt_version, t.variant,
       t.abstained, t.curated_id, EXISTS (
           SELECT FROM jsonb_array_elements(t.retrieved) r
           JOIN source_documents s ON s.id = (r ->> 'document_id')::uuid
           WHERE s.acl <> '{}' AND NOT s.acl && $2::text[]) AS is_closed
FROM feedback f JOIN traces t ON t.id = f.trace_id
WHERE f.tenant_id = $1
"""
ONE = f"{SHOWN} AND f.id = $3"
PAGE = f"""
{SHOWN}
  AND ($3::smallint IS NULL OR f.rating = $3)
  AND ($4::text IS NULL OR $4 = ANY (f.labels))
  AND ($5::timestamptz IS NULL OR f.created_at >= $5)
  AND ($6::text IS NULL OR t.models ->> 'chat' = $6)
  AND ($7::boolean IS NULL OR (f.handled_at IS NOT NULL) = $7)
  AND ($8::timestamptz IS NULL OR (f.created_at, f.id) < ($8, $9::uuid))
ORDER BY f.created_at DESC, f.id DESC LIMIT $10
"""
HISTORY = """
SELECT feedback_id, rating, labels, comment, correction, metadata, given_at, replaced_at
FROM feedback_history WHERE feedback_id = $1 ORDER BY given_at, replaced_at
"""
HANDLE = """
UPDATE feedback SET handled_at = CASE WHEN $3 THEN coalesce(handled_at, clock_timestamp()) END
WHERE tenant_id = $1 AND id = ANY ($2) RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody says of an answer; texts as they may be stored, which may be sealed.

    Attributes:
        id: Of the row that holds it, to which sealed texts are bound.
    """

    id: UUID
    rating: int
    labels: list[str]
    comment: str | None
    correction: str | None
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FeedbackFilter:
    """Which verdicts are listed; None for all.

    Attributes:
        since: Given then or later.
        model: The chat model that answered.
        handled: Whether somebody has dealt with it.
    """

    rating: int | None = None
    label: str | None = None
    since: datetime | None = None
    model: str | None = None
    handled: bool | None = None


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """A verdict with what was rated.

    Attributes:
        model_name: Of the chat model; None where none was asked, or none answered.
        is_closed: The answer was made from a document that the reader may not read.
    """

    id: UUID
    request_id: str
    rating: int
    labels: list[str]
    comment: str | None
    correction: str | None
    metadata: dict[str, Any]
    created_at: datetime
    changed_at: datetime | None
    handled_at: datetime | None
    model_name: str | None
    prompt_version: str
    variant: str | None
    abstained: bool
    curated_id: UUID | None
    is_closed: bool


@dataclass(frozen=True, slots=True)
class ReplacedVerdict:
    """What a user had said before; sealed texts are bound to the row of the verdict that stands."""

    feedback_id: UUID
    rating: int
    labels: list[str]
    comment: str | None
    correction: str | None
    metadata: dict[str, Any]
    given_at: datetime
    replaced_at: datetime


async def add(
    connection: Connection, tenant_id: UUID, trace_id: UUID, subject: str, verdict: Verdict
) -> bool:
    """Store the subject's first verdict on an answer; False if there is one, or the trace is gone."""
    added = await connection.fetchval(
        ADD,
        verdict.id,
        tenant_id,
        trace_id,
        subject,
        verdict.rating,
        verdict.labels,
        verdict.comment,
        verdict.correction,
        verdict.metadata,
    )
    return added is not None


async def given(connection: Connection, trace_id: UUID, subject: str) -> Verdict | None:
    """The subject's verdict on an answer, which nobody changes until the transaction ends."""
    row = await connection.fetchrow(GIVEN, trace_id, subject)
    return Verdict(**row) if row else None


async def replace(connection: Connection, verdict: Verdict) -> None:
    """Put the verdict in the place of the one with its id, which goes into history; it is open again."""
    await connection.execute(KEEP, verdict.id)
    await connection.execute(
        REPLACE,
        verdict.id,
        verdict.rating,
        verdict.labels,
        verdict.comment,
        verdict.correction,
        verdict.metadata,
    )


async def get(
    connection: Connection, tenant_id: UUID, groups: Sequence[str], feedback_id: UUID
) -> FeedbackRow | None:
    row = await connection.fetchrow(ONE, tenant_id, list(groups), feedback_id)
    return FeedbackRow(**row) if row else None


async def page(
    connection: Connection,
    tenant_id: UUID,
    groups: Sequence[str],
    wanted: FeedbackFilter,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
) -> list[FeedbackRow]:
    """Verdicts, newest first; those behind `after`."""
    at, last = after or (None, None)
    rows = await connection.fetch(
        PAGE,
        tenant_id,
        list(groups),
        wanted.rating,
        wanted.label,
        wanted.since,
        wanted.model,
        wanted.handled,
        at,
        last,
        limit,
    )
    return [FeedbackRow(**row) for row in rows]


async def history(connection: Connection, feedback_id: UUID) -> list[ReplacedVerdict]:
    """What the same user had said of the same answer before, oldest first."""
    return [ReplacedVerdict(**row) for row in await connection.fetch(HISTORY, feedback_id)]


async def set_handled(
    connection: Connection, tenant_id: UUID, feedback_ids: Sequence[UUID], *, handled: bool
) -> int:
    """Say that these were dealt with, or not yet; how many there are."""
    return len(await connection.fetch(HANDLE, tenant_id, list(feedback_ids), handled))
