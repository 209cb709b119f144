"""What the domain asks of storage. `db` implements it; everything here is scoped to one tenant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from rag.documents import Chunk
from rag.filters import Filter
from rag.fuse import DEFAULT_FUSION, Fusion


@dataclass(frozen=True, slots=True)
class SearchScope:
    """Whose rows, and which of them, a search may see.

    Attributes:
        tenant_id: The tenant; the database refuses all other rows.
        groups: The caller's groups. A source with an access list is seen only by a group on it.
        filter: Only sources that it holds for; None for all.
    """

    tenant_id: UUID
    groups: tuple[str, ...] = ()
    filter: Filter | None = None


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
class SearchQuery:
    """What to look for. At least one of `vector` and `words` is given: each is one leg of the search.

    Attributes:
        vector: The question's vector, in the embedding space searched.
        words: The question as `rag.analysis.analyse` gives it.
        candidates: How many passages each leg contributes.
        limit: Most passages to return, best first.
        fusion: How the legs become one ranking, unless the tenant has a setting of its own.
    """

    vector: Sequence[float] | None
    words: str | None
    limit: int
    candidates: int = 50
    fusion: Fusion = DEFAULT_FUSION


@dataclass(frozen=True, slots=True)
class RetrievedPassage:
    """A passage with how it was found.

    Attributes:
        score: What it is ranked by, higher is better.
        vector_rank: Place in the vector leg, from 1; None when that leg did not find it.
        lexical_rank: The same in the lexical leg.
        vector_score: Cosine similarity to the question, -1 to 1, whichever leg found it; None without vector.
        lexical_score: BM25, above 0 without a ceiling, whichever leg found it; None without a common word.
        fused_rank: Place in the fused ranking, from 1.
        fused_score: The fusion's score; of a single leg, that leg's.
        rerank_rank: Place that the reranker gave it, from 1; None without one.
        rerank_score: The reranker's score, if it gives any.
    """

    passage: Passage
    score: float
    fused_rank: int
    fused_score: float
    vector_rank: int | None = None
    lexical_rank: int | None = None
    vector_score: float | None = None
    lexical_score: float | None = None
    rerank_rank: int | None = None
    rerank_score: float | None = None


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What a search chose to do.

    Attributes:
        exact: Whether every passage in scope was compared, instead of the indexes' best.
        matches: Passages in scope, counted up to `exact_limit` + 1; None when nothing narrowed the scope.
        exact_limit: Up to how many passages in scope are compared one by one.
        corpus: All passages of the tenant.
        lexemes: The question's words as the lexical leg looked them up.
    """

    exact: bool
    matches: int | None
    exact_limit: int
    corpus: int
    lexemes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a search found, best first, and how it went about it."""

    passages: list[RetrievedPassage]
    plan: SearchPlan


class ChunkSearch(Protocol):
    """Hybrid search over one moment's state of the corpus."""

    async def search(self, scope: SearchScope, query: SearchQuery) -> Findings: ...


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

    `language` is the document's, each chunk's own is in `languages` (ISO 639; None for none).

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
    language: str | None
    languages: tuple[str | None, ...]


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
