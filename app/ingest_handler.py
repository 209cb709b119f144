"""The handler of ingestion jobs: gets the file, has it read and stored, under the job's claim."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from app.ingestion import IngestOrder
from app.ingestion_policy import TenantIngestion
from app.spaces import Spaces
from app.worker import Report
from db.pool import Database
from db.repositories import job_files, tenants
from db.repositories.jobs import Claim
from db.stores import PostgresSourceStore
from rag.errors import InvalidInputError, NotFoundError, UnavailableError
from rag.ingest import IncomingFile, IngestionPolicy
from rag.ports import Writer
from rag.sources import Entry
from rag.sources.s3 import S3Source


class IngestHandler:
    """`app.worker.Handler` of the kind "ingest".

    Args:
        database: Where the job's file is.
        spaces: The active embedding space, and what works in it.
        policy: For tenants without settings of their own.
        bucket: Where files are that are named by their key; None if there is no such bucket.
        max_bytes: Larger ones are refused.
    """

    def __init__(
        self,
        database: Database,
        spaces: Spaces,
        policy: IngestionPolicy,
        *,
        bucket: str | None,
        max_bytes: int,
    ) -> None:
        self._policy = policy
        self._bucket = bucket
        self._max_bytes = max_bytes
        self._database = database
        self._spaces = spaces

    async def __call__(self, claim: Claim, report: Report) -> None:
        """Storing the document ends the job, in one transaction."""
        order, current = IngestOrder.of(claim), self._spaces.current
        async with self._fetched(claim, order) as path:
            content = await asyncio.to_thread(path.read_text, "utf-8") if order.is_text else path
            await current.ingestor.ingest(
                Writer(claim.tenant_id, order.groups),
                IncomingFile(content, order.labels, filename=order.filename, mime_type=order.mime_type),
                policy=await self._policy_of(claim.tenant_id),
                store=PostgresSourceStore(self._database, current.space, claim),
                force=order.force,
                released=order.released,
                progress=report,
            )

    async def _policy_of(self, tenant_id: UUID) -> IngestionPolicy:
        async with self._database.tenant(tenant_id) as connection:
            stored = await tenants.ingestion(connection, tenant_id)
        return TenantIngestion.read(stored).applied_to(self._policy)

    @asynccontextmanager
    async def _fetched(self, claim: Claim, order: IngestOrder) -> AsyncIterator[Path]:
        """The job's file in a folder of its own, which is gone afterwards.

        Raises:
            NotFoundError: It is no longer there.
            UnavailableError: There is no room for it, or the bucket can't be reached.
        """
        with tempfile.TemporaryDirectory(prefix="groundwork-ingest-") as folder:
            path = Path(folder) / "file"
            if order.s3_key is not None:
                await self._fetch_key(order.s3_key, path)
            elif not await self._write(claim, path):
                raise NotFoundError("the job's file is no longer there: send the document again")
            yield path

    async def _fetch_key(self, key: str, path: Path) -> None:
        if self._bucket is None:
            raise InvalidInputError("s3_key names a file of DOCUMENTS_BUCKET, which is not set")
        source = await asyncio.to_thread(S3Source, self._bucket, "", max_bytes=self._max_bytes)
        await source.fetch(Entry(key, None), path)

    async def _write(self, claim: Claim, path: Path) -> bool:
        found = False
        try:
            async with self._database.tenant(claim.tenant_id) as connection:
                with path.open("wb") as file:
                    async for part in job_files.read(connection, claim.id):
                        found = True
                        await asyncio.to_thread(file.write, part)
        except OSError as exc:
            raise UnavailableError("there is no room for the file on the worker's disk") from exc
        return found
