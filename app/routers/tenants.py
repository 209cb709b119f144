"""Tenants, for operators."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, status

from app.access.identity import Identity
from app.access.roles import Permission
from app.audit import RequestAuditDep, audited
from app.cursors import read_cursor, write_cursor
from app.dependencies import ServicesDep, requires
from app.schemas.tenants import NewTenantRequest, TenantChanges, TenantOut, TenantPage

router = APIRouter(prefix="/admin/tenants", tags=["admin"])

Operator = Annotated[Identity, requires(Permission.MANAGE_TENANTS)]


@router.post("", status_code=status.HTTP_201_CREATED, dependencies=[audited("tenant.create")])
async def create_tenant(
    new: NewTenantRequest, services: ServicesDep, identity: Operator, audit: RequestAuditDep
) -> TenantOut:
    """Make a tenant. Its first key: `POST /admin/keys` with its id and the role `admin`."""
    created = await services.tenants.create(slug=new.slug, name=new.name, plan=new.plan)
    audit.about(created.id)
    return TenantOut.model_validate(created)


@router.get("")
async def list_tenants(
    services: ServicesDep,
    identity: Operator,
    *,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> TenantPage:
    """Tenants in the order of their making."""
    found = await services.tenants.page(limit=limit + 1, after=read_cursor(cursor) if cursor else None)
    last = found[limit - 1] if len(found) > limit else None
    return TenantPage(
        tenants=[TenantOut.model_validate(tenant) for tenant in found[:limit]],
        next_cursor=write_cursor(last.created_at, last.id) if last else None,
    )


@router.patch("/{tenant_id}", dependencies=[audited("tenant.change")])
async def change_tenant(
    tenant_id: UUID, changes: TenantChanges, services: ServicesDep, identity: Operator
) -> TenantOut:
    """Change a tenant's name, plan or own limits. Its slug stays: tokens of people name it."""
    own = changes.limits.model_dump(exclude_unset=True) if changes.limits else None
    changed = await services.tenants.change(tenant_id, name=changes.name, plan=changes.plan, own_limits=own)
    return TenantOut.model_validate(changed)


@router.delete(
    "/{tenant_id}", status_code=status.HTTP_204_NO_CONTENT, dependencies=[audited("tenant.delete")]
)
async def delete_tenant(tenant_id: UUID, services: ServicesDep, identity: Operator) -> None:
    """Delete a tenant with all its documents, conversations and keys. There is no way back."""
    await services.tenants.delete(identity, tenant_id)
