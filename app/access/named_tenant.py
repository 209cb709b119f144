"""Which tenant a caller means: their own, or, of an operator, the one that is named."""

from uuid import UUID

from app.access.identity import Identity
from app.access.roles import Role
from db.pool import Connection
from db.repositories import tenants
from rag.errors import NotFoundError


def named_tenant(caller: Identity, tenant_id: UUID | None) -> UUID:
    """The caller's own tenant if none is named.

    Raises:
        NotFoundError: It is another's, and the caller is no operator.
    """
    if tenant_id is None or tenant_id == caller.tenant_id:
        return caller.tenant_id
    if caller.role is not Role.OPERATOR:
        raise no_tenant(tenant_id)
    return tenant_id


async def check_tenant(connection: Connection, tenant_id: UUID) -> None:
    """Raises: NotFoundError if there is no such tenant."""
    if await tenants.get(connection, tenant_id) is None:
        raise no_tenant(tenant_id)


def no_tenant(tenant_id: UUID) -> NotFoundError:
    return NotFoundError(f"there is no tenant {tenant_id}")
