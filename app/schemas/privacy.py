"""What exports and erasures give."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, Field

from app.field_types import Text
from db.repositories.jobs import Job, JobState

Subject = Annotated[Text, Path(min_length=1, max_length=1024)]


class PrivacyJob(BaseModel):
    """A job about a person."""

    job_id: UUID
    state: JobState
    error: str | None
    created_at: datetime
    finished_at: datetime | None


class Export(PrivacyJob):
    """An export. Its counts are null until it has succeeded; it can be fetched for seven days."""

    rows: dict[str, int] | None = None
    sha256: str | None = Field(default=None, description="Of what the download gives.")

    @classmethod
    def of(cls, job: Job) -> Self:
        result = job.result or {}
        return cls(**_job(job), rows=result.get("rows"), sha256=result.get("sha256"))


class ErasureReport(BaseModel):
    """What an erasure did, and what a search of every tenant table's text columns found afterwards.

    Attributes:
        removed: Rows by table: deleted, or given a pseudonym where a table only grows.
        files_removed: Files of exports.
        left: Places where something of the person is left; empty when all is gone.
        columns_searched: How many columns were looked through.
        mentioned_in_documents: Places where documents name them; these are not the person's.
    """

    removed: dict[str, int]
    files_removed: int
    left: dict[str, int]
    columns_searched: int
    mentioned_in_documents: dict[str, int]


class Erasure(PrivacyJob):
    """An erasure. The report is null until it has ended; `failed` with one means that something is left."""

    report: ErasureReport | None = None

    @classmethod
    def of(cls, job: Job) -> Self:
        report = ErasureReport.model_validate(job.result) if job.result else None
        return cls(**_job(job), report=report)


def _job(job: Job) -> dict[str, object]:
    return {
        "job_id": job.id,
        "state": job.state,
        "error": job.error,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
    }
