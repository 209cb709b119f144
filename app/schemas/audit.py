"""What `/admin/audit` gives."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class AuditEntry(BaseModel):
    """Something that somebody did or tried.

    `code` says why it was denied or failed. `details` hold ids and sizes, never text.
    """

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    at: datetime
    subject: str
    key_id: UUID | None
    action: str
    object_type: str
    object_id: str | None
    result: Literal["succeeded", "denied", "failed"]
    code: str | None
    request_id: str | None
    client_address: str | None
    user_agent: str | None
    details: dict[str, Any]


class AuditPage(BaseModel):
    entries: list[AuditEntry]
    next_cursor: str | None
