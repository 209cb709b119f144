"""What `/admin/keys` takes and gives."""

from datetime import timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.access.api_keys import IssuedKey
from app.access.roles import Role
from app.field_types import Acl, IsNumber, Request, Title
from db.repositories.api_keys import ApiKey

LONGEST_OVERLAP = timedelta(days=30)


class NewKeyRequest(Request):
    """`groups` open documents that have one of them in their `acl`. Only an operator may name a tenant."""

    name: Title
    role: Role = Role.READER
    groups: Acl = Field(default=[])
    expires_at: AwareDatetime | None = None
    tenant_id: UUID | None = None


class RotateRequest(Request):
    """How long the old secret stays good."""

    overlap_s: Annotated[int, Field(ge=0, le=int(LONGEST_OVERLAP.total_seconds())), IsNumber] = 86_400


class KeyOut(BaseModel):
    """A key begins with `gw_<prefix>_`. After a rotation the old secret ends at `previous_expires_at`."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    tenant_id: UUID
    name: str
    role: Role
    groups: list[str]
    prefix: str
    created_by: str
    created_at: AwareDatetime
    rotated_at: AwareDatetime | None
    previous_expires_at: AwareDatetime | None
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None
    last_used_at: AwareDatetime | None


class IssuedKeyOut(KeyOut):
    """With the key itself, which is shown this once."""

    key: str

    @classmethod
    def of(cls, issued: IssuedKey) -> Self:
        shown = KeyOut.model_validate(issued.key).model_dump()
        return cls(**shown, key=issued.secret)


class KeyPage(BaseModel):
    keys: list[KeyOut]
    next_cursor: str | None

    @classmethod
    def of(cls, keys: list[ApiKey], *, next_cursor: str | None) -> Self:
        return cls(keys=[KeyOut.model_validate(key) for key in keys], next_cursor=next_cursor)
