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
        exact: Whether all passages in scope are compared, whatever that costs: the same corpus then gives the
            same result, which an index built at random levels does not.
    """

    vector: Sequence[float] | None
    words: str | None
    limit: int
    candidates: int = 50
    fusion: Fusion = DEFAULT_FUSION
    exact: bool = False


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
        matches: Passages in scope, counted up to `exact_limit` + 1, which also stands for a scope of so many
            sources that it isn't counted; None when nothing narrowed the scope.
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
    """Who ingests: the tenant, and the groups that open sources with an access list.

    Attributes:
        subject: By whom their jobs are known to be theirs; None for an anonymous caller, or none at all.
    """

    tenant_id: UUID
    groups: tuple[str, ...] = ()
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class SourceLabels:
    """What the sender says about a document.

    Metadata, access list or URI of None keep what a known source has: a new version never opens a closed
    document.

    Attributes:
        source_document_id: The sender's own name for it.
        title: Overrides the document's own.
        origin: The source that it is kept in step with, such as an S3 prefix; None for a single upload.
        origin_mark: That source's own sign of a change, such as an ETag.
    """

    source_document_id: str
    title: str | None = None
    uri: str | None = None
    metadata: Mapping[str, Any] | None = None
    acl: tuple[str, ...] | None = None
    origin: str | None = None
    origin_mark: str | None = None


@dataclass(frozen=True, slots=True)
class StoredSource:
    """What is known of a source document before it is ingested again."""

    document_id: UUID
    version: int
    reading_sha256: bytes | None  # None for what was stored before readings were noted
    visible: bool  # its access list lets the writer see it
    embedded: bool  # all its chunks have a vector in the current embedding space


@dataclass(frozen=True, slots=True)
class NewVersion:
    """All that one version of a source document brings.

    Attributes:
        reading_sha256: A digest of the content and of how it was read and divided.
        text_digests: For each chunk, the SHA-256 of the text that was embedded.
        vectors: For each chunk, its vector.
        language: The document's (ISO 639; None for none).
        languages: Each chunk's own.
        warnings: What of the file could not be read.
    """

    labels: SourceLabels
    title: str
    mime_type: str
    content_sha256: bytes
    reading_sha256: bytes
    byte_size: int
    text: str
    chunks: tuple[Chunk, ...]
    text_digests: tuple[bytes, ...]
    vectors: tuple[Sequence[float], ...]
    language: str | None
    languages: tuple[str | None, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a document.

    Attributes:
        chunks_created: 0 when the very same content was there already.
        warnings: What of the file could not be read, such as pages without text.
    """

    document_id: UUID
    version: int
    chunks_created: int
    unchanged: bool
    warnings: tuple[str, ...] = ()


class SourceStore(Protocol):
    """Where ingestion keeps documents. Each call is one transaction."""

    async def find(self, writer: Writer, source_document_id: str) -> StoredSource | None: ...

    async def known_vectors(
        self, writer: Writer, text_digests: Sequence[bytes]
    ) -> Mapping[bytes, Sequence[float]]:
        """Vectors that the writer's tenant has already, by the digest of the text that was embedded."""
        ...

    async def add_version(self, writer: Writer, new: NewVersion) -> Ingested:
        """Write the version and make it the current one: readers see the old or the new, never both.

        Raises:
            ConflictError: The name belongs to a source that the writer may not see.
        """
        ...

    async def keep(self, writer: Writer, known: StoredSource, labels: SourceLabels) -> Ingested:
        """Leave the version as it is, and change of its labels what is not None."""
        ...
