"""API keys of the caller's tenant; operators reach those of all."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, status

from app.access.api_keys import KeyRequest
from app.access.identity import Identity
from app.access.roles import Permission
from app.audit import RequestAuditDep, audited
from app.cursors import read_cursor, write_cursor
from app.dependencies import ServicesDep, requires
from app.schemas.keys import IssuedKeyOut, KeyPage, NewKeyRequest, RotateRequest

router = APIRouter(prefix="/admin/keys", tags=["admin"])

KeyManager = Annotated[Identity, requires(Permission.MANAGE_KEYS)]


@router.post("", status_code=status.HTTP_201_CREATED, dependencies=[audited("key.create")])
async def create_key(
    new: NewKeyRequest, services: ServicesDep, identity: KeyManager, audit: RequestAuditDep
) -> IssuedKeyOut:
    """Make a key, with a role up to your own. `key` is shown this once."""
    wanted = KeyRequest(new.name, new.role, tuple(new.groups), new.expires_at)
    issued = await services.keys.create(identity, wanted, tenant_id=new.tenant_id)
    audit.about(issued.key.id, role=issued.key.role, tenant_id=issued.key.tenant_id)
    return IssuedKeyOut.of(issued)


@router.get("")
async def list_keys(
    services: ServicesDep,
    identity: KeyManager,
    *,
    tenant_id: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> KeyPage:
    """Keys in the order of their making, ended ones too."""
    found = await services.keys.page(
        identity, tenant_id=tenant_id, limit=limit + 1, after=read_cursor(cursor) if cursor else None
    )
    last = found[limit - 1] if len(found) > limit else None
    return KeyPage.of(found[:limit], next_cursor=write_cursor(last.created_at, last.id) if last else None)


@router.post("/{key_id}/rotate", dependencies=[audited("key.rotate")])
async def rotate_key(
    key_id: UUID,
    services: ServicesDep,
    identity: KeyManager,
    rotation: RotateRequest = RotateRequest(),  # noqa: B008 - frozen
) -> IssuedKeyOut:
    """Get a new secret for a key, which stays the same for all that belongs to it."""
    overlap = timedelta(seconds=rotation.overlap_s)
    return IssuedKeyOut.of(await services.keys.rotate(identity, key_id, overlap=overlap))


@router.delete("/{key_id}", status_code=status.HTTP_204_NO_CONTENT, dependencies=[audited("key.revoke")])
async def revoke_key(key_id: UUID, services: ServicesDep, identity: KeyManager) -> None:
    """Revoke a key: it is refused everywhere within a second. It stays in the list."""
    await services.keys.revoke(identity, key_id)
