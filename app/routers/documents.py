import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, status
from starlette.responses import PlainTextResponse

from app.dependencies import IdentityDep, ServicesDep
from app.field_types import Name
from app.ingestion.queue import delete_document
from app.schemas.documents import DocumentChanges, DocumentOut, DocumentPage
from db.repositories import sources
from rag.errors import InvalidInputError, NotFoundError

router = APIRouter(prefix="/documents", tags=["documents"])


@router.get("")
async def list_documents(
    services: ServicesDep,
    identity: IdentityDep,
    source_document_id: Annotated[Name | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> DocumentPage:
    """Documents in the order of their making, or the one of that `source_document_id`."""
    after = _read_cursor(cursor) if cursor else None
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
        next_cursor=_cursor(rows[-1]) if more else None,
    )


@router.get("/{document_id}")
async def get_document(document_id: UUID, services: ServicesDep, identity: IdentityDep) -> DocumentOut:
    async with services.database.tenant(identity.tenant_id) as connection:
        row = await sources.get(connection, identity.tenant_id, identity.groups, document_id)
    if row is None:
        raise NotFoundError(f"there is no document {document_id}")
    return DocumentOut.model_validate(row)


@router.get("/{document_id}/text", response_class=PlainTextResponse)
async def get_text(
    document_id: UUID,
    services: ServicesDep,
    identity: IdentityDep,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> str:
    """The stored text: what `start` and `end` of citations count characters in."""
    async with services.database.tenant(identity.tenant_id) as connection:
        text = await sources.text(connection, identity.groups, document_id, version=version)
    if text is None:
        raise NotFoundError(f"there is no such text of document {document_id}")
    return text


@router.patch("/{document_id}")
async def change(
    document_id: UUID, changes: DocumentChanges, services: ServicesDep, identity: IdentityDep
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
    return DocumentOut.model_validate(row)


@router.delete("/{document_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete(document_id: UUID, services: ServicesDep, identity: IdentityDep) -> None:
    """Delete a document with all its versions; answers that quote it keep their ids and lose the quotes."""
    await delete_document(services.database, identity.tenant_id, identity.groups, document_id)


def _cursor(row: sources.SourceRow) -> str:
    position = f"{row.created_at.isoformat()}|{row.document_id}"
    return base64.urlsafe_b64encode(position.encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        created_at, _, document_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        return datetime.fromisoformat(created_at).astimezone(UTC), UUID(document_id)
    except (ValueError, OverflowError, binascii.Error) as exc:
        raise InvalidInputError("cursor is not one that this service gave out") from exc
