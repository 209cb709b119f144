"""API keys: only their hashes. A key is `gw_<prefix>_<secret>`; the prefix finds its row."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from db.pool import Connection

SHOWN = """
id, tenant_id, name, role, groups, prefix, created_by, created_at, rotated_at, previous_expires_at,
expires_at, revoked_at, last_used_at
"""
ADD = f"""
INSERT INTO api_keys (tenant_id, name, role, groups, prefix, hash, created_by, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING {SHOWN}
"""
GET = f"SELECT {SHOWN} FROM api_keys WHERE id = $1 FOR UPDATE"
FIRST = f"SELECT {SHOWN} FROM api_keys WHERE tenant_id = $1 ORDER BY created_at, id LIMIT $2"
AFTER = f"""
SELECT {SHOWN} FROM api_keys WHERE tenant_id = $1 AND (created_at, id) > ($3, $4)
ORDER BY created_at, id LIMIT $2
"""
# Rotated again during the overlap, a key's oldest secret ends at once: two are good at a time.
ROTATE = f"""
UPDATE api_keys
SET previous_hash = hash, previous_expires_at = now() + $3::interval, hash = $2, rotated_at = now()
WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
RETURNING {SHOWN}
"""
REVOKE = f"""
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING {SHOWN}
"""
REVOKE_ALL = "UPDATE api_keys SET revoked_at = now() WHERE tenant_id = $1 AND revoked_at IS NULL"
FIND = """
SELECT id, tenant_id, role, groups, hash,
       CASE WHEN previous_expires_at > now() THEN previous_hash END AS previous_hash,
       last_used_at IS NULL OR last_used_at < now() - interval '1 minute' AS needs_touch
FROM api_keys
WHERE prefix = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
# Replicas that saw the old time at once write it once.
TOUCH = """
UPDATE api_keys SET last_used_at = now()
WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
"""
TENANT_OF = "SELECT tenant_id FROM api_keys WHERE id = $1"


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key to be stored."""

    name: str
    role: str
    groups: tuple[str, ...]
    prefix: str
    hash: bytes
    created_by: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is listed. After a rotation the previous secret is good until `previous_expires_at`."""

    id: UUID
    tenant_id: UUID
    name: str
    role: str
    groups: list[str]
    prefix: str
    created_by: str
    created_at: datetime
    rotated_at: datetime | None
    previous_expires_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class UsableKey:
    """A key that is neither revoked nor expired, with the hashes that open it."""

    id: UUID
    tenant_id: UUID
    role: str
    groups: list[str]
    hash: bytes
    previous_hash: bytes | None
    needs_touch: bool


async def add(connection: Connection, tenant_id: UUID, new: NewApiKey) -> ApiKey:
    row = await connection.fetchrow(
        ADD,
        tenant_id,
        new.name,
        new.role,
        list(new.groups),
        new.prefix,
        new.hash,
        new.created_by,
        new.expires_at,
    )
    assert row is not None, "inserted above"  # noqa: S101 - narrows the type
    return ApiKey(**row)


async def get(connection: Connection, key_id: UUID) -> ApiKey | None:
    """The key, which nobody else changes until the transaction ends."""
    row = await connection.fetchrow(GET, key_id)
    return ApiKey(**row) if row else None


async def page(
    connection: Connection, tenant_id: UUID, *, limit: int, after: tuple[datetime, UUID] | None = None
) -> list[ApiKey]:
    """Keys in the order of their making, revoked ones too, from behind the position `after`."""
    if after is None:
        rows = await connection.fetch(FIRST, tenant_id, limit)
    else:
        rows = await connection.fetch(AFTER, tenant_id, limit, *after)
    return [ApiKey(**row) for row in rows]


async def rotate(
    connection: Connection, key_id: UUID, new_hash: bytes, *, overlap: timedelta
) -> ApiKey | None:
    """Replace the secret; the old one stays good for `overlap`. None if the key can't be used any more."""
    row = await connection.fetchrow(ROTATE, key_id, new_hash, overlap)
    return ApiKey(**row) if row else None


async def revoke(connection: Connection, key_id: UUID) -> ApiKey:
    row = await connection.fetchrow(REVOKE, key_id)
    assert row is not None, "locked by get"  # noqa: S101 - narrows the type
    return ApiKey(**row)


async def revoke_all(connection: Connection, tenant_id: UUID) -> None:
    await connection.execute(REVOKE_ALL, tenant_id)


async def find_usable(connection: Connection, prefix: str) -> UsableKey | None:
    """The key of that prefix, of any tenant, if it can be used. Needs a `system` connection."""
    row = await connection.fetchrow(FIND, prefix)
    return UsableKey(**row) if row else None


async def touch(connection: Connection, key_id: UUID) -> None:
    """Say that the key was used just now, at most once a minute. Needs a `system` connection."""
    await connection.execute(TOUCH, key_id)


async def tenant_of(connection: Connection, key_id: UUID) -> UUID | None:
    """Whose key it is. Needs a `system` connection."""
    tenant_id: UUID | None = await connection.fetchval(TENANT_OF, key_id)
    return tenant_id
