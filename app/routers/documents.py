from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, status
from starlette.responses import PlainTextResponse

from app.access.identity import Identity
from app.access.roles import Permission
from app.audit import RequestAuditDep, audited
from app.cursors import read_cursor, write_cursor
from app.dependencies import ServicesDep, requires
from app.field_types import Name
from app.ingestion.queue import delete_document
from app.schemas.documents import DocumentChanges, DocumentOut, DocumentPage
from db.repositories import sources
from rag.errors import NotFoundError

router = APIRouter(prefix="/documents", tags=["documents"])


@router.get("")
async def list_documents(
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.READ_DOCUMENTS)],
    source_document_id: Annotated[Name | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> DocumentPage:
    """Documents in the order of their making, or the one of that `source_document_id`."""
    after = read_cursor(cursor) if cursor else None
    async with services.database.tenant(identity.tenant_id) as connection:
        if source_document_id is not None:
            row = await sources.by_name(connection, identity.tenant_id, identity.groups, source_document_id)
            rows = [row] if row else []
        else:
            rows = await sources.page(
                connection, identity.tenant_id, identity.groups, limit=limit + 1, after=after
            )
    more = len(rows) > limit
    rows = rows[:limit]
    return DocumentPage(
        documents=[DocumentOut.model_validate(row) for row in rows],
        next_cursor=write_cursor(rows[-1].created_at, rows[-1].document_id) if more else None,
    )


@router.get("/{document_id}")
async def get_document(
    document_id: UUID,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.READ_DOCUMENTS)],
) -> DocumentOut:
    async with services.database.tenant(identity.tenant_id) as connection:
        row = await sources.get(connection, identity.tenant_id, identity.groups, document_id)
    if row is None:
        raise NotFoundError(f"there is no document {document_id}")
    return DocumentOut.model_validate(row)


@router.get("/{document_id}/text", response_class=PlainTextResponse)
async def get_text(
    document_id: UUID,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.READ_DOCUMENTS)],
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> str:
    """The stored text: what `start` and `end` of citations count characters in."""
    async with services.database.tenant(identity.tenant_id) as connection:
        text = await sources.text(connection, identity.groups, document_id, version=version)
    if text is None:
        raise NotFoundError(f"there is no such text of document {document_id}")
    return text


@router.patch("/{document_id}", dependencies=[audited("document.change")])
async def change(
    document_id: UUID,
    changes: DocumentChanges,
    services: ServicesDep,
    audit: RequestAuditDep,
    identity: Annotated[Identity, requires(Permission.WRITE_DOCUMENTS)],
) -> DocumentOut:
    """Change metadata, access list or URI. The text stays, and nothing is embedded again."""
    async with services.database.tenant(identity.tenant_id) as connection:
        row = await sources.change(
            connection,
            identity.tenant_id,
            identity.groups,
            document_id,
            metadata=changes.metadata,
            acl=changes.acl,
            uri=changes.uri,
        )
        if row is None:
            raise NotFoundError(f"there is no document {document_id}")
        audit.about(fields=sorted(changes.model_fields_set))
        await audit.enter(connection, document_id)
    return DocumentOut.model_validate(row)


@router.delete(
    "/{document_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[audited("document.delete")],
)
async def delete(
    document_id: UUID,
    services: ServicesDep,
    audit: RequestAuditDep,
    identity: Annotated[Identity, requires(Permission.WRITE_DOCUMENTS)],
) -> None:
    """Delete a document with all its versions; answers that quote it keep their ids and lose the quotes."""
    await delete_document(
        services.database, identity.tenant_id, identity.groups, document_id, note=audit.enter
    )
