"""A small handbook to ask questions of, taken in the first time a tenant is served."""

from pathlib import Path

import structlog

from app.services import Services
from db.repositories import tenants
from rag.ingest import IncomingFile
from rag.ports import SourceLabels

log = structlog.get_logger(__name__)

FOLDER = Path(__file__).parent.parent / "docs" / "sample"
LOCK_KEY = 0x73616D706C65  # "sample": of several processes that start at once, one takes it in
QUESTION = "How many vacation days can I carry over to the next year?"


async def ingest_sample(services: Services) -> None:
    """Take in the bundled documents, unless this tenant's corpus has ever changed before."""
    async with services.database.system() as lock:
        await lock.execute("SELECT pg_advisory_xact_lock($1)", LOCK_KEY)
        if await _is_untouched(services):
            await _ingest_all(services)


async def _is_untouched(services: Services) -> bool:
    tenant_id = services.default_identity.tenant_id
    async with services.database.tenant(tenant_id) as connection:
        return await tenants.corpus_version(connection, tenant_id) == 0


async def _ingest_all(services: Services) -> None:
    for path in sorted(FOLDER.iterdir()):
        file = IncomingFile(path, SourceLabels(f"sample/{path.name}"), filename=path.name)
        ingested = await services.ingestor.ingest(services.default_identity.writer(), file)
        log.info("sample_ingested", document=path.name, chunks=ingested.chunks_created)
