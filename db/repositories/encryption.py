"""Data keys of tenants, wrapped. Versions count from 1; none is ever changed or deleted."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from db.pool import Connection
from rag.encryption.wrapping import Wrapping

NEWEST = """
SELECT version, wrapping, wrapped FROM data_keys WHERE tenant_id = $1 ORDER BY version DESC LIMIT 1
"""
FIND = "SELECT version, wrapping, wrapped FROM data_keys WHERE tenant_id = $1 AND version = $2"
ADD = """
INSERT INTO data_keys (tenant_id, version, wrapping, wrapped) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, version) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    version: int
    wrapping: Wrapping
    wrapped: bytes = field(repr=False)


async def newest(connection: Connection, tenant_id: UUID) -> WrappedKey | None:
    """The key that seals now; None when the tenant has none yet."""
    return _key(await connection.fetchrow(NEWEST, tenant_id))


async def find(connection: Connection, tenant_id: UUID, version: int) -> WrappedKey | None:
    return _key(await connection.fetchrow(FIND, tenant_id, version))


async def add(connection: Connection, tenant_id: UUID, key: WrappedKey) -> None:
    """Store a key; one of that version that is there already stays."""
    await connection.execute(ADD, tenant_id, key.version, key.wrapping.value, key.wrapped)


def _key(row: Any) -> WrappedKey | None:
    return WrappedKey(row["version"], Wrapping(row["wrapping"]), row["wrapped"]) if row else None
