"""What operators do with tenants."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from app.access.identity import Identity
from app.access.named_tenant import no_tenant
from db.pool import Database
from db.repositories import api_keys, limits, tenants
from db.repositories.tenants import TenantRow
from rag.errors import ConflictError, InvalidInputError, UnavailableError

DELETE_AGAIN_S = 1.0


class Tenants:
    """All tenants of the service. Only operators get here.

    Args:
        database: Where they are.
        default_id: The tenant that the service itself needs.
    """

    def __init__(self, database: Database, *, default_id: UUID) -> None:
        self._database = database
        self._default_id = default_id

    async def create(self, *, slug: str, name: str, plan: str | None = None) -> TenantRow:
        """Make a tenant.

        Raises:
            ConflictError: There is one of that slug.
            InvalidInputError: There is no such plan.
        """
        async with self._database.system() as connection:
            if plan is not None and plan not in await limits.plans(connection):
                raise _no_plan(plan)
            created = await tenants.create(connection, slug=slug, name=name)
        if created is None:
            raise ConflictError(f"there is a tenant {slug} already")
        return created if plan is None else await self.change(created.id, name=None, plan=plan)

    async def page(self, *, limit: int, after: tuple[datetime, UUID] | None = None) -> list[TenantRow]:
        """Tenants in the order of their making, from behind the position `after`."""
        async with self._database.system() as connection:
            return await tenants.page(connection, limit=limit, after=after)

    async def change(
        self,
        tenant_id: UUID,
        *,
        name: str | None,
        plan: str | None,
        own_limits: Mapping[str, Any] | None = None,
    ) -> TenantRow:
        """Change what is not None. Limits count at once.

        Raises:
            NotFoundError: There is no such tenant.
            InvalidInputError: There is no such plan.
        """
        async with self._database.tenant(tenant_id) as connection:
            if name is not None:
                await tenants.rename(connection, tenant_id, name)
            if plan is not None and plan not in await limits.plans(connection):
                raise _no_plan(plan)
            if plan is not None:
                await limits.set_plan(connection, tenant_id, plan)
            if own_limits is not None:
                await limits.set_own(connection, tenant_id, own_limits)
            found = await tenants.get(connection, tenant_id)
        if found is None:
            raise no_tenant(tenant_id)
        return found

    async def delete(self, caller: Identity, tenant_id: UUID) -> None:
        """Delete a tenant with all that it has. Its keys are worth nothing within a second.

        Raises:
            NotFoundError: There is no such tenant.
            ConflictError: It is the default one, or the one that the caller belongs to.
        """
        if tenant_id in (caller.tenant_id, self._default_id):
            raise ConflictError("neither the default tenant nor your own can be deleted")
        async with self._database.tenant(tenant_id) as connection:
            await api_keys.revoke_all(connection, tenant_id)  # nothing new begins while the rest is deleted
        for last in (False, False, True):
            try:
                async with self._database.system() as connection:
                    if not await tenants.delete(connection, tenant_id):
                        raise no_tenant(tenant_id)
            except UnavailableError:  # who works across tenants may hold what we want, and want what we hold
                if last:
                    raise
                await asyncio.sleep(DELETE_AGAIN_S)
            else:
                return


def _no_plan(plan: str) -> InvalidInputError:
    return InvalidInputError(f"there is no plan {plan}")
