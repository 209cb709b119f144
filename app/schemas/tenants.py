"""What `/admin/tenants` takes and gives."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.field_types import Request, Title
from app.schemas.limits import OwnLimits

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Plan = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class NewTenantRequest(Request):
    """Tokens of people name a tenant by its `slug`, which can't be changed."""

    slug: Slug
    name: Title
    plan: Plan | None = None


class TenantChanges(Request):
    """What is left out stays. `limits` replaces all that the tenant has of its own in place of its plan's."""

    name: Title | None = None
    plan: Plan | None = None
    limits: OwnLimits | None = None


class TenantOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    slug: str
    name: str
    plan: str
    limits: dict[str, float | None]
    created_at: AwareDatetime


class TenantPage(BaseModel):
    tenants: list[TenantOut]
    next_cursor: str | None
