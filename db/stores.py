"""The domain's storage ports on Postgres."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from uuid import UUID

from db.pool import Connection, Database
from db.repositories import (
    candidates,
    jobs,
    limits,
    search,
    search_index,
    sources,
    spaces,
    tenants,
)
from db.repositories.jobs import Claim, JobState
from db.repositories.search_index import ChunkWords
from db.repositories.spaces import Space
from rag.candidates import CandidatePool
from rag.errors import ConflictError
from rag.ports import (
    Findings,
    Ingested,
    NewVersion,
    SearchQuery,
    SearchScope,
    SourceLabels,
    StoredSource,
    Writer,
)


class PostgresChunkSearch:
    """`rag.ports.ChunkSearch`. A search is one statement in a transaction of its own."""

    def __init__(self, database: Database, space: Space) -> None:
        self._database = database
        self._space = space

    async def search(self, scope: SearchScope, query: SearchQuery) -> Findings:
        async def work(connection: Connection) -> Findings:
            return await search.search(
                connection, scope, query, space_id=self._space.id, dimensions=self._space.dimensions
            )

        return await self._database.read(scope.tenant_id, work)

    async def find_pool(self, scope: SearchScope, query: SearchQuery) -> CandidatePool:
        """What a search by both legs, without a filter, chooses among."""

        async def work(connection: Connection) -> CandidatePool:
            return await candidates.find_pool(
                connection, scope, query, space_id=self._space.id, dimensions=self._space.dimensions
            )

        return await self._database.read(scope.tenant_id, work)


class PostgresSourceStore:
    """`rag.ports.SourceStore`.

    Args:
        database: Where documents are kept.
        space: The embedding space that vectors belong to; versions are written only while it is active.
        claim: The job whose work it is. What is written then counts only while the job is still the worker's,
            and ends it as succeeded, in the same transaction.
        limited: Whether a tenant may have only so many documents and bytes as its plan says.
    """

    def __init__(
        self, database: Database, space: Space, claim: Claim | None = None, *, limited: bool = False
    ) -> None:
        self._database = database
        self._space = space
        self._claim = claim
        self._limited = limited

    async def find(self, writer: Writer, source_document_id: str) -> StoredSource | None:
        async with self._database.tenant(writer.tenant_id) as connection:
            return await sources.find(connection, writer, source_document_id, space_id=self._space.id)

    async def known_vectors(
        self, writer: Writer, text_digests: Sequence[bytes]
    ) -> Mapping[bytes, Sequence[float]]:
        async with self._database.tenant(writer.tenant_id) as connection:
            return await search_index.known_vectors(
                connection, writer.tenant_id, space_id=self._space.id, text_digests=text_digests
            )

    async def add_version(self, writer: Writer, new: NewVersion) -> Ingested:
        tenant_id = writer.tenant_id
        async with self._writing(tenant_id) as connection:
            await spaces.hold_active(connection, self._space.id)
            stored = await sources.upsert(connection, writer, new)
            if stored is None:
                raise ConflictError(f"the name {new.labels.source_document_id!r} is taken")
            await sources.add_version(connection, tenant_id, stored, new)
            numbers = await sources.add_chunks(connection, tenant_id, stored, new)
            source_id = stored.document_id
            if stored.version > 1:
                await search_index.remove_vectors(connection, source_id)
                await search_index.remove_words(connection, source_id)
            await search_index.add_vectors(
                connection,
                tenant_id,
                source_id,
                space_id=self._space.id,
                numbers=numbers,
                vectors=new.vectors,
                text_digests=new.text_digests,
            )
            await search_index.add_words(connection, tenant_id, source_id, _chunk_words(new, numbers))
            if self._limited:
                await limits.check_room(connection, tenant_id, with_waiting=False)
            await tenants.advance_corpus_version(connection, tenant_id)
            ingested = Ingested(
                source_id, stored.version, len(new.chunks), unchanged=False, warnings=new.warnings
            )
            await self._end_job(connection, ingested)
        return ingested

    async def keep(self, writer: Writer, known: StoredSource, labels: SourceLabels) -> Ingested:
        async with self._writing(writer.tenant_id) as connection:
            if await sources.describe(connection, known.document_id, writer.groups, labels):
                await tenants.advance_corpus_version(connection, writer.tenant_id)
            ingested = Ingested(known.document_id, known.version, 0, unchanged=True)
            await self._end_job(connection, ingested)
        return ingested

    @asynccontextmanager
    async def _writing(self, tenant_id: UUID) -> AsyncIterator[Connection]:
        async with self._database.tenant(tenant_id) as connection:
            if self._claim is not None:
                await jobs.hold(connection, self._claim)
            yield connection

    async def _end_job(self, connection: Connection, ingested: Ingested) -> None:
        if self._claim is not None:
            result = asdict(ingested) | {"document_id": str(ingested.document_id)}
            await jobs.end(connection, self._claim, JobState.SUCCEEDED, result=result)


def _chunk_words(new: NewVersion, numbers: Sequence[int]) -> list[ChunkWords]:
    return [
        ChunkWords.of(number, chunk.text, title=new.title, heading_path=chunk.heading_path, language=language)
        for number, chunk, language in zip(numbers, new.chunks, new.languages, strict=True)
    ]
