"""What the domain asks of storage. `db` implements it; everything here is scoped to one tenant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from rag.documents import Chunk

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class SearchScope:
    """Whose rows, and which of them, a search may see.

    Attributes:
        tenant_id: The tenant; the database refuses all other rows.
        groups: The caller's groups. A source with an access list is seen only by a group on it.
        source_document_ids: Only these sources; empty for all.
        metadata: Only sources whose metadata holds all of these values.
    """

    tenant_id: UUID
    groups: tuple[str, ...] = ()
    source_document_ids: tuple[str, ...] = ()
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """One hit of one search leg: cosine similarity or BM25 score, higher is better."""

    chunk_id: UUID
    score: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk with what is needed to show and cite it. `text == source text[start:end]`."""

    chunk_id: UUID
    document_id: UUID
    source_document_id: str
    title: str
    uri: str | None
    text: str
    start: int
    end: int
    page: int | None
    heading_path: tuple[str, ...]
    chunk_index: int
    token_count: int
    metadata: Mapping[str, Any]


class ChunkSearch(Protocol):
    """The two legs of hybrid search, best match first, and the passages behind the ids."""

    async def by_vector(self, scope: SearchScope, vector: Sequence[float], limit: int) -> list[Match]: ...

    async def by_words(self, scope: SearchScope, query: str, limit: int) -> list[Match]: ...

    async def passages(self, scope: SearchScope, chunk_ids: Sequence[UUID]) -> list[Passage]:
        """The passages in the order of `chunk_ids`; one that has gone meanwhile is left out."""
        ...


@dataclass(frozen=True, slots=True)
class StoredSource:
    """What is known of a source document before it is ingested again."""

    document_id: UUID
    title: str
    content_sha256: bytes
    version: int
    chunk_count: int
    embedded: bool  # all its chunks have a vector in the current embedding space


@dataclass(frozen=True, slots=True)
class NewVersion:
    """All that one version of a source document brings. `vectors[i]` belongs to `chunks[i]`.

    Metadata or access list of None keep what the source has: a new version never opens a closed document.
    """

    source_document_id: str
    title: str
    uri: str | None
    mime_type: str
    content_sha256: bytes
    byte_size: int
    text: str
    metadata: Mapping[str, Any] | None
    acl: tuple[str, ...] | None
    chunks: tuple[Chunk, ...]
    vectors: tuple[Sequence[float], ...]


@dataclass(frozen=True, slots=True)
class StoredVersion:
    document_id: UUID
    version: int


class SourceStore(Protocol):
    """Where ingestion keeps documents. Each call is one transaction."""

    async def find(self, tenant_id: UUID, source_document_id: str) -> StoredSource | None: ...

    async def add_version(self, tenant_id: UUID, new: NewVersion) -> StoredVersion:
        """Write the version and make it the current one: readers see the old or the new, never both."""
        ...

    async def describe(
        self,
        tenant_id: UUID,
        document_id: UUID,
        *,
        metadata: Mapping[str, Any] | None,
        acl: tuple[str, ...] | None,
    ) -> None:
        """Change metadata or access list without a new version; None leaves either as it is."""
        ...
