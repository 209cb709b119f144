"""Uploads past the service: a signed form for the bucket, and the job that follows when the file is there."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app.ingestion.queue import IdempotencyKey, IngestionQueue, Upload
from db.pool import Database
from db.repositories import uploads
from db.repositories.jobs import Job
from db.repositories.uploads import StoredUpload
from rag.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from rag.parse.detect import check_kind
from rag.ports import SourceLabels, Writer
from rag.sources.files import readable_size
from rag.sources.object_keys import upload_key
from rag.sources.s3_upload import UploadForm, object_size, upload_form

MAX_WAITING = 1000  # uploads of one tenant; workers look past each
FORM_LASTS = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NewUpload:
    """A file that is to come.

    Attributes:
        labels: What the sender says about it.
        force: Take it in even if nothing has changed.
    """

    labels: SourceLabels
    filename: str
    byte_size: int
    mime_type: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class StartedUpload:
    """What the sender needs to send it."""

    id: UUID
    key: str
    form: UploadForm
    expires_at: datetime


class Uploads:
    """Uploads of all tenants to the documents bucket.

    Args:
        database: Where they are noted.
        queue: Takes in what was sent.
        bucket: None if there is none; then nothing can be uploaded.
        max_bytes: Larger files are refused.
    """

    def __init__(
        self, database: Database, queue: IngestionQueue, *, bucket: str | None, max_bytes: int
    ) -> None:
        self._database = database
        self._queue = queue
        self._bucket = bucket
        self._max_bytes = max_bytes

    async def start(self, writer: Writer, new: NewUpload) -> StartedUpload:
        """Note the upload, and sign the form for it.

        Raises:
            InvalidInputError: There is no bucket, or the file is too large or of a kind that isn't read.
            UnavailableError: The database or AWS's credentials are missing, or too many uploads wait already.
        """
        bucket = self._bucket_or_refusal()
        self._check_size(new.byte_size)
        check_kind(new.filename, new.mime_type)
        async with self._database.tenant(writer.tenant_id) as connection:
            if await uploads.waiting(connection, writer.tenant_id) >= MAX_WAITING:
                raise UnavailableError(f"{MAX_WAITING} uploads have been started and not completed")
            upload_id = await uploads.add(connection, writer.tenant_id, asdict(new))
        key = upload_key(writer.tenant_id, upload_id, new.filename)
        expires_at = datetime.now(UTC) + FORM_LASTS
        seconds = int(FORM_LASTS.total_seconds())
        form = await upload_form(
            bucket, key, byte_size=new.byte_size, mime_type=new.mime_type, seconds=seconds
        )
        return StartedUpload(upload_id, key, form, expires_at)

    async def complete(self, writer: Writer, upload_id: UUID) -> Job:
        """Queue the job for a file that was sent. Completed again, an upload gives the same job.

        Raises:
            NotFoundError: The tenant has no such upload, or it came too late.
            ConflictError: The file isn't there yet.
            InvalidInputError: It is too large.
            UnavailableError: The database or the bucket can't be reached, or too much waits already.
        """
        bucket = self._bucket_or_refusal()
        async with self._database.tenant(writer.tenant_id) as connection:
            found = await uploads.find(connection, writer.tenant_id, upload_id)
        if found is not None and found.job_id is not None:
            return await self._queue.get(writer.tenant_id, found.job_id)
        if found is None or not found.is_waiting:
            raise NotFoundError(f"there is no upload {upload_id}, or it was not completed within a day")
        upload, force = _upload_of(writer.tenant_id, found)
        await self._check_object(bucket, upload.s3_key or "")
        # However often it is completed at a time, there is one job. No caller's own key begins with a blank.
        once = IdempotencyKey(f" upload {upload_id}", upload_id.bytes)
        (job,) = await self._queue.submit(writer, [upload], force=force, idempotency=once)
        async with self._database.tenant(writer.tenant_id) as connection:
            await uploads.complete(connection, writer.tenant_id, upload_id, job.id)
        return job

    def _bucket_or_refusal(self) -> str:
        if self._bucket is None:
            raise InvalidInputError("uploads go to DOCUMENTS_BUCKET, which is not set")
        return self._bucket

    def _check_size(self, byte_size: int) -> None:
        if byte_size > self._max_bytes:
            raise InvalidInputError(f"files of more than {readable_size(self._max_bytes)} are not taken")

    async def _check_object(self, bucket: str, key: str) -> None:
        try:
            self._check_size(await object_size(bucket, key))
        except NotFoundError as exc:
            raise ConflictError("the file has not been uploaded yet") from exc


def _upload_of(tenant_id: UUID, stored: StoredUpload) -> tuple[Upload, bool]:
    """What to take in, and whether even if nothing has changed."""
    payload: Mapping[str, Any] = stored.payload
    labels = dict(payload["labels"])
    acl = labels.pop("acl")
    upload = Upload(
        SourceLabels(acl=None if acl is None else tuple(acl), **labels),
        filename=payload["filename"],
        mime_type=payload["mime_type"],
        s3_key=upload_key(tenant_id, stored.id, payload["filename"]),
    )
    return upload, payload["force"]
