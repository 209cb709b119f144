"""All objects of the documents bucket below a prefix, as uploads."""

from dataclasses import dataclass, replace

from app.ingestion.queue import Upload
from rag.errors import InvalidInputError, NotFoundError
from rag.sources import Skipped
from rag.sources.s3 import S3Source

MAX_OBJECTS = 1000  # of one request; it waits for the listing, and answers with a job for each


@dataclass(frozen=True, slots=True)
class Below:
    """What lies below a prefix: what can be taken in, and what is not, under its whole key."""

    uploads: list[Upload]
    skipped: list[Skipped]


async def list_below(bucket: str, prefix: str, template: Upload, *, max_bytes: int) -> Below:
    """An upload for each object.

    Args:
        bucket: The documents bucket.
        prefix: A folder of it, with or without the slash at the end.
        template: With the labels that each gets; its name is its key.
        max_bytes: Larger objects are skipped.

    Raises:
        NotFoundError: Nothing lies below.
        InvalidInputError: Too much does, or the service may not read it.
        UnavailableError: S3 can't be reached, or is busy.
    """
    folder = f"{prefix.rstrip('/')}/"
    below = Below([], [])
    async for found in S3Source(bucket, prefix, max_bytes=max_bytes).entries():
        key = folder + found.name
        if isinstance(found, Skipped):
            below.skipped.append(replace(found, name=key))
        else:
            labels = replace(template.labels, source_document_id=key)
            below.uploads.append(replace(template, labels=labels, filename=key, s3_key=key))
        if len(below.uploads) + len(below.skipped) > MAX_OBJECTS:
            raise InvalidInputError(
                f"more than {MAX_OBJECTS} objects lie below {prefix}: "
                "any number is taken by "
                f"`scripts/ingest_documents.py sync s3://{bucket}/{folder} --prefix {folder}`"
            )
    if not below.uploads and not below.skipped:
        raise NotFoundError(f"nothing that could be taken in lies below s3://{bucket}/{folder}")
    return below
