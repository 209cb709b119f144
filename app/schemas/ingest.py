"""What `/ingest` takes and gives."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
)

from app.field_types import (
    Acl,
    Flag,
    IsNumber,
    Metadata,
    Name,
    Request,
    Text,
    Title,
)
from db.repositories.jobs import Job, JobState


class IngestLabels(Request):
    source_document_id: Name | None = None
    title: Title | None = None
    uri: Annotated[Text, Field(max_length=4096)] | None = None
    metadata: Metadata | None = None
    acl: Acl | None = None
    force_reindex: Flag = False


class IngestForm(IngestLabels):
    """Its fields are texts."""

    force_reindex: bool = False


class IngestTextRequest(IngestLabels):
    text: Text
    title: Title


class IngestKeyRequest(IngestLabels):
    """A file of the bucket `DOCUMENTS_BUCKET`; its name is its key unless another is given."""

    s3_key: Name


class IngestPrefixRequest(IngestLabels):
    """All files of the bucket `DOCUMENTS_BUCKET` below a folder; the name of each is its key."""

    s3_prefix: Name


class UploadRequest(IngestLabels):
    """A file that is to be sent straight to the bucket; its name is `filename` unless another is given."""

    filename: Name
    byte_size: Annotated[int, Field(ge=1), IsNumber]
    mime_type: Annotated[str, Field(max_length=255, pattern=r"^[\w.+-]+/[\w.+-]+( *;[ -~]*)?$")] | None = None


class IngestJob(BaseModel):
    """An accepted document. The counts are null until the job has succeeded.

    `status` is the job's state. `warnings` says what of the file could not be read, such as pages without
    text.
    """

    job_id: UUID
    source_document_id: str
    status: str
    document_id: UUID | None = None
    version: int | None = None
    chunks_created: int | None = None
    unchanged: bool | None = None
    warnings: list[str] = []
    removed: bool = Field(
        default=False, description="The object is gone from the bucket, and the document with it."
    )
    error: str | None = None

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(
            job_id=job.id,
            source_document_id=job.source_document_id or "",
            status=job.state.value,
            error=job.error,
            **(job.result or {}),
        )


class SkippedObject(BaseModel):
    """An object below `s3_prefix` that no job was made of."""

    s3_key: str
    reason: str


class IngestJobs(BaseModel):
    jobs: list[IngestJob]
    skipped: list[SkippedObject] = []


class UploadOut(BaseModel):
    """Where to send the file: a POST of a form to `url`, with `fields` and then the file as the field `file`.

    S3 takes no other size or type than was announced, and nothing after `expires_at`.
    """

    upload_id: UUID
    url: str
    fields: dict[str, str]
    expires_at: datetime
    s3_key: str


class JobStatus(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    job_id: UUID = Field(validation_alias="id")
    source_document_id: str
    state: JobState
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    error_code: str | None
    attempts: int
    max_attempts: int
    run_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobPage(BaseModel):
    """A page of jobs; `next_cursor` is null on the last one."""

    jobs: list[JobStatus]
    next_cursor: str | None
