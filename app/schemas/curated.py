"""What `/admin/curated` takes and gives."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.field_types import Acl, Flag, IsNumber, Query, Request, Visible
from db.repositories.curated import CuratedFields

Answer = Annotated[Visible, Field(max_length=20_000)]
Documents = Annotated[list[UUID], Field(max_length=10)]
Threshold = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), IsNumber]

SEQUENCES = ("document_ids", "acl")


class NewCurated(Request):
    """An answer that is given to a question, and to those that mean the same.

    Attributes:
        document_ids: Its sources. It is given only while all of them are there and open to whoever asks.
        acl: Groups that it is for; everyone of the tenant if empty.
        threshold: Least cosine similarity of a question to this one; `CURATED_THRESHOLD` unless given.
    """

    question: Query
    answer: Answer
    document_ids: Documents = Field(default=[])
    acl: Acl = Field(default=[])
    threshold: Threshold | None = None
    enabled: Flag = True

    def to_fields(self) -> CuratedFields:
        return CuratedFields(**_as_stored(self.model_dump()))


class CuratedChanges(Request):
    """What is left out stays. A threshold of null is the service's own again."""

    question: Query | None = None
    answer: Answer | None = None
    document_ids: Documents | None = None
    acl: Acl | None = None
    threshold: Threshold | None = None
    enabled: Flag | None = None

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        for name in self.model_fields_set - {"threshold"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} must not be null")
        return self

    def to_changes(self) -> dict[str, Any]:
        """Those fields of `CuratedFields` that were given."""
        return _as_stored(self.model_dump(exclude_unset=True))


class CuratedOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    curated_id: Annotated[UUID, Field(validation_alias="id")]
    question: str
    answer: str
    document_ids: list[UUID]
    acl: list[str]
    threshold: float | None
    enabled: bool
    created_by: str | None
    created_at: datetime
    updated_at: datetime


class CuratedPage(BaseModel):
    curated: list[CuratedOut]
    next_cursor: str | None


def _as_stored(given: dict[str, Any]) -> dict[str, Any]:
    """Each of several once, in the order given."""
    return {
        name: tuple(dict.fromkeys(value)) if name in SEQUENCES else value for name, value in given.items()
    }
