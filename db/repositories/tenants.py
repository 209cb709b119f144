from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from db.pool import Connection

ENSURE = """
INSERT INTO tenants (slug, name) VALUES ($1, $2)
ON CONFLICT (slug) DO NOTHING
"""
BY_SLUG = "SELECT id, slug, name FROM tenants WHERE slug = $1"
ALL_IDS = "SELECT id FROM tenants ORDER BY id"
ARE_UNTOUCHED = "SELECT coalesce(sum(corpus_version), 0) = 0 FROM tenants"
CORPUS_VERSION = "SELECT corpus_version FROM tenants WHERE id = $1"
NEXT_CORPUS_VERSION = "UPDATE tenants SET corpus_version = corpus_version + 1 WHERE id = $1"
# The lock keeps two changes of one part each from undoing each other.
RETRIEVAL = "SELECT settings -> 'retrieval' FROM tenants WHERE id = $1 FOR UPDATE"
SET_RETRIEVAL = """
UPDATE tenants SET settings = jsonb_set(settings, '{retrieval}', $2::jsonb) WHERE id = $1
"""
INGESTION = "SELECT settings -> 'ingestion' FROM tenants WHERE id = $1"
SET_INGESTION = """
UPDATE tenants SET settings = jsonb_set(settings, '{ingestion}', $2::jsonb) WHERE id = $1
"""


@dataclass(frozen=True, slots=True)
class Tenant:
    id: UUID
    slug: str
    name: str


async def ensure(connection: Connection, *, slug: str, name: str) -> Tenant:
    """The tenant of that slug, made when there is none. Needs a `system` connection."""
    await connection.execute(ENSURE, slug, name)
    row = await connection.fetchrow(BY_SLUG, slug)
    assert row is not None, "inserted above"  # noqa: S101 - narrows the type
    return Tenant(**row)


async def find(connection: Connection, slug: str) -> Tenant | None:
    """The tenant of that slug. Needs a `system` connection."""
    row = await connection.fetchrow(BY_SLUG, slug)
    return Tenant(**row) if row else None


async def all_ids(connection: Connection) -> list[UUID]:
    """Every tenant. Needs a `system` connection."""
    return [row["id"] for row in await connection.fetch(ALL_IDS)]


async def are_untouched(connection: Connection) -> bool:
    """Whether no tenant has ever stored anything. Needs a `system` connection."""
    untouched: bool = await connection.fetchval(ARE_UNTOUCHED)
    return untouched


async def corpus_version(connection: Connection, tenant_id: UUID) -> int:
    version: int = await connection.fetchval(CORPUS_VERSION, tenant_id)
    return version


async def advance_corpus_version(connection: Connection, tenant_id: UUID) -> None:
    """Say that what a search can find has changed. Belongs into the transaction that changes it."""
    await connection.execute(NEXT_CORPUS_VERSION, tenant_id)


async def retrieval(connection: Connection, tenant_id: UUID) -> dict[str, Any]:
    """What the tenant has of `fusion`, `vector_weight`, `k1` and `b`; nobody changes it meanwhile."""
    return await connection.fetchval(RETRIEVAL, tenant_id) or {}


async def set_retrieval(connection: Connection, tenant_id: UUID, settings: Mapping[str, Any]) -> None:
    """Replace the tenant's own `fusion`, `vector_weight`, `k1` and `b`; what is left out is the default."""
    await connection.execute(SET_RETRIEVAL, tenant_id, dict(settings))


async def ingestion(connection: Connection, tenant_id: UUID) -> dict[str, Any]:
    """What the tenant has of its own of ingestion's settings."""
    return await connection.fetchval(INGESTION, tenant_id) or {}


async def set_ingestion(connection: Connection, tenant_id: UUID, settings: Mapping[str, Any]) -> None:
    """Replace them; what is left out is the service's default."""
    await connection.execute(SET_INGESTION, tenant_id, dict(settings))
