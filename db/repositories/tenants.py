from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from db.pool import Connection
from rag.errors import NotFoundError

ENSURE = """
INSERT INTO tenants (slug, name) VALUES ($1, $2)
ON CONFLICT (slug) DO NOTHING
"""
BY_SLUG = "SELECT id, slug, name FROM tenants WHERE slug = $1"
SHOWN = "id, slug, name, plan, coalesce(settings -> 'limits', '{}') AS limits, created_at"
CREATE = f"""
INSERT INTO tenants (slug, name) VALUES ($1, $2) ON CONFLICT (slug) DO NOTHING RETURNING {SHOWN}
"""
GET = f"SELECT {SHOWN} FROM tenants WHERE id = $1"
FIRST = f"SELECT {SHOWN} FROM tenants ORDER BY created_at, id LIMIT $1"
AFTER = f"SELECT {SHOWN} FROM tenants WHERE (created_at, id) > ($2, $3) ORDER BY created_at, id LIMIT $1"
RENAME = "UPDATE tenants SET name = $2 WHERE id = $1"
DELETE = "SELECT delete_tenant($1)"
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
PRIVACY = "SELECT settings -> 'privacy' AS settings, now() AS moment FROM tenants WHERE id = $1"
SET_PRIVACY = """
UPDATE tenants SET settings = jsonb_set(settings, '{privacy}', $2::jsonb) WHERE id = $1
"""
RETENTION = "SELECT settings -> 'retention' FROM tenants WHERE id = $1"
SET_RETENTION = """
UPDATE tenants SET settings = jsonb_set(settings, '{retention}', $2::jsonb) WHERE id = $1
"""
DELETE_TIMEOUT_S = 600.0  # a million chunks take minutes
SUPPRESSED = "SELECT settings -> 'suppress' FROM tenants WHERE id = $1"
SET_SUPPRESSED = """
UPDATE tenants SET settings = jsonb_set(settings, '{suppress}', $2::jsonb) WHERE id = $1
"""


@dataclass(frozen=True, slots=True)
class Tenant:
    id: UUID
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class TenantPrivacy:
    """What a tenant has of its own of privacy's settings, and when that was so by the database's clock."""

    settings: dict[str, Any]
    moment: datetime


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant as it is listed; `limits` are what it has of its own in place of its plan's."""

    id: UUID
    slug: str
    name: str
    plan: str
    limits: dict[str, float | None]
    created_at: datetime


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


async def create(connection: Connection, *, slug: str, name: str) -> TenantRow | None:
    """A new tenant; None if the slug is taken. Needs a `system` connection."""
    row = await connection.fetchrow(CREATE, slug, name)
    return TenantRow(**row) if row else None


async def get(connection: Connection, tenant_id: UUID) -> TenantRow | None:
    row = await connection.fetchrow(GET, tenant_id)
    return TenantRow(**row) if row else None


async def page(
    connection: Connection, *, limit: int, after: tuple[datetime, UUID] | None = None
) -> list[TenantRow]:
    """Tenants in the order of their making, from behind the position `after`. Needs a `system` connection."""
    if after is None:
        rows = await connection.fetch(FIRST, limit)
    else:
        rows = await connection.fetch(AFTER, limit, *after)
    return [TenantRow(**row) for row in rows]


async def rename(connection: Connection, tenant_id: UUID, name: str) -> None:
    await connection.execute(RENAME, tenant_id, name)


async def delete(connection: Connection, tenant_id: UUID) -> bool:
    """Delete the tenant with all that is its own; whether there was one. Needs a `system` connection."""
    return bool(await connection.fetchval(DELETE, tenant_id, timeout=DELETE_TIMEOUT_S))


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


async def privacy(connection: Connection, tenant_id: UUID) -> TenantPrivacy:
    """Raises: NotFoundError when the tenant was deleted a moment ago."""
    row = await connection.fetchrow(PRIVACY, tenant_id)
    if row is None:
        raise NotFoundError("the tenant was deleted")
    return TenantPrivacy(row["settings"] or {}, row["moment"])


async def set_privacy(connection: Connection, tenant_id: UUID, settings: Mapping[str, Any]) -> None:
    """Replace what it has of its own: `question_personal_data`; what is left out is the service's default."""
    await connection.execute(SET_PRIVACY, tenant_id, dict(settings))


async def retention(connection: Connection, tenant_id: UUID) -> dict[str, Any]:
    """What the tenant has of its own of how long data is kept."""
    return await connection.fetchval(RETENTION, tenant_id) or {}


async def set_retention(connection: Connection, tenant_id: UUID, settings: Mapping[str, Any]) -> None:
    """Replace it; what is left out is the service's default, and null is for ever."""
    await connection.execute(SET_RETENTION, tenant_id, dict(settings))


async def suppressed(connection: Connection, tenant_id: UUID) -> tuple[str, ...]:
    """The tenant's own phrases that no sentence of an answer may hold."""
    stored = await connection.fetchval(SUPPRESSED, tenant_id) or []
    return tuple(map(str, stored if isinstance(stored, list) else [stored]))


async def set_suppressed(connection: Connection, tenant_id: UUID, phrases: Sequence[str]) -> None:
    """Replace them."""
    await connection.execute(SET_SUPPRESSED, tenant_id, list(phrases))
