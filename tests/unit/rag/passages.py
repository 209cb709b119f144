"""Passages for tests."""

from uuid import UUID

from rag.ports import Passage, RetrievedPassage


def make_passage(
    text: str, *, number: int = 1, start: int = 0, title: str = "Handbook", version: int = 1
) -> Passage:
    return Passage(
        chunk_id=UUID(int=number),
        document_id=UUID(int=1000 + number),
        source_document_id=f"doc-{number}",
        version=version,
        title=title,
        uri=None,
        text=text,
        start=start,
        end=start + len(text),
        page=None,
        heading_path=(),
        chunk_index=0,
        token_count=len(text.split()),
        metadata={},
    )


def make_retrieved(passage: Passage, *, cosine: float | None = 0.5) -> RetrievedPassage:
    return RetrievedPassage(passage, score=0.5, fused_rank=1, fused_score=0.5, vector_score=cosine)
