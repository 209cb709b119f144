"""Chunks for tests of the golden-set generator."""

from uuid import NAMESPACE_URL, uuid5

from db.repositories.golden_set import ChunkPlace, StoredChunk
from rag.ports import Passage


def passage(
    text: str,
    *,
    source: str = "doc.md",
    title: str = "Handbook",
    headings: tuple[str, ...] = (),
    start: int = 0,
) -> Passage:
    return Passage(
        chunk_id=uuid5(NAMESPACE_URL, f"{source} {start} {text}"),
        document_id=uuid5(NAMESPACE_URL, source),
        source_document_id=source,
        version=1,
        title=title,
        uri=None,
        text=text,
        start=start,
        end=start + len(text),
        page=None,
        heading_path=headings,
        chunk_index=start,
        token_count=len(text.split()),
        metadata={},
    )


def stored(found: Passage, language: str | None = "en") -> StoredChunk:
    return StoredChunk(found, language, "ab" * 32)


def place(found: Passage) -> ChunkPlace:
    return ChunkPlace(found.chunk_id, found.source_document_id, found.chunk_index)
