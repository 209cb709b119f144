"""What is looked through for answers that went wrong: traces, what users said of them, their chunks.

Texts come as they are stored, which may be sealed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from db.pool import Connection
from rag.ports import Passage

MAX_TRACES = 5000  # the complaints first, then the newest: what one look at a tenant reads at most
MAX_REPLACED = 2000  # chunks, the first that were replaced since: their texts are read one by one

_FIELDS = """
SELECT t.id, t.request_id, t.conversation_id, t.created_at, t.strategy, t.query, t.answer, t.abstained,
       t.retrieved, t.citations, t.prompt_version, t.corpus_version, t.models, t.diagnostics
FROM traces t
"""
# A curated answer is a person's: no stage made it.
RECENT = f"""
{_FIELDS}
LEFT JOIN LATERAL (
    SELECT max(coalesce(f.changed_at, f.created_at)) AS given_at, min(f.rating) AS rating
    FROM feedback f WHERE f.trace_id = t.id
) said ON true
WHERE t.tenant_id = $1 AND t.query IS NOT NULL AND t.answer IS NOT NULL AND t.error IS NULL
  AND t.curated_id IS NULL AND greatest(t.created_at, said.given_at) >= now() - $2::interval
ORDER BY coalesce(said.rating, 0) < 0 DESC, t.created_at DESC, t.id LIMIT $3
"""
OF_REQUEST = (
    f"{_FIELDS} WHERE t.tenant_id = $1 AND t.request_id = $2 ORDER BY t.created_at DESC, t.id LIMIT 2"
)
# Of several the worst, and of those the last word.
VERDICTS = """
SELECT DISTINCT ON (trace_id) id, trace_id, rating, labels, comment, correction
FROM feedback WHERE tenant_id = $1 AND trace_id = ANY ($2::uuid[])
ORDER BY trace_id, rating, coalesce(changed_at, created_at) DESC, id
"""
REFORMULATED = """
SELECT DISTINCT trace_id FROM events
WHERE tenant_id = $1 AND trace_id = ANY ($2::uuid[]) AND kind = 'reformulate'
"""
_KEPT = """
SELECT d.id AS chunk_id, s.id AS document_id, s.source_document_id, d.version, s.title, s.uri, d.text,
       d.start_char AS start, d.end_char AS "end", d.page, d.heading_path, d.chunk_index, d.token_count,
       d.metadata, s.current_version = d.version AS is_current, v.created_at AS added_at,
       s.acl = '{}' OR s.acl && $2::text[] AS is_open
FROM documents d
JOIN source_documents s ON s.id = d.source_id
JOIN source_versions v ON v.source_id = d.source_id AND v.version = d.version
WHERE d.tenant_id = $1
"""
CHUNKS = f"{_KEPT} AND d.id = ANY ($3::uuid[])"
# Of each source the version that was current at that time, as far as it is another one today.
REPLACED = f"""
{_KEPT} AND s.updated_at > $3 AND d.version <> s.current_version AND (s.acl = '{{}}' OR s.acl && $2::text[])
  AND d.version = (SELECT max(o.version) FROM source_versions o
                   WHERE o.source_id = d.source_id AND o.created_at <= $3)
ORDER BY s.updated_at, d.source_id, d.chunk_index LIMIT $4
"""


@dataclass(frozen=True, slots=True)
class KeptChunk:
    """A chunk of any version that is still stored.

    Attributes:
        is_current: Whether a search can find it.
        is_open: Whether the groups may read it.
        added_at: When its version was taken in.
    """

    passage: Passage
    is_current: bool
    is_open: bool
    added_at: datetime


async def recent(connection: Connection, tenant_id: UUID, *, within: timedelta) -> list[dict[str, Any]]:
    """Traces with their texts that were made or judged within that time, the complaints first."""
    return [dict(row) for row in await connection.fetch(RECENT, tenant_id, within, MAX_TRACES)]


async def of_request(connection: Connection, tenant_id: UUID, request_id: str) -> list[dict[str, Any]]:
    """The traces of a request id, newest first, at most two."""
    return [dict(row) for row in await connection.fetch(OF_REQUEST, tenant_id, request_id)]


async def verdicts(
    connection: Connection, tenant_id: UUID, trace_ids: Sequence[UUID]
) -> list[dict[str, Any]]:
    """What users said of these answers, one row each."""
    return [dict(row) for row in await connection.fetch(VERDICTS, tenant_id, list(trace_ids))]


async def reformulated(connection: Connection, tenant_id: UUID, trace_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of the traces whose question the client says was asked again in other words."""
    rows = await connection.fetch(REFORMULATED, tenant_id, list(trace_ids))
    return frozenset(row["trace_id"] for row in rows)


async def chunks(
    connection: Connection, tenant_id: UUID, groups: Sequence[str], chunk_ids: Iterable[UUID]
) -> dict[UUID, KeptChunk]:
    """Those of the chunks that are still stored, closed ones too, by their ids."""
    rows = await connection.fetch(CHUNKS, tenant_id, list(groups), sorted(set(chunk_ids)))
    return {row["chunk_id"]: _kept(dict(row)) for row in rows}


async def replaced_since(
    connection: Connection, tenant_id: UUID, groups: Sequence[str], moment: datetime
) -> list[KeptChunk]:
    """What these groups could find at that time and can't today, as far as it is still stored."""
    rows = await connection.fetch(REPLACED, tenant_id, list(groups), moment, MAX_REPLACED)
    return [_kept(dict(row)) for row in rows]


def _kept(row: dict[str, Any]) -> KeptChunk:
    own = {name: row.pop(name) for name in ("is_current", "is_open", "added_at")}
    return KeptChunk(Passage(**{**row, "heading_path": tuple(row["heading_path"])}), **own)
