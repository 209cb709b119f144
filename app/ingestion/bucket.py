"""Documents of the bucket: what they are called, where they belong, and when they go.

A document that bears its object's key as its name belongs to the bucket, as one does that a sync of the whole
bucket brought: a change of the object is a change of the document, whichever way it is noticed.
"""

from dataclasses import replace
from uuid import UUID

from app.ingestion.queue import IngestOrder, delete_source
from db.pool import Database
from db.repositories import jobs, sources
from db.repositories.jobs import Claim, JobState
from db.repositories.sources import Mark
from rag.errors import ConflictError
from rag.sources import Fetched


def as_found(order: IngestOrder, fetched: Fetched, mark: Mark | None, bucket: str) -> IngestOrder:
    """The order with what was learnt when its object was fetched.

    Args:
        order: What was asked for.
        fetched: The object.
        mark: The document of that name, if there is one.
        bucket: The name of the bucket as a source.

    Raises:
        ConflictError: The object's document is one of another source.
    """
    order = replace(order, mime_type=order.mime_type or fetched.mime_type)
    name = order.labels.source_document_id
    if name != order.s3_key:
        return order
    origin = bucket
    if mark is not None and mark.origin is not None:
        origin = mark.origin
        if not _holds(origin, bucket + name):
            if order.follows:
                raise ConflictError(f"a document of this name comes from {origin}")
            return order  # the caller wants it all the same; it stays the other source's
        if order.follows:  # whoever may read it, the bucket says what it holds
            order = replace(order, groups=tuple(mark.acl))
    uri = order.labels.uri or (fetched.uri if mark is None else None)
    labels = replace(order.labels, uri=uri, origin=origin, origin_mark=fetched.fingerprint)
    return replace(order, labels=labels)


async def remove(database: Database, claim: Claim, uri: str) -> None:
    """Delete the document of an object that is gone, and end the job. One of another source stays.

    Raises:
        LeaseLostError: The job is no longer the worker's.
    """
    removed: UUID | None = None
    async with database.tenant(claim.tenant_id) as connection:
        await jobs.hold(connection, claim)
        mark = await sources.mark(connection, claim.tenant_id, claim.source_document_id or "")
        if (
            mark is not None
            and mark.origin is not None
            and _holds(mark.origin, uri)
            and await delete_source(connection, claim.tenant_id, mark.acl, mark.document_id)
        ):
            removed = mark.document_id
        result: dict[str, object] = {
            "document_id": None if removed is None else str(removed),
            "version": None,
            "chunks_created": 0,
            "unchanged": removed is None,
            "removed": removed is not None,
            "warnings": [],
        }
        await jobs.end(connection, claim, JobState.SUCCEEDED, result=result)


def _holds(origin: str, uri: str) -> bool:
    """Whether the object is one of that source: the bucket, or a folder of it."""
    return uri.startswith(origin)
