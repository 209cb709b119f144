"""Documents in: as files, as text in JSON, or by their key in the bucket; and the jobs that follow."""

from contextlib import suppress
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response, status

from app.access.identity import Identity
from app.access.roles import Permission
from app.audit import RequestAuditDep, audited
from app.dependencies import ServicesDep, requires
from app.field_types import Name
from app.ingestion.prefix import Below, list_below
from app.ingestion.queue import IdempotencyKey
from app.ingestion.request import REQUEST_BODY, IngestRequest, check_reach, read_request
from app.problems import error_of
from app.routers.uploads import uploads_router
from app.schemas.ingest import IngestJob, IngestJobs, JobPage, JobStatus, SkippedObject
from app.services import Services
from app.shutdown import StoppingError
from db.repositories.jobs import JobState
from rag.errors import InvalidInputError
from rag.sandbox.limits import MB


def ingest_router(*, max_upload_mb: int) -> APIRouter:
    """The routes; a body larger than the limit is refused while it is still coming in."""
    router = APIRouter(prefix="/ingest", tags=["ingest"])
    router.post(
        "",
        status_code=status.HTTP_202_ACCEPTED,
        response_model=IngestJob | IngestJobs,
        responses={200: {"model": IngestJob | IngestJobs, "description": "Finished within `wait`."}},
        openapi_extra=REQUEST_BODY,
        max_body_size=max_upload_mb * MB,
        dependencies=[audited("document.ingest", object_type="job")],
    )(ingest)
    router.include_router(uploads_router())
    router.get("")(list_jobs)
    router.get("/{job_id}")(get_job)
    router.post("/{job_id}/cancel", dependencies=[audited("job.cancel")])(cancel_job)
    router.post("/{job_id}/retry", dependencies=[audited("job.retry")])(retry_job)
    router.delete("/{job_id}", status_code=status.HTTP_204_NO_CONTENT, dependencies=[audited("job.delete")])(
        delete_job
    )
    return router


async def ingest(
    request: Request,
    response: Response,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.WRITE_DOCUMENTS)],
    audit: RequestAuditDep,
    *,
    wait: Annotated[float, Query(ge=0, le=300)] = 0,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255, pattern=r"^[!-~]+$")] = None,
) -> IngestJob | IngestJobs:
    """Take documents in: multipart `file` (repeatable), or JSON with `text` and `title`, or with `s3_key`.

    Each becomes a job. With `wait`, the answer waits that many seconds for the jobs to finish. A request that
    is sent again with the same `Idempotency-Key` within a day gets the jobs of the first one. JSON with
    `s3_prefix` takes in what lies below it, at most 1,000 objects.
    """
    async with read_request(request) as read:
        once = await _idempotency(idempotency_key, read)
        below = await _named(read, services, identity)
        jobs = await services.queue.submit(
            identity.writer(), below.uploads, force=read.force, idempotency=once, note=audit.enter
        )
    with suppress(StoppingError):  # another process does them; the caller can look
        async with services.shutdown.limit():
            jobs = await services.queue.wait(identity.tenant_id, jobs, seconds=wait)
    if all(job.state.is_final for job in jobs):
        response.status_code = status.HTTP_200_OK
    if len(jobs) > 1 or read.prefix is not None:
        skipped = [SkippedObject(s3_key=item.name, reason=item.reason) for item in below.skipped]
        return IngestJobs(jobs=[IngestJob.of(job) for job in jobs], skipped=skipped)
    if jobs[0].error_code and jobs[0].state.is_final:
        raise error_of(jobs[0].error_code, jobs[0].error or "")
    return IngestJob.of(jobs[0])


async def _named(read: IngestRequest, services: Services, identity: Identity) -> Below:
    """All that is asked for, each object below a prefix of its own."""
    bucket = services.settings.documents_bucket
    if read.prefix is None and not any(upload.s3_key for upload in read.uploads):
        return Below(read.uploads, [])
    if bucket is None:
        raise InvalidInputError("s3_key and s3_prefix name files of DOCUMENTS_BUCKET, which is not set")
    default_id = services.default_identity.tenant_id
    for upload in read.uploads:
        if upload.s3_key is not None:
            check_reach(upload.s3_key, identity.tenant_id, default_id=default_id)
    if read.prefix is None:
        return Below(read.uploads, [])
    check_reach(f"{read.prefix.rstrip('/')}/", identity.tenant_id, default_id=default_id)
    max_bytes = services.settings.max_s3_object_mb * MB
    return await list_below(bucket, read.prefix, read.uploads[0], max_bytes=max_bytes)


async def _idempotency(key: str | None, read: IngestRequest) -> IdempotencyKey | None:
    if key is None:
        return None
    return IdempotencyKey(key, await read.digest())


async def list_jobs(
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.READ_JOBS)],
    *,
    state: Annotated[list[JobState] | None, Query()] = None,
    source_document_id: Annotated[Name | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> JobPage:
    """Jobs, newest first, of all states or of those named; your own, and those of documents open to you."""
    found = await services.queue.page(
        identity.tenant_id,
        limit=limit + 1,
        before=_position(cursor),
        states=state,
        source_document_id=source_document_id,
        viewer=identity.writer(),
    )
    return JobPage(
        jobs=[JobStatus.model_validate(job) for job in found[:limit]],
        next_cursor=str(found[limit - 1].number) if len(found) > limit else None,
    )


def _position(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not cursor.isascii() or not cursor.isdigit() or int(cursor) >= 2**63:
        raise InvalidInputError("cursor is not one that this service gave out")
    return int(cursor)


async def get_job(
    job_id: UUID, services: ServicesDep, identity: Annotated[Identity, requires(Permission.READ_JOBS)]
) -> JobStatus:
    """How far a job is, and why it failed if it did."""
    return JobStatus.model_validate(
        await services.queue.get(identity.tenant_id, job_id, viewer=identity.writer())
    )


async def cancel_job(
    job_id: UUID,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.WRITE_DOCUMENTS)],
    audit: RequestAuditDep,
) -> JobStatus:
    """Stop a job that has not ended; nothing of it is kept."""
    return JobStatus.model_validate(
        await services.queue.cancel(identity.tenant_id, job_id, viewer=identity.writer(), note=audit.enter)
    )


async def retry_job(
    job_id: UUID,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.WRITE_DOCUMENTS)],
    audit: RequestAuditDep,
) -> JobStatus:
    """Try a job again that failed, was cancelled or quarantined. Its file was kept."""
    return JobStatus.model_validate(
        await services.queue.retry(identity.tenant_id, job_id, viewer=identity.writer(), note=audit.enter)
    )


async def delete_job(
    job_id: UUID,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.WRITE_DOCUMENTS)],
    audit: RequestAuditDep,
) -> None:
    """Stop a job if it has not ended, and forget it with its file. A stored document stays."""
    await services.queue.delete(identity.tenant_id, job_id, viewer=identity.writer(), note=audit.enter)
