"""The domain's storage ports on Postgres."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from db.pool import Database
from db.repositories import search, sources, tenants
from rag.errors import ConflictError
from rag.ports import Match, NewVersion, SearchScope, StoredSource, StoredVersion, Writer


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


class PostgresSourceStore:
    """`rag.ports.SourceStore`."""

    def __init__(self, database: Database, space: EmbeddingSpace) -> None:
        self._database = database
        self._space = space

    async def find(self, writer: Writer, source_document_id: str) -> StoredSource | None:
        async with self._database.tenant(writer.tenant_id) as connection:
            return await sources.find(connection, writer, source_document_id, space_id=self._space.id)

    async def add_version(self, writer: Writer, new: NewVersion) -> StoredVersion:
        tenant_id = writer.tenant_id
        async with self._database.tenant(tenant_id) as connection:
            stored = await sources.upsert(connection, writer, new)
            if stored is None:
                raise ConflictError(f"the name {new.source_document_id!r} is taken")
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
        writer: Writer,
        document_id: UUID,
        *,
        metadata: Mapping[str, Any] | None,
        acl: tuple[str, ...] | None,
        uri: str | None,
    ) -> None:
        async with self._database.tenant(writer.tenant_id) as connection:
            changed = await sources.describe(
                connection, document_id, writer.groups, metadata=metadata, acl=acl, uri=uri
            )
            if changed:
                await tenants.advance_corpus_version(connection, writer.tenant_id)
