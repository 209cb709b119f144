"""What `/documents` takes and gives."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from app.field_types import (
    Acl,
    Key,
    Request,
    Text,
    Value,
)


class DocumentChanges(Request):
    """What is left out stays. Metadata is merged (RFC 7396): a key with null is removed, others stay."""

    metadata: dict[Key, Value | None] | None = None
    acl: Acl | None = None
    uri: Annotated[Text, Field(max_length=4096)] | None = None


class DocumentOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    document_id: UUID
    source_document_id: str
    title: str
    uri: str | None
    mime_type: str
    metadata: dict[str, Any]
    acl: list[str]
    status: str
    error: str | None
    version: int
    chunk_count: int
    byte_size: int
    content_sha256: Annotated[str, BeforeValidator(bytes.hex)]
    created_at: datetime
    updated_at: datetime


class DocumentPage(BaseModel):
    """A page of documents; `next_cursor` is null on the last one."""

    documents: list[DocumentOut]
    next_cursor: str | None
