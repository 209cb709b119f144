"""What questions for an evaluation set are made from: a tenant's chunks, and what it was asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from db.pool import Connection
from rag.ports import Passage, SearchScope

MAX_TRACES = 5000  # the newest; more would be a set that nobody reviews

_CURRENT = """
FROM documents d
JOIN source_documents s ON s.id = d.source_id AND s.current_version = d.version
WHERE d.tenant_id = $1 AND (s.acl = '{}' OR s.acl && $2::text[])
"""
# In an order that doesn't hang on when or where the documents were taken in.
PLACES = f"""
SELECT d.id AS chunk_id, s.source_document_id, d.chunk_index {_CURRENT}
ORDER BY s.source_document_id COLLATE "C", d.chunk_index
"""
CHUNK = f"""
SELECT d.id AS chunk_id, s.id AS document_id, s.source_document_id, d.version, s.title, s.uri, d.text,
       d.start_char AS start, d.end_char AS "end", d.page, d.heading_path, d.chunk_index, d.token_count,
       d.metadata, d.language, s.content_sha256
{_CURRENT} AND d.id = $3
"""
# An answer was given, with verified citations, and nobody has called it wrong.
ANSWERED = """
SELECT t.id, t.query, t.answer, t.citations
FROM traces t
WHERE t.tenant_id = $1 AND t.created_at >= now() - $2::interval
  AND t.query IS NOT NULL AND t.error IS NULL AND NOT t.abstained AND t.citations <> '[]'::jsonb
  AND NOT EXISTS (SELECT FROM feedback f WHERE f.trace_id = t.id AND f.rating < 0)
ORDER BY t.created_at DESC, t.id LIMIT $3
"""
SOURCES = f"SELECT d.id AS chunk_id, s.source_document_id {_CURRENT} AND d.id = ANY ($3::uuid[])"


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """A chunk of a current version, without its text."""

    chunk_id: UUID
    source_document_id: str
    chunk_index: int


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk of a current version.

    Attributes:
        language: ISO 639; None for none.
        content_sha256: Of its document's bytes, in hexadecimal digits.
    """

    passage: Passage
    language: str | None
    content_sha256: str


async def places(connection: Connection, scope: SearchScope) -> list[ChunkPlace]:
    """All chunks that these groups may read."""
    rows = await connection.fetch(PLACES, scope.tenant_id, list(scope.groups))
    return [ChunkPlace(**row) for row in rows]


async def chunk(connection: Connection, scope: SearchScope, chunk_id: UUID) -> StoredChunk | None:
    """The chunk, while it is one of a current version."""
    row = await connection.fetchrow(CHUNK, scope.tenant_id, list(scope.groups), chunk_id)
    if row is None:
        return None
    fields = dict(row)
    language, digest = fields.pop("language"), fields.pop("content_sha256")
    fields["heading_path"] = tuple(fields["heading_path"])
    return StoredChunk(Passage(**fields), language, digest.hex())


async def answered(connection: Connection, tenant_id: UUID, *, within: timedelta) -> list[dict[str, Any]]:
    """Rows of `traces`, newest first; query and answer as they are stored, which may be sealed."""
    return [dict(row) for row in await connection.fetch(ANSWERED, tenant_id, within, MAX_TRACES)]


async def sources_of(
    connection: Connection, scope: SearchScope, chunk_ids: Sequence[UUID]
) -> dict[UUID, str]:
    """Names of the documents of these chunks, as far as they are current."""
    rows = await connection.fetch(SOURCES, scope.tenant_id, list(scope.groups), list(chunk_ids))
    return {row["chunk_id"]: row["source_document_id"] for row in rows}
