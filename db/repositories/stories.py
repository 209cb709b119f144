"""What is read to explain one request: its trace, what surrounds it, and what is usual for its tenant."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from db.pool import Connection

USUAL = 200  # requests whose timings say what is usual
SAME_QUESTION = 5000  # newest traces that are looked through for the same question

FIND = """
SELECT id, request_id, conversation_id, subject, user_id, strategy, query, answer, retrieved, citations,
       prompt_version, corpus_version, models, usage, timings_ms, degraded, abstained, error, redacted,
       curated_id, variant, diagnostics, created_at
FROM traces WHERE tenant_id = $1 AND request_id = $2 ORDER BY created_at DESC, id LIMIT 1
"""
TIMINGS = """
SELECT timings_ms || jsonb_build_object(
    'accept', coalesce(diagnostics -> 'accept_ms', '0'),
    'wait', coalesce(diagnostics -> 'model_wait_ms', '0')) AS timings
FROM traces
WHERE tenant_id = $1 AND id <> $2 AND created_at < $3 AND error IS NULL AND curated_id IS NULL
ORDER BY created_at DESC LIMIT $4
"""
DOCUMENTS = """
SELECT id, source_document_id, title, acl = '{}' OR acl && $2::text[] AS is_open
FROM source_documents WHERE tenant_id = $1 AND id = ANY ($3::uuid[])
"""
VERDICTS = """
SELECT id, rating, labels, comment, correction, created_at FROM feedback
WHERE tenant_id = $1 AND trace_id = $2 ORDER BY created_at, id LIMIT 50
"""
EVENTS = """
SELECT kind, count(*) AS count FROM events WHERE tenant_id = $1 AND trace_id = $2 GROUP BY kind ORDER BY kind
"""
# A question that was stored sealed is sealed to its row: no other row's text equals it.
CITED_BEFORE = """
SELECT (r ->> 'document_id')::uuid AS id, max((r -> 'vector' ->> 'score')::float8) AS score
FROM (SELECT query, citations, retrieved FROM traces WHERE tenant_id = $1 AND created_at < $3
      ORDER BY created_at DESC LIMIT $4) t,
     jsonb_array_elements(t.citations) c, jsonb_array_elements(t.retrieved) r
WHERE t.query = $2 AND r ->> 'chunk_id' = c ->> 'chunk_id'
GROUP BY r ->> 'document_id'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTrace:
    """A request as it is stored; `query` and `answer` may be sealed."""

    id: UUID
    request_id: str
    conversation_id: UUID | None
    subject: str
    user_id: str | None
    strategy: str
    query: str | None
    answer: str | None
    retrieved: list[dict[str, Any]]
    citations: list[dict[str, Any]]
    prompt_version: str
    corpus_version: int
    models: dict[str, Any]
    usage: dict[str, Any]
    timings_ms: dict[str, float]
    degraded: list[str]
    abstained: bool
    error: str | None
    redacted: list[str]
    curated_id: UUID | None
    variant: str | None
    diagnostics: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document that is there today, and whether the groups may read it."""

    id: UUID
    source_document_id: str
    title: str
    is_open: bool


async def find(connection: Connection, tenant_id: UUID, request_id: str) -> StoredTrace | None:
    """The newest request of that id."""
    row = await connection.fetchrow(FIND, tenant_id, request_id)
    return StoredTrace(**row) if row else None


async def timings_before(
    connection: Connection, tenant_id: UUID, trace: StoredTrace
) -> list[dict[str, float]]:
    """Of the requests that were answered before this one, newest first, in milliseconds by stage."""
    rows = await connection.fetch(TIMINGS, tenant_id, trace.id, trace.created_at, USUAL)
    return [row["timings"] for row in rows]


async def documents(
    connection: Connection, tenant_id: UUID, groups: Sequence[str], ids: Iterable[UUID]
) -> dict[UUID, KnownDocument]:
    """Those of the documents that are still there, closed ones too."""
    rows = await connection.fetch(DOCUMENTS, tenant_id, list(groups), sorted(set(ids)))
    return {row["id"]: KnownDocument(**row) for row in rows}


async def verdicts(connection: Connection, tenant_id: UUID, trace_id: UUID) -> list[dict[str, Any]]:
    """What users said of the answer, oldest first; texts as stored."""
    return [dict(row) for row in await connection.fetch(VERDICTS, tenant_id, trace_id)]


async def events(connection: Connection, tenant_id: UUID, trace_id: UUID) -> dict[str, int]:
    """How often people did what with the answer."""
    return {row["kind"]: row["count"] for row in await connection.fetch(EVENTS, tenant_id, trace_id)}


async def cited_before(
    connection: Connection, tenant_id: UUID, trace: StoredTrace
) -> dict[UUID, float | None]:
    """Documents that answers to the same question cited before, and the similarity of what was cited."""
    if trace.query is None:
        return {}
    rows = await connection.fetch(CITED_BEFORE, tenant_id, trace.query, trace.created_at, SAME_QUESTION)
    return {row["id"]: row["score"] for row in rows}
