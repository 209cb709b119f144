"""The domain's storage ports on Postgres."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from db.pool import Database
from db.repositories import search, sources, tenants
from rag.ports import Match, NewVersion, Passage, SearchScope, StoredSource, StoredVersion


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """Vectors of one model and one number of dimensions; only they can be compared."""

    id: int
    dimensions: int


class PostgresChunkSearch:
    """`rag.ports.ChunkSearch`. Each call is a transaction of its own, so the legs can run side by side."""

    def __init__(self, database: Database, space: EmbeddingSpace) -> None:
        self._database = database
        self._space = space

    async def by_vector(self, scope: SearchScope, vector: Sequence[float], limit: int) -> list[Match]:
        async with self._database.tenant(scope.tenant_id) as connection:
            return await search.by_vector(
                connection,
                scope,
                vector,
                limit,
                space_id=self._space.id,
                dimensions=self._space.dimensions,
            )

    async def by_words(self, scope: SearchScope, query: str, limit: int) -> list[Match]:
        async with self._database.tenant(scope.tenant_id) as connection:
            return await search.by_words(connection, scope, query, limit)

    async def passages(self, scope: SearchScope, chunk_ids: Sequence[UUID]) -> list[Passage]:
        async with self._database.tenant(scope.tenant_id) as connection:
            found = await search.passages(connection, scope, chunk_ids)
        return [found[chunk_id] for chunk_id in chunk_ids if chunk_id in found]


class PostgresSourceStore:
    """`rag.ports.SourceStore`."""

    def __init__(self, database: Database, space: EmbeddingSpace) -> None:
        self._database = database
        self._space = space

    async def find(self, tenant_id: UUID, source_document_id: str) -> StoredSource | None:
        async with self._database.tenant(tenant_id) as connection:
            return await sources.find(connection, tenant_id, source_document_id, space_id=self._space.id)

    async def add_version(self, tenant_id: UUID, new: NewVersion) -> StoredVersion:
        async with self._database.tenant(tenant_id) as connection:
            stored = await sources.upsert(connection, tenant_id, new)
            await sources.add_version(connection, tenant_id, stored, new)
            chunk_ids = await sources.add_chunks(connection, tenant_id, stored, new.chunks)
            await search.index_chunks(
                connection,
                tenant_id,
                document_id=stored.document_id,
                version=stored.version,
                space_id=self._space.id,
                embeddings=list(zip(chunk_ids, new.vectors, strict=True)),
            )
            await tenants.advance_corpus_version(connection, tenant_id)
            return stored

    async def describe(
        self,
        tenant_id: UUID,
        document_id: UUID,
        *,
        metadata: Mapping[str, Any] | None,
        acl: tuple[str, ...] | None,
    ) -> None:
        async with self._database.tenant(tenant_id) as connection:
            if await sources.describe(connection, document_id, metadata=metadata, acl=acl):
                await tenants.advance_corpus_version(connection, tenant_id)
