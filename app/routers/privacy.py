"""What is held about a person: exported and erased by admins, and exported by everyone for themselves."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, status
from fastapi.responses import StreamingResponse

from app.access.identity import Identity
from app.access.roles import Permission
from app.audit import RequestAuditDep, audited
from app.dependencies import ServicesDep, requires
from app.privacy.export import JSON_LINES
from app.privacy.jobs import PrivacyKind
from app.privacy.person import Person
from app.schemas.privacy import Erasure, Export, Subject
from app.services import Services
from db.repositories.jobs import Job, JobState
from rag.errors import ConflictError, InvalidInputError, NotFoundError

router = APIRouter(tags=["privacy"])

AdminDep = Annotated[Identity, requires(Permission.ERASE)]
SelfDep = Annotated[Identity, requires(Permission.CHAT)]


@router.post(
    "/admin/users/{subject:path}/export",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=[audited("export.create")],
)
async def export_user(
    subject: Subject,
    services: ServicesDep,
    identity: AdminDep,
    audit: RequestAuditDep,
    *,
    across_keys: bool = False,
) -> Export:
    """Gather all that is held about a subject; with `across_keys`, about a `user_id` that keys named."""
    return await _export(services, identity, Person(subject, across_keys), audit)


@router.get("/admin/exports/{job_id}")
async def get_export(job_id: UUID, services: ServicesDep, identity: AdminDep) -> Export:
    """How far an export is, and what it holds."""
    return Export.of(await _exported(services, identity, job_id))


@router.get(
    "/admin/exports/{job_id}/download",
    dependencies=[audited("export.download")],
    response_class=StreamingResponse,
    responses={200: {"content": {JSON_LINES: {"schema": {"type": "string"}}}}},
)
async def download_export(
    job_id: UUID, services: ServicesDep, identity: AdminDep, audit: RequestAuditDep
) -> StreamingResponse:
    """The export as JSON Lines: one object a line, with the `table` and the `row`."""
    audit.about(job_id)
    return await _download(services, await _exported(services, identity, job_id), identity)


@router.post(
    "/admin/users/{subject:path}/erase",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=[audited("erasure.create")],
)
async def erase_user(
    subject: Subject,
    services: ServicesDep,
    identity: AdminDep,
    audit: RequestAuditDep,
    *,
    across_keys: bool = False,
) -> Erasure:
    """Erase all that is held about a subject; with `across_keys`, about a `user_id` that keys named."""
    person = Person(subject, across_keys)
    job = await services.privacy.jobs.submit(identity.tenant_id, PrivacyKind.ERASE, person, note=audit.enter)
    return Erasure.of(job)


@router.get("/admin/erasures/{job_id}")
async def get_erasure(job_id: UUID, services: ServicesDep, identity: AdminDep) -> Erasure:
    """How far an erasure is, and its report."""
    return Erasure.of(await services.privacy.jobs.get(identity.tenant_id, PrivacyKind.ERASE, job_id))


@router.post("/me/export", status_code=status.HTTP_202_ACCEPTED, dependencies=[audited("export.create")])
async def export_me(services: ServicesDep, identity: SelfDep, audit: RequestAuditDep) -> Export:
    """Gather all that is held about the caller."""
    return await _export(services, identity, _oneself(identity), audit)


@router.get("/me/exports/{job_id}")
async def get_my_export(job_id: UUID, services: ServicesDep, identity: SelfDep) -> Export:
    """How far an export of the caller's own is."""
    return Export.of(await _own(services, identity, job_id))


@router.get(
    "/me/exports/{job_id}/download",
    dependencies=[audited("export.download")],
    response_class=StreamingResponse,
    responses={200: {"content": {JSON_LINES: {"schema": {"type": "string"}}}}},
)
async def download_my_export(
    job_id: UUID, services: ServicesDep, identity: SelfDep, audit: RequestAuditDep
) -> StreamingResponse:
    """The caller's own export as JSON Lines."""
    audit.about(job_id)
    return await _download(services, await _own(services, identity, job_id), identity)


def _oneself(identity: Identity) -> Person:
    if identity.subject is None:
        raise InvalidInputError("an anonymous caller is known by conversation only: ask an admin")
    return Person(identity.subject)


async def _export(services: Services, identity: Identity, person: Person, audit: RequestAuditDep) -> Export:
    job = await services.privacy.jobs.submit(identity.tenant_id, PrivacyKind.EXPORT, person, note=audit.enter)
    return Export.of(job)


async def _exported(services: Services, identity: Identity, job_id: UUID) -> Job:
    return await services.privacy.jobs.get(identity.tenant_id, PrivacyKind.EXPORT, job_id)


async def _own(services: Services, identity: Identity, job_id: UUID) -> Job:
    person = await services.privacy.jobs.person_of(identity.tenant_id, job_id)
    if person != _oneself(identity):
        raise NotFoundError(f"there is no export {job_id}")
    return await _exported(services, identity, job_id)


async def _download(services: Services, job: Job, identity: Identity) -> StreamingResponse:
    if job.state is not JobState.SUCCEEDED or job.result is None:
        raise ConflictError(f"the export can't be fetched: it is {job.state.value}")
    files, tenant_id, parts = services.privacy.files, identity.tenant_id, int(job.result["parts"])
    # The first part is read before the answer begins: what is gone is a 404.
    first = await files.part(tenant_id, job.id, 1) if parts else b""

    async def stream() -> AsyncIterator[bytes]:
        yield first
        for number in range(2, parts + 1):
            yield await files.part(tenant_id, job.id, number)

    disposition = f'attachment; filename="export-{job.id}.jsonl"'
    return StreamingResponse(
        stream(),
        media_type=JSON_LINES,
        headers={"Content-Disposition": disposition, "Cache-Control": "no-store"},
    )
