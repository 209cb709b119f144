"""The handler of ingestion jobs: gets the file, has it read and stored, under the job's claim."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.ingestion import IngestOrder
from app.spaces import Spaces
from app.worker import Report
from db.pool import Database
from db.repositories import job_files
from db.repositories.jobs import Claim
from db.stores import PostgresSourceStore
from rag.errors import NotFoundError
from rag.ingest import IncomingFile
from rag.ports import Writer


class IngestHandler:
    """`app.worker.Handler` of the kind "ingest".

    Args:
        database: Where the job's file is.
        spaces: The active embedding space, and what works in it.
    """

    def __init__(self, database: Database, spaces: Spaces) -> None:
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
                store=PostgresSourceStore(self._database, current.space, claim),
                force=order.force,
                progress=report,
            )

    @asynccontextmanager
    async def _fetched(self, claim: Claim, order: IngestOrder) -> AsyncIterator[Path]:
        """The job's file in a folder of its own, which is gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="groundwork-ingest-") as folder:
            path = Path(folder) / "file"
            if not await self._write(claim, path):
                raise NotFoundError("the job's file is no longer there: send the document again")
            yield path

    async def _write(self, claim: Claim, path: Path) -> bool:
        found = False
        async with self._database.tenant(claim.tenant_id) as connection:
            with path.open("wb") as file:
                async for part in job_files.read(connection, claim.id):
                    found = True
                    await asyncio.to_thread(file.write, part)
        return found
