"""What a request to take documents in holds: files of a form, a text, or the key of a file in the bucket."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, TypeVar
from uuid import UUID

from fastapi import Request, status
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from app.ingestion.queue import Parts, Upload, part_of
from app.schemas.ingest import (
    IngestForm,
    IngestKeyRequest,
    IngestLabels,
    IngestPrefixRequest,
    IngestTextRequest,
)
from db.repositories.job_files import PART_BYTES
from rag.errors import InvalidInputError, UnreadableFileError, UnsupportedTypeError
from rag.ingest import check_name, text_name
from rag.ports import SourceLabels
from rag.sources.object_keys import TENANTS, folder_tenant, tenant_folder, upload_tenant, why_unsupported

MAX_FILES = 100  # of one request
LISTS = ("acl",)
REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        kind.model_json_schema()
                        for kind in (IngestTextRequest, IngestKeyRequest, IngestPrefixRequest)
                    ]
                }
            },
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

Body = TypeVar("Body", bound=IngestLabels)


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What is asked for. With `prefix`, the one upload stands for each object below it."""

    uploads: list[Upload]
    force: bool
    prefix: str | None = None

    async def digest(self) -> bytes:
        """Of all that is asked for, the documents' bytes included."""
        whole = hashlib.sha256((self.prefix or "").encode())
        for upload in self.uploads:
            content = hashlib.sha256()
            if upload.parts is not None:
                async for part in upload.parts():
                    content.update(part)
            fields = {
                "content": content.hexdigest(),
                "labels": asdict(upload.labels),
                "filename": upload.filename,
                "mime_type": upload.mime_type,
                "is_text": upload.is_text,
                "s3_key": upload.s3_key,
                "force": self.force,
            }
            whole.update(hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).digest())
        return whole.digest()


@asynccontextmanager
async def read_request(request: Request) -> AsyncIterator[IngestRequest]:
    """The documents of a request; their bytes can be read until the context ends.

    Raises:
        InvalidInputError: No file, a broken form, two documents of one name.
        RequestValidationError: A field is wrong.
        HTTPException: 415 for a body that is neither a form nor JSON.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/json":
        yield _from_json(await request.body())
    elif content_type == "multipart/form-data":
        async with request.form(max_files=MAX_FILES, max_fields=MAX_FILES) as form:
            yield await _from_form(form)
    else:
        raise HTTPException(
            status.HTTP_415_UNSUPPORTED_MEDIA_TYPE,
            "send multipart/form-data with a file, or application/json",
        )


def _from_json(body: bytes) -> IngestRequest:
    fields = _json(body)
    if isinstance(fields, dict) and "s3_key" in fields:
        by_key = _validated(IngestKeyRequest, fields)
        check_key(by_key.s3_key)
        labels = _labels(by_key, default_name=by_key.s3_key)
        upload = Upload(labels, filename=by_key.s3_key, s3_key=by_key.s3_key)
        return IngestRequest([upload], by_key.force_reindex)
    if isinstance(fields, dict) and "s3_prefix" in fields:
        below = _validated(IngestPrefixRequest, fields)
        if below.source_document_id or below.title:
            raise InvalidInputError("source_document_id and title name one document: leave them out")
        template = Upload(_labels(below, default_name=below.s3_prefix))
        return IngestRequest([template], below.force_reindex, prefix=below.s3_prefix)
    text = _validated(IngestTextRequest, fields)
    if not text.text.strip():
        raise UnreadableFileError("the text is blank")
    labels = _labels(text, default_name=text_name(text.text, text.title))
    return IngestRequest([Upload(labels, part_of(text.text.encode()), is_text=True)], text.force_reindex)


def check_key(key: str) -> None:
    """Refuse a key before a job is made of it.

    Raises:
        InvalidInputError: It is an upload's.
        UnsupportedTypeError: Its name is of a kind that no parser reads.
    """
    if upload_tenant(key):  # also the caller's own: they say what it is when they complete it
        raise InvalidInputError("an upload is taken in by POST /ingest/uploads/{upload_id}/complete")
    if reason := why_unsupported(key):
        raise UnsupportedTypeError(reason)


def check_reach(key: str, tenant_id: UUID, *, default_id: UUID) -> None:
    """Refuse a key or prefix that isn't the tenant's to name.

    The default tenant, the only one where there are no others, names all that is in no tenant's folder.

    Raises:
        InvalidInputError: It isn't.
    """
    owner = folder_tenant(key)
    is_free = tenant_id == default_id and not key.startswith(TENANTS)
    if owner != tenant_id and not is_free:
        raise InvalidInputError(f"s3_key and s3_prefix of your tenant begin with {tenant_folder(tenant_id)}")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise InvalidInputError("the body is not valid JSON") from exc


async def _from_form(form: FormData) -> IngestRequest:
    files = [value for value in form.getlist("file") if isinstance(value, UploadFile)]
    if len(files) < len(form.getlist("file")):
        raise InvalidInputError("the field `file` must be a file, with a file name")
    if not files:
        raise InvalidInputError("the form holds no file: send it as the field `file`")
    body = _validated(IngestForm, _form_fields(form))
    if len(files) > 1 and (body.source_document_id or body.title):
        raise InvalidInputError("source_document_id and title name one document: send several files without")
    uploads = [await _upload(file, body) for file in files]
    names = [upload.labels.source_document_id for upload in uploads]
    if len(set(names)) < len(names):
        raise InvalidInputError("two files have the same name: each would replace the other")
    return IngestRequest(uploads, body.force_reindex)


async def _upload(file: UploadFile, body: IngestLabels) -> Upload:
    name = file.filename or await _digest_name(file)
    check_name(name)
    if file.size == 0:
        raise UnreadableFileError(f"{name}: the file is empty")
    labels = _labels(body, default_name=name)
    return Upload(labels, _parts_of(file), filename=name, mime_type=file.content_type)


def _parts_of(file: UploadFile) -> Parts:
    async def parts() -> AsyncIterator[bytes]:
        await file.seek(0)
        while part := await file.read(PART_BYTES):
            yield part

    return parts


async def _digest_name(file: UploadFile) -> str:
    digest = hashlib.sha256()
    async for part in _parts_of(file)():
        digest.update(part)
    return f"upload-{digest.hexdigest()[:16]}"


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


def _labels(body: IngestLabels, *, default_name: str) -> SourceLabels:
    return SourceLabels(
        source_document_id=body.source_document_id or default_name,
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
