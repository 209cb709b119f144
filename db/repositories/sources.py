"""Source documents, their versions and chunks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from db.pool import Connection
from db.repositories import scope, tenants
from rag.ports import NewVersion, SourceLabels, StoredSource, Writer

FIND = """
SELECT s.id AS document_id, s.current_version AS version, s.reading_sha256,
       s.acl = '{}' OR s.acl && $4::text[] AS visible,
       NOT EXISTS (
           SELECT FROM documents d
           WHERE d.source_id = s.id AND d.version = s.current_version AND NOT EXISTS (
               SELECT FROM chunk_embeddings e WHERE e.chunk_number = d.number AND e.space_id = $3)
       ) AS embedded
FROM source_documents s
WHERE s.tenant_id = $1 AND s.source_document_id = $2
"""
# Two ingestions of the same source take turns by the row's lock; the later one wins as the next version.
# A source that the caller may not see is not updated, and then no row comes back.
UPSERT = """
INSERT INTO source_documents (tenant_id, source_document_id, title, uri, mime_type, content_sha256,
                              metadata, acl, language, reading_sha256, origin, origin_mark, current_version)
VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, '{}'::jsonb), coalesce($8, '{}'::text[]), $10, $11, $12, $13, 1)
ON CONFLICT (tenant_id, source_document_id) DO UPDATE SET
    title = EXCLUDED.title, uri = coalesce($4, source_documents.uri), mime_type = EXCLUDED.mime_type,
    content_sha256 = EXCLUDED.content_sha256,
    metadata = coalesce($7, source_documents.metadata), acl = coalesce($8, source_documents.acl),
    language = EXCLUDED.language, reading_sha256 = EXCLUDED.reading_sha256,
    origin = coalesce($12, source_documents.origin),
    origin_mark = CASE WHEN $12::text IS NULL THEN source_documents.origin_mark ELSE $13 END,
    current_version = source_documents.current_version + 1,
    status = 'ready', error = NULL, updated_at = now()
WHERE source_documents.acl = '{}' OR source_documents.acl && $9::text[]
RETURNING id AS document_id, current_version AS version, metadata, acl
"""
ADD_VERSION = """
INSERT INTO source_versions (tenant_id, source_id, version, content_sha256, byte_size, text, chunk_count)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
# One statement for many chunks. Arrays of arrays can't be unnested by rows, so paths come as one string each.
ADD_CHUNKS = """
INSERT INTO documents (tenant_id, source_id, version, chunk_index, text, start_char, end_char, page,
                       heading_path, token_count, language, metadata)
SELECT $1, $2, $3, c.chunk_index, c.text, c.start_char, c.end_char, c.page,
       string_to_array(c.heading_path, E'\\x1f'), c.token_count, c.language, c.metadata
FROM unnest($4::integer[], $5::text[], $6::integer[], $7::integer[], $8::integer[], $9::text[],
            $10::integer[], $11::text[], $12::jsonb[])
    AS c (chunk_index, text, start_char, end_char, page, heading_path, token_count, language, metadata)
RETURNING chunk_index, number
"""
PATH_SEPARATOR = "\x1f"  # ASCII's unit separator
CHUNKS_AT_ONCE = 2000  # in one statement: a few megabytes
PAGE = """
SELECT s.id AS document_id, s.source_document_id, s.title, s.uri, s.mime_type, s.metadata, s.acl, s.status,
       s.error, s.current_version AS version, v.chunk_count, v.byte_size, s.content_sha256,
       s.created_at, s.updated_at
FROM source_documents s
JOIN source_versions v ON v.source_id = s.id AND v.version = s.current_version
WHERE s.tenant_id = $1 AND (s.acl = '{}' OR s.acl && $2::text[])
"""
ONE = f"{PAGE} AND s.id = $3"
BY_NAME = f"{PAGE} AND s.source_document_id = $3"
AFTER = f"{PAGE} AND (s.created_at, s.id) > ($3, $4) ORDER BY s.created_at, s.id LIMIT $5"
FIRST = f"{PAGE} ORDER BY s.created_at, s.id LIMIT $3"
TEXT = """
SELECT v.text FROM source_versions v
JOIN source_documents s ON s.id = v.source_id
WHERE s.id = $1 AND v.version = coalesce($2, s.current_version) AND (s.acl = '{}' OR s.acl && $3::text[])
"""
DESCRIBE = """
UPDATE source_documents
SET metadata = coalesce($2, metadata), acl = coalesce($3, acl), uri = coalesce($4, uri),
    origin = coalesce($6, origin), origin_mark = CASE WHEN $6::text IS NULL THEN origin_mark ELSE $7 END,
    updated_at = now()
WHERE id = $1 AND (acl = '{}' OR acl && $5::text[])
  AND (metadata, acl, uri, origin, origin_mark) IS DISTINCT FROM
      (coalesce($2, metadata), coalesce($3, acl), coalesce($4, uri), coalesce($6, origin),
       CASE WHEN $6::text IS NULL THEN origin_mark ELSE $7 END)
RETURNING tenant_id
"""
MARKED = (
    "SELECT id AS document_id, source_document_id, content_sha256, origin, origin_mark, acl "
    "FROM source_documents"
)
MARKS = f"{MARKED} WHERE tenant_id = $1 AND origin = $2"
MARK = f"{MARKED} WHERE tenant_id = $1 AND source_document_id = $2"
# Two changes of one document take turns.
METADATA = """
SELECT metadata FROM source_documents WHERE id = $1 AND (acl = '{}' OR acl && $2::text[]) FOR UPDATE
"""
DELETE = "DELETE FROM source_documents WHERE id = $1 AND (acl = '{}' OR acl && $2::text[]) RETURNING id"
# The lock keeps a deletion waiting until an answer that quotes these sources is stored.
STILL_THERE = "SELECT id FROM source_documents WHERE id = ANY($1) FOR SHARE"


@dataclass(frozen=True, slots=True)
class StoredVersion:
    document_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a document comes from, and that place's sign of a change as it was when it was taken in."""

    document_id: UUID
    source_document_id: str
    content_sha256: bytes
    origin: str | None
    origin_mark: str | None
    acl: list[str]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source document as it is listed."""

    document_id: UUID
    source_document_id: str
    title: str
    uri: str | None
    mime_type: str
    metadata: dict[str, Any]
    acl: list[str]
    status: str
    error: str | None
    version: int
    chunk_count: int
    byte_size: int
    content_sha256: bytes
    created_at: datetime
    updated_at: datetime


async def find(
    connection: Connection, owner: Writer, source_document_id: str, *, space_id: int
) -> StoredSource | None:
    row = await connection.fetchrow(FIND, owner.tenant_id, source_document_id, space_id, list(owner.groups))
    return StoredSource(**row) if row else None


async def upsert(connection: Connection, owner: Writer, new: NewVersion) -> StoredVersion | None:
    """Lock or make the source and give it its next version number; None if its access list forbids it."""
    labels = new.labels
    row = await connection.fetchrow(
        UPSERT,
        owner.tenant_id,
        labels.source_document_id,
        new.title,
        labels.uri,
        new.mime_type,
        new.content_sha256,
        None if labels.metadata is None else dict(labels.metadata),
        None if labels.acl is None else list(labels.acl),
        list(owner.groups),
        new.language,
        new.reading_sha256,
        labels.origin,
        labels.origin_mark,
    )
    if row is None:
        return None
    stored = StoredVersion(row["document_id"], row["version"])
    if row["metadata"] or stored.version > 1:
        await scope.replace_attributes(connection, owner.tenant_id, stored.document_id, row["metadata"])
    await scope.replace_readers(connection, owner.tenant_id, stored.document_id, row["acl"])
    return stored


async def add_version(
    connection: Connection, tenant_id: UUID, stored: StoredVersion, new: NewVersion
) -> None:
    await connection.execute(
        ADD_VERSION,
        tenant_id,
        stored.document_id,
        stored.version,
        new.content_sha256,
        new.byte_size,
        new.text,
        len(new.chunks),
    )


async def add_chunks(
    connection: Connection, tenant_id: UUID, stored: StoredVersion, new: NewVersion
) -> list[int]:
    """Store the chunks; their numbers in the order of the chunks."""
    numbers: dict[int, int] = {}
    for start in range(0, len(new.chunks), CHUNKS_AT_ONCE):
        chunks = new.chunks[start : start + CHUNKS_AT_ONCE]
        rows = await connection.fetch(
            ADD_CHUNKS,
            tenant_id,
            stored.document_id,
            stored.version,
            [chunk.index for chunk in chunks],
            [chunk.text for chunk in chunks],
            [chunk.start for chunk in chunks],
            [chunk.end for chunk in chunks],
            [chunk.page for chunk in chunks],
            [_joined(chunk.heading_path) for chunk in chunks],
            [chunk.token_count for chunk in chunks],
            list(new.languages[start : start + CHUNKS_AT_ONCE]),
            [dict(chunk.metadata) for chunk in chunks],
        )
        numbers.update((row["chunk_index"], row["number"]) for row in rows)
    return [numbers[chunk.index] for chunk in new.chunks]


def _joined(path: Sequence[str]) -> str:
    return PATH_SEPARATOR.join(part.replace(PATH_SEPARATOR, " ") for part in path)


async def page(
    connection: Connection,
    tenant_id: UUID,
    groups: Sequence[str],
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
) -> list[SourceRow]:
    """Sources in the order of their making, from behind the position `after`."""
    if after is None:
        rows = await connection.fetch(FIRST, tenant_id, list(groups), limit)
    else:
        rows = await connection.fetch(AFTER, tenant_id, list(groups), *after, limit)
    return [SourceRow(**row) for row in rows]


async def get(
    connection: Connection, tenant_id: UUID, groups: Sequence[str], document_id: UUID
) -> SourceRow | None:
    row = await connection.fetchrow(ONE, tenant_id, list(groups), document_id)
    return SourceRow(**row) if row else None


async def by_name(
    connection: Connection, tenant_id: UUID, groups: Sequence[str], source_document_id: str
) -> SourceRow | None:
    row = await connection.fetchrow(BY_NAME, tenant_id, list(groups), source_document_id)
    return SourceRow(**row) if row else None


async def text(
    connection: Connection, groups: Sequence[str], document_id: UUID, *, version: int | None = None
) -> str | None:
    """The stored text, of the current version unless another is named."""
    stored: str | None = await connection.fetchval(TEXT, document_id, version, list(groups))
    return stored


async def describe(
    connection: Connection, document_id: UUID, groups: Sequence[str], labels: SourceLabels
) -> bool:
    """Change of the labels what is not None, but for the title; whether anything changed."""
    fields = None if labels.metadata is None else dict(labels.metadata)
    readers = None if labels.acl is None else list(labels.acl)
    tenant_id = await connection.fetchval(
        DESCRIBE, document_id, fields, readers, labels.uri, list(groups), labels.origin, labels.origin_mark
    )
    if tenant_id is None:
        return False
    if fields is not None:
        await scope.replace_attributes(connection, tenant_id, document_id, fields)
    if readers is not None:
        await scope.replace_readers(connection, tenant_id, document_id, readers)
    return True


async def marks(connection: Connection, tenant_id: UUID, origin: str) -> dict[str, Mark]:
    """All documents of one origin, by name, closed ones too."""
    rows = await connection.fetch(MARKS, tenant_id, origin)
    return {row["source_document_id"]: Mark(**row) for row in rows}


async def mark(connection: Connection, tenant_id: UUID, source_document_id: str) -> Mark | None:
    """Where the document of that name comes from; None if there is none."""
    row = await connection.fetchrow(MARK, tenant_id, source_document_id)
    return Mark(**row) if row else None


async def change(
    connection: Connection,
    tenant_id: UUID,
    groups: Sequence[str],
    document_id: UUID,
    *,
    metadata: Mapping[str, Any] | None,
    acl: Sequence[str] | None,
    uri: str | None,
) -> SourceRow | None:
    """Merge metadata into the source's (None removes a key) and replace what else is not None.

    Returns:
        The source as it is then; None when there is none that the caller may see.
    """
    known = await connection.fetchval(METADATA, document_id, list(groups))
    if known is None:
        return None
    merged = None
    if metadata is not None:
        merged = {key: value for key, value in (known | dict(metadata)).items() if value is not None}
    labels = SourceLabels("", uri=uri, metadata=merged, acl=None if acl is None else tuple(acl))
    if await describe(connection, document_id, groups, labels):
        await tenants.advance_corpus_version(connection, tenant_id)
    # A caller may have closed the source to themselves: they still see what they did.
    row = await connection.fetchrow(ONE, tenant_id, [*groups, *(acl or ())], document_id)
    return SourceRow(**row) if row else None


async def delete(connection: Connection, groups: Sequence[str], document_id: UUID) -> bool:
    """Delete the source with all its versions, chunks and searchable sides; whether there was one."""
    return await connection.fetchval(DELETE, document_id, list(groups)) is not None


async def still_there(connection: Connection, document_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these sources exist; they go on existing until the transaction ends."""
    return {row["id"] for row in await connection.fetch(STILL_THERE, list(document_ids))}
