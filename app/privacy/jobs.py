"""Exports and erasures as jobs: asked for here, worked off by any worker."""

from enum import StrEnum
from uuid import UUID

from app.audit import Note, no_note
from app.privacy.person import Person
from db.pool import Connection, Database
from db.repositories import jobs, subjects
from db.repositories.jobs import Job, NewJob
from rag.errors import NotFoundError

PRIORITY = 10  # before documents: people wait for these, and the law sets a term


class PrivacyKind(StrEnum):
    """Kinds of jobs."""

    EXPORT = "export"
    ERASE = "erase"


class PrivacyJobs:
    """Exports and erasures of all tenants, seen from the API and from scripts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def submit(
        self, tenant_id: UUID, kind: PrivacyKind, person: Person, *, note: Note = no_note
    ) -> Job:
        """Queue a job about the person, known to us or not."""
        async with self._database.tenant(tenant_id) as connection:
            job_id = await jobs.add(connection, tenant_id, NewJob(kind, person.payload, priority=PRIORITY))
            await note(connection, job_id)
            return await _get(connection, kind, job_id)

    async def get(self, tenant_id: UUID, kind: PrivacyKind, job_id: UUID) -> Job:
        """Raises: NotFoundError when the tenant has no such job."""
        async with self._database.tenant(tenant_id) as connection:
            return await _get(connection, kind, job_id)

    async def person_of(self, tenant_id: UUID, job_id: UUID) -> Person | None:
        """Whom an export is about; None if there is no such export."""
        async with self._database.tenant(tenant_id) as connection:
            payload = await subjects.payload_of_export(connection, tenant_id, job_id)
        return Person.of(payload) if payload else None


async def _get(connection: Connection, kind: PrivacyKind, job_id: UUID) -> Job:
    job = await jobs.get(connection, job_id)
    if job is None or job.kind != kind:
        raise NotFoundError(f"there is no {kind} {job_id}")
    return job
