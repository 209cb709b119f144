"""The handler of ingestion jobs: gets the file, has it read and stored, under the job's claim."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from app.ingestion.bucket import as_found, remove
from app.ingestion.policy import TenantIngestion
from app.ingestion.queue import IngestOrder
from app.metering import metered
from app.spaces import Spaces
from app.worker import Report
from db.pool import Connection, Database
from db.repositories import job_files, sources, tenants
from db.repositories.jobs import Claim
from db.repositories.usage import Origin, RequestKind
from db.stores import PostgresSourceStore
from observability.metrics import Metrics
from observability.registry import INGESTED_CHUNKS
from rag.errors import InvalidInputError, NotFoundError, UnavailableError
from rag.ingest import IncomingFile, IngestionPolicy
from rag.ports import Writer
from rag.sources.object_keys import upload_tenant
from rag.sources.s3 import fetch_s3_object, s3_client
from rag.sources.s3_errors import NoSuchObjectError


@dataclass(frozen=True, slots=True)
class _Work:
    """What a job works on.

    Attributes:
        path: The file.
        order: The job's order, with what the file adds to it.
        policy: How the tenant's documents are taken in.
    """

    path: Path
    order: IngestOrder
    policy: IngestionPolicy


class IngestHandler:
    """`app.worker.Handler` of the kind "ingest".

    Args:
        database: Where the job's file is.
        spaces: The active embedding space, and what works in it.
        policy: For tenants without settings of their own.
        bucket: Where files are that are named by their key; None if there is no such bucket.
        max_object_bytes: Larger ones of these are refused.
        limited: Whether a tenant may have only so many documents and bytes as its plan says.
        metrics: Count what is stored; None for nobody.
    """

    def __init__(
        self,
        database: Database,
        spaces: Spaces,
        policy: IngestionPolicy,
        *,
        bucket: str | None,
        max_object_bytes: int,
        limited: bool = False,
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics or Metrics(enabled=False)
        self._limited = limited
        self._policy = policy
        self._bucket = bucket
        self._max_object_bytes = max_object_bytes
        self._database = database
        self._spaces = spaces
        self._s3: Any = None  # made when it is first needed

    async def __call__(self, claim: Claim, report: Report) -> None:
        """Storing the document ends the job, in one transaction; so does removing it."""
        order = IngestOrder.of(claim)
        try:
            async with self._fetched(claim, order) as work:
                await self._ingest(claim, work, report)
        except NoSuchObjectError:
            if not order.follows:
                raise
            await remove(self._database, claim, f"s3://{self._bucket}/{order.s3_key}")

    async def _ingest(self, claim: Claim, work: _Work, report: Report) -> None:
        current, order = self._spaces.current, work.order
        content = await asyncio.to_thread(work.path.read_text, "utf-8") if order.is_text else work.path
        async with metered(self._database, claim.tenant_id, RequestKind.INGEST, Origin(job_id=claim.id)):
            ingested = await current.ingestor.ingest(
                Writer(claim.tenant_id, order.groups),
                IncomingFile(content, order.labels, filename=order.filename, mime_type=order.mime_type),
                policy=work.policy,
                store=PostgresSourceStore(self._database, current.space, claim, limited=self._limited),
                force=order.force,
                released=order.released,
                progress=report,
            )
        self._metrics.count(INGESTED_CHUNKS, ingested.chunks_created)

    @asynccontextmanager
    async def _fetched(self, claim: Claim, order: IngestOrder) -> AsyncIterator[_Work]:
        """The job's file in a folder that is gone afterwards, and how to take it in.

        Raises:
            NotFoundError: It is no longer there.
            UnavailableError: There is no room for it, or the bucket can't be reached.
        """
        with tempfile.TemporaryDirectory(prefix="groundwork-ingest-") as folder:
            path = Path(folder) / "file"
            if order.s3_key is None:
                work = await self._stored(claim, order, path)
            else:
                work = await self._fetch_key(claim, order, order.s3_key, path)
            yield work

    async def _fetch_key(self, claim: Claim, order: IngestOrder, key: str, path: Path) -> _Work:
        if self._bucket is None:
            raise InvalidInputError("s3_key names a file of DOCUMENTS_BUCKET, which is not set")
        if upload_tenant(key) not in {None, claim.tenant_id}:
            raise NotFoundError(f"there is no s3://{self._bucket}/{key}")
        self._s3 = self._s3 or await asyncio.to_thread(s3_client)
        fetched = await fetch_s3_object(
            self._bucket, key, path, max_bytes=self._max_object_bytes, client=self._s3
        )
        async with self._database.tenant(claim.tenant_id) as connection:
            mark = await sources.mark(connection, claim.tenant_id, order.labels.source_document_id)
            policy = await self._policy_of(connection, claim.tenant_id)
        return _Work(path, as_found(order, fetched, mark, f"s3://{self._bucket}/"), policy)

    async def _stored(self, claim: Claim, order: IngestOrder, path: Path) -> _Work:
        found = False
        try:
            async with self._database.tenant(claim.tenant_id) as connection:
                policy = await self._policy_of(connection, claim.tenant_id)
                with path.open("wb") as file:
                    async for part in job_files.read(connection, claim.id):
                        found = True
                        await asyncio.to_thread(file.write, part)
        except OSError as exc:
            raise UnavailableError("there is no room for the file on the worker's disk") from exc
        if not found:
            raise NotFoundError("the job's file is no longer there: send the document again")
        return _Work(path, order, policy)

    async def _policy_of(self, connection: Connection, tenant_id: UUID) -> IngestionPolicy:
        stored = await tenants.ingestion(connection, tenant_id)
        return TenantIngestion.read(stored).applied_to(self._policy)
