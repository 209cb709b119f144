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
class Passage:
    """A chunk with what is needed to show and cite it. `text == source text[start:end]`."""

    chunk_id: UUID
    document_id: UUID
    source_document_id: str
    version: int
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


@dataclass(frozen=True, slots=True)
class Match:
    """One hit of one search leg: cosine similarity or BM25 score, higher is better."""

    passage: Passage
    score: float


class ChunkSearch(Protocol):
    """The two legs of hybrid search, best match first. Each sees one moment's state of the corpus."""

    async def by_vector(self, scope: SearchScope, vector: Sequence[float], limit: int) -> list[Match]: ...

    async def by_words(self, scope: SearchScope, query: str, limit: int) -> list[Match]: ...


@dataclass(frozen=True, slots=True)
class Writer:
    """Who ingests: the tenant, and the groups that open sources with an access list."""

    tenant_id: UUID
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredSource:
    """What is known of a source document before it is ingested again."""

    document_id: UUID
    title: str
    mime_type: str
    content_sha256: bytes
    version: int
    visible: bool  # its access list lets the writer see it
    embedded: bool  # all its chunks have a vector in the current embedding space


@dataclass(frozen=True, slots=True)
class NewVersion:
    """All that one version of a source document brings. `vectors[i]` belongs to `chunks[i]`.

    Metadata, access list or URI of None keep what the source has: a new version never opens a closed
    document.
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

    async def find(self, writer: Writer, source_document_id: str) -> StoredSource | None: ...

    async def add_version(self, writer: Writer, new: NewVersion) -> StoredVersion:
        """Write the version and make it the current one: readers see the old or the new, never both.

        Raises:
            ConflictError: The name belongs to a source that the writer may not see.
        """
        ...

    async def describe(
        self,
        writer: Writer,
        document_id: UUID,
        *,
        metadata: Mapping[str, Any] | None,
        acl: tuple[str, ...] | None,
        uri: str | None,
    ) -> None:
        """Change what is not None, without a new version."""
        ...
