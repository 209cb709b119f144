"""The domain's storage ports on Postgres."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from db.pool import Database
from db.repositories import candidates, search, search_index, sources, tenants
from db.repositories.search_index import ChunkWords
from rag.candidates import CandidatePool
from rag.errors import ConflictError
from rag.ports import (
    Findings,
    NewVersion,
    SearchQuery,
    SearchScope,
    StoredSource,
    StoredVersion,
    Writer,
)


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """Vectors of one model and one number of dimensions; only they can be compared."""

    id: int
    dimensions: int


class PostgresChunkSearch:
    """`rag.ports.ChunkSearch`. A search is one statement in a transaction of its own."""

    def __init__(self, database: Database, space: EmbeddingSpace) -> None:
        self._database = database
        self._space = space

    async def search(self, scope: SearchScope, query: SearchQuery) -> Findings:
        async with self._database.tenant(scope.tenant_id) as connection:
            return await search.search(
                connection, scope, query, space_id=self._space.id, dimensions=self._space.dimensions
            )

    async def find_pool(self, scope: SearchScope, query: SearchQuery) -> CandidatePool:
        """What a search by both legs, without a filter, chooses among."""
        async with self._database.tenant(scope.tenant_id) as connection:
            return await candidates.find_pool(
                connection, scope, query, space_id=self._space.id, dimensions=self._space.dimensions
            )


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
            numbers = await sources.add_chunks(connection, tenant_id, stored, new)
            source_id = stored.document_id
            await search_index.remove_vectors(connection, source_id)
            await search_index.remove_words(connection, source_id)
            vectors = list(zip(numbers, new.vectors, strict=True))
            await search_index.add_vectors(
                connection, tenant_id, source_id, space_id=self._space.id, vectors=vectors
            )
            await search_index.add_words(connection, tenant_id, source_id, _chunk_words(new, numbers))
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


def _chunk_words(new: NewVersion, numbers: Sequence[int]) -> list[ChunkWords]:
    return [
        ChunkWords.of(number, chunk.text, title=new.title, heading_path=chunk.heading_path, language=language)
        for number, chunk, language in zip(numbers, new.chunks, new.languages, strict=True)
    ]
