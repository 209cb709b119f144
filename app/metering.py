"""Enters in a tenant's ledger what models are used for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import structlog

from db.pool import Database
from db.repositories import usage
from db.repositories.usage import NOWHERE, Origin, RequestKind
from rag.errors import GroundworkError
from rag.models.usage import metering

log = structlog.get_logger(__name__)


@asynccontextmanager
async def metered(
    database: Database, tenant_id: UUID, kind: RequestKind, origin: Origin = NOWHERE
) -> AsyncIterator[None]:
    """Enters all that is used within, also when it fails or is cancelled."""
    with metering() as meter:
        try:
            yield
        finally:
            if uses := meter.uses:
                try:
                    async with database.tenant(tenant_id) as connection:
                        await usage.add(connection, tenant_id, kind, uses, origin)
                except (GroundworkError, asyncpg.PostgresError):
                    log.exception("usage_lost", kind=kind.value)
