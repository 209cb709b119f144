"""Large files in: sent straight to the bucket by a signed form, then completed here."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response, status

from app.access.identity import Identity
from app.access.roles import Permission
from app.audit import RequestAuditDep, audited
from app.dependencies import ServicesDep, requires
from app.ingestion.uploads import NewUpload
from app.problems import error_of
from app.schemas.ingest import IngestJob, UploadOut, UploadRequest
from rag.ports import SourceLabels

MAX_BYTES = 1024 * 1024  # of a request: labels


def uploads_router() -> APIRouter:
    router = APIRouter(prefix="/uploads")
    router.post(
        "",
        status_code=status.HTTP_201_CREATED,
        max_body_size=MAX_BYTES,
        dependencies=[audited("upload.start")],
    )(start_upload)
    router.post(
        "/{upload_id}/complete",
        status_code=status.HTTP_202_ACCEPTED,
        responses={200: {"model": IngestJob, "description": "Finished within `wait`."}},
        max_body_size=MAX_BYTES,
        dependencies=[audited("upload.complete")],
    )(complete_upload)
    return router


async def start_upload(
    new: UploadRequest,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.WRITE_DOCUMENTS)],
    audit: RequestAuditDep,
) -> UploadOut:
    """Get a signed form by which one file can be sent straight to the bucket within an hour."""
    labels = SourceLabels(
        source_document_id=new.source_document_id or new.filename,
        title=new.title,
        uri=new.uri,
        metadata=new.metadata,
        acl=None if new.acl is None else tuple(new.acl),
    )
    upload = NewUpload(labels, new.filename, new.byte_size, new.mime_type, force=new.force_reindex)
    started = await services.uploads.start(identity.writer(), upload)
    audit.about(started.id, byte_size=new.byte_size)
    return UploadOut(
        upload_id=started.id,
        url=started.form.url,
        fields=started.form.fields,
        expires_at=started.expires_at,
        s3_key=started.key,
    )


async def complete_upload(
    upload_id: UUID,
    response: Response,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.WRITE_DOCUMENTS)],
    audit: RequestAuditDep,
    *,
    wait: Annotated[float, Query(ge=0, le=300)] = 0,
) -> IngestJob:
    """Take the file in that was sent. Sent again, the request gets the same job."""
    job = await services.uploads.complete(identity.writer(), upload_id)
    audit.about(job_id=job.id)
    (job,) = await services.queue.wait(identity.tenant_id, [job], seconds=wait)
    if not job.state.is_final:
        return IngestJob.of(job)
    if job.error_code:
        raise error_of(job.error_code, job.error or "")
    response.status_code = status.HTTP_200_OK
    return IngestJob.of(job)
