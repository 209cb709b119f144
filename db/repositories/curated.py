"""Curated answers: what an admin has pinned to a question, and the vectors that it is found by."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from db.pool import Connection

COLUMNS = (
    "c.id, c.question, c.answer, c.document_ids, c.acl, c.threshold, c.enabled, c.created_by, c.created_at, "
    "c.updated_at"
)
VISIBLE = "(c.acl = '{}' OR c.acl && $2::text[])"
STANDING = """
SELECT count(*) AS entries, count(*) FILTER (WHERE e.curated_id IS NULL) AS missing
FROM curated_answers c LEFT JOIN curated_embeddings e ON e.curated_id = c.id AND e.space_id = $2
WHERE c.tenant_id = $1 AND c.enabled
"""
# Each is compared: an index for all spaces and tenants would be larger than what it saves.
NEAREST = f"""
SELECT {COLUMNS}, 1 - (e.embedding <=> $4::halfvec) AS similarity
FROM curated_embeddings e JOIN curated_answers c ON c.id = e.curated_id
WHERE e.tenant_id = $1 AND e.space_id = $3 AND c.enabled AND {VISIBLE}
ORDER BY similarity DESC, c.created_at DESC LIMIT $5
"""
# By the caller's own names, which filters of a search take.
SOURCES = """
SELECT id, source_document_id FROM source_documents
WHERE tenant_id = $1 AND id = ANY ($3) AND (acl = '{}' OR acl && $2::text[])
"""
ADD = """
INSERT INTO curated_answers (tenant_id, question, answer, document_ids, acl, threshold, enabled, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id
"""
CHANGE = """
UPDATE curated_answers SET question = $2, answer = $3, document_ids = $4, acl = $5, threshold = $6,
    enabled = $7, updated_at = clock_timestamp()
WHERE id = $1
"""
DELETE = f"DELETE FROM curated_answers c WHERE c.tenant_id = $1 AND {VISIBLE} AND c.id = $3 RETURNING id"
ONE = f"SELECT {COLUMNS} FROM curated_answers c WHERE c.tenant_id = $1 AND {VISIBLE} AND c.id = $3"
HOLD = f"{ONE} FOR UPDATE"
PAGE = f"""
SELECT {COLUMNS} FROM curated_answers c
WHERE c.tenant_id = $1 AND {VISIBLE}
  AND ($3::timestamptz IS NULL OR (c.created_at, c.id) > ($3, $4::uuid))
ORDER BY c.created_at, c.id LIMIT $5
"""
COUNT = "SELECT count(*) FROM curated_answers WHERE tenant_id = $1"
FORGET_VECTORS = "DELETE FROM curated_embeddings WHERE curated_id = $1"
# The question may have changed since its vector was asked for; it is then asked for again.
SET_VECTOR = """
INSERT INTO curated_embeddings (tenant_id, curated_id, space_id, embedding)
SELECT $1, c.id, $4, $5::halfvec FROM curated_answers c WHERE c.id = $2 AND c.question = $3 FOR KEY SHARE
ON CONFLICT (curated_id, space_id) DO UPDATE SET embedding = EXCLUDED.embedding
"""
MISSING = """
SELECT c.id, c.question FROM curated_answers c
WHERE c.tenant_id = $1 AND NOT EXISTS (
    SELECT FROM curated_embeddings e WHERE e.curated_id = c.id AND e.space_id = $2)
ORDER BY c.created_at, c.id LIMIT $3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CuratedFields:
    """What an admin says of a curated answer.

    Attributes:
        document_ids: Its sources, UUIDs of source documents.
        acl: Groups that it is for; empty for everyone.
        threshold: Least cosine similarity of a question for it; None for the service's own.
    """

    question: str
    answer: str
    document_ids: tuple[UUID, ...] = ()
    acl: tuple[str, ...] = ()
    threshold: float | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CuratedRow(CuratedFields):
    """A curated answer as it is stored."""

    id: UUID
    created_by: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Near:
    """A curated answer, and how near a question is to its own: cosine similarity, -1 to 1."""

    row: CuratedRow
    similarity: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How many curated answers a tenant has switched on, and how many of them have no vector in a space."""

    entries: int
    missing: int


@dataclass(frozen=True, slots=True)
class Unembedded:
    id: UUID
    question: str


async def standing(connection: Connection, tenant_id: UUID, space_id: int) -> Standing:
    row = await connection.fetchrow(STANDING, tenant_id, space_id)
    assert row is not None, "an aggregate"  # noqa: S101 - narrows the type
    return Standing(**row)


async def nearest(
    connection: Connection,
    tenant_id: UUID,
    groups: Sequence[str],
    space_id: int,
    vector: Sequence[float],
    *,
    limit: int,
) -> list[Near]:
    """Those whose questions are nearest to the vector, of all that these groups may be told."""
    rows = await connection.fetch(NEAREST, tenant_id, list(groups), space_id, list(vector), limit)
    return [Near(_row(row), row["similarity"]) for row in rows]


async def sources(
    connection: Connection, tenant_id: UUID, groups: Sequence[str], document_ids: Sequence[UUID]
) -> dict[UUID, str]:
    """The names of those documents that are there and that these groups may read, by their ids."""
    rows = await connection.fetch(SOURCES, tenant_id, list(groups), list(document_ids))
    return {row["id"]: row["source_document_id"] for row in rows}


async def add(connection: Connection, tenant_id: UUID, new: CuratedFields, *, created_by: str | None) -> UUID:
    curated_id: UUID = await connection.fetchval(
        ADD,
        tenant_id,
        new.question,
        new.answer,
        list(new.document_ids),
        list(new.acl),
        new.threshold,
        new.enabled,
        created_by,
    )
    return curated_id


async def change(connection: Connection, curated_id: UUID, to: CuratedFields) -> None:
    """Replace all fields. Vectors stay: they are of the question as it was."""
    await connection.execute(
        CHANGE,
        curated_id,
        to.question,
        to.answer,
        list(to.document_ids),
        list(to.acl),
        to.threshold,
        to.enabled,
    )


async def delete(connection: Connection, tenant_id: UUID, groups: Sequence[str], curated_id: UUID) -> bool:
    """Delete it; whether there was one that these groups may see."""
    return await connection.fetchval(DELETE, tenant_id, list(groups), curated_id) is not None


async def get(
    connection: Connection, tenant_id: UUID, groups: Sequence[str], curated_id: UUID
) -> CuratedRow | None:
    row = await connection.fetchrow(ONE, tenant_id, list(groups), curated_id)
    return _row(row) if row else None


async def hold(
    connection: Connection, tenant_id: UUID, groups: Sequence[str], curated_id: UUID
) -> CuratedRow | None:
    """The same, which nobody changes until the transaction ends."""
    row = await connection.fetchrow(HOLD, tenant_id, list(groups), curated_id)
    return _row(row) if row else None


async def page(
    connection: Connection,
    tenant_id: UUID,
    groups: Sequence[str],
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
) -> list[CuratedRow]:
    """Those that these groups may see, in the order of their making; those behind `after`."""
    at, last = after or (None, None)
    rows = await connection.fetch(PAGE, tenant_id, list(groups), at, last, limit)
    return [_row(row) for row in rows]


async def count(connection: Connection, tenant_id: UUID) -> int:
    found: int = await connection.fetchval(COUNT, tenant_id)
    return found


async def forget_vectors(connection: Connection, curated_id: UUID) -> None:
    """Its question is another one now."""
    await connection.execute(FORGET_VECTORS, curated_id)


async def set_vector(
    connection: Connection, tenant_id: UUID, wanted: Unembedded, space_id: int, vector: Sequence[float]
) -> None:
    """Store the vector of its question in a space, unless the question has changed meanwhile."""
    await connection.execute(SET_VECTOR, tenant_id, wanted.id, wanted.question, space_id, list(vector))


async def missing(connection: Connection, tenant_id: UUID, space_id: int, *, limit: int) -> list[Unembedded]:
    """Those without a vector in the space, oldest first."""
    return [Unembedded(**row) for row in await connection.fetch(MISSING, tenant_id, space_id, limit)]


def _row(row: asyncpg.Record) -> CuratedRow:
    values: dict[str, Any] = {field.name: row[field.name] for field in fields(CuratedRow)}
    return CuratedRow(**values | {"document_ids": tuple(row["document_ids"]), "acl": tuple(row["acl"])})
