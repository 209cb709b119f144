"""Documents in: as files, or as text in JSON. All that can be wrong with them is said before a job begins."""

import asyncio
import hashlib
import json
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, status
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from app.dependencies import IdentityDep, ServicesDep
from app.ingestion import RunningJob, describe_failure
from app.schemas import IngestJob, IngestJobs, IngestLabels, IngestTextRequest, JobStatus
from rag.errors import InvalidInputError
from rag.ingest import Labels, Upload, check_name, read_file, read_text

Body = TypeVar("Body", bound=IngestLabels)

MAX_FILES = 100  # of one request; all of them are held in memory until parsed
LISTS = ("acl",)
REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": IngestTextRequest.model_json_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "source_document_id": {"type": "string"},
                        "title": {"type": "string"},
                        "uri": {"type": "string"},
                        "metadata": {"type": "string", "description": "A JSON object."},
                        "acl": {"type": "array", "items": {"type": "string"}},
                        "force_reindex": {"type": "boolean"},
                    },
                }
            },
        },
    }
}


def ingest_router(*, max_upload_mb: int) -> APIRouter:
    """The routes; a body larger than the limit is refused while it is still coming in."""
    router = APIRouter(tags=["ingest"])
    router.post(
        "/ingest",
        status_code=status.HTTP_202_ACCEPTED,
        response_model=IngestJob | IngestJobs,
        responses={200: {"model": IngestJob | IngestJobs, "description": "Finished within `wait`."}},
        openapi_extra=REQUEST_BODY,
        max_body_size=max_upload_mb * 1024 * 1024,
    )(ingest)
    router.get("/ingest/{job_id}")(get_job)
    return router


async def ingest(
    request: Request,
    response: Response,
    services: ServicesDep,
    identity: IdentityDep,
    wait: Annotated[float, Query(ge=0, le=300)] = 0,
) -> IngestJob | IngestJobs:
    """Take documents in: multipart `file` (repeatable), or JSON with `text` and `title`.

    Files that can't be read are refused here, and then none of the request is taken in. With `wait`, the
    answer waits that many seconds for the jobs to finish.
    """
    uploads, force = await _read(request)
    jobs = await services.jobs.start(identity.writer(), uploads, force=force)
    _, unfinished = await asyncio.wait([job.task for job in jobs], timeout=wait)
    if not unfinished:
        response.status_code = status.HTTP_200_OK
    if len(jobs) > 1:
        return IngestJobs(jobs=[_describe(job) for job in jobs])
    if not unfinished:
        jobs[0].task.result()  # raises what the job failed with
    return _describe(jobs[0])


async def get_job(job_id: UUID, services: ServicesDep, identity: IdentityDep) -> JobStatus:
    """How far a job is, and why it failed if it did."""
    return JobStatus.model_validate(await services.jobs.get(identity.tenant_id, job_id))


def _describe(job: RunningJob) -> IngestJob:
    if not job.task.done():
        return IngestJob(job_id=job.id, source_document_id=job.source_document_id, status="running")
    if exc := job.task.exception():
        return IngestJob(
            job_id=job.id,
            source_document_id=job.source_document_id,
            status="failed",
            error=describe_failure(exc),
        )
    ingested = job.task.result()
    return IngestJob(
        job_id=job.id,
        source_document_id=job.source_document_id,
        status="succeeded",
        document_id=ingested.document_id,
        version=ingested.version,
        chunks_created=ingested.chunks_created,
        unchanged=ingested.unchanged,
        warnings=list(ingested.warnings),
    )


async def _read(request: Request) -> tuple[list[Upload], bool]:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/json":
        return await _read_json(request)
    if content_type == "multipart/form-data":
        async with request.form(max_files=MAX_FILES, max_fields=MAX_FILES) as form:
            return await _read_form(form)
    raise HTTPException(
        status.HTTP_415_UNSUPPORTED_MEDIA_TYPE, "send multipart/form-data with a file, or application/json"
    )


async def _read_json(request: Request) -> tuple[list[Upload], bool]:
    body = _validated(IngestTextRequest, _json(await request.body()))
    upload = await asyncio.to_thread(read_text, body.text, title=body.title, labels=_labels(body))
    return [upload], body.force_reindex


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise InvalidInputError("the body is not valid JSON") from exc


async def _read_form(form: FormData) -> tuple[list[Upload], bool]:
    files = [value for value in form.getlist("file") if isinstance(value, UploadFile)]
    if len(files) < len(form.getlist("file")):
        raise InvalidInputError("the field `file` must be a file, with a file name")
    if not files:
        raise InvalidInputError("the form holds no file: send it as the field `file`")
    labels = _validated(IngestLabels, _form_fields(form))
    if len(files) > 1 and (labels.source_document_id or labels.title):
        raise InvalidInputError("source_document_id and title name one document: send several files without")
    uploads = [await _read_upload(file, labels, one_of=len(files)) for file in files]
    names = [upload.source_document_id for upload in uploads]
    if len(set(names)) < len(names):
        raise InvalidInputError("two files have the same name: each would replace the other")
    return uploads, labels.force_reindex


async def _read_upload(file: UploadFile, labels: IngestLabels, *, one_of: int) -> Upload:
    data = await file.read()
    name = file.filename or f"upload-{hashlib.sha256(data).hexdigest()[:16]}"
    check_name(name)
    try:
        return await asyncio.to_thread(
            read_file, data, filename=name, mime_type=file.content_type, labels=_labels(labels)
        )
    except InvalidInputError as exc:
        if one_of == 1:
            raise
        raise type(exc)(f"{name}: {exc}") from exc


def _form_fields(form: FormData) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in form.multi_items():
        if key == "file":
            continue
        if isinstance(value, UploadFile):
            raise InvalidInputError(f"{key} must be a text field, not a file")
        if key in LISTS:
            fields.setdefault(key, []).append(value)
        elif key in fields:
            raise InvalidInputError(f"{key} is given twice")
        else:
            fields[key] = _metadata(value) if key == "metadata" else value
    return fields


def _metadata(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as exc:
        raise InvalidInputError("metadata must be a JSON object") from exc


def _labels(body: IngestLabels) -> Labels:
    return Labels(
        source_document_id=body.source_document_id,
        title=body.title,
        uri=body.uri,
        metadata=body.metadata,
        acl=None if body.acl is None else tuple(body.acl),
    )


def _validated(kind: type[Body], value: Any) -> Body:
    try:
        return kind.model_validate(value)
    except ValidationError as exc:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in exc.errors()]
        raise RequestValidationError(errors) from exc
