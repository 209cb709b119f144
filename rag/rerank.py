"""Reranking what retrieval found, by any LangChain document compressor; the fused order when it fails."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor

from rag.errors import ModelError
from rag.ports import RetrievedPassage

log = structlog.get_logger(__name__)

DEPTH = 50  # passages a reranker sees


@dataclass(frozen=True, slots=True)
class Reranked:
    """Passages, best first, and "rerank" in `degraded` when the reranker failed."""

    passages: list[RetrievedPassage]
    degraded: list[str]


def retrieval_depth(reranker: BaseDocumentCompressor | None, top_k: int) -> int:
    """How many passages to retrieve so that `top_k` remain."""
    return max(top_k, DEPTH) if reranker else top_k


async def rerank(
    reranker: BaseDocumentCompressor | None,
    question: str,
    passages: Sequence[RetrievedPassage],
    *,
    top_k: int,
) -> Reranked:
    """The best `top_k` passages in the reranker's order.

    Those that the reranker leaves out follow in their old order. Without a reranker, or when it fails for
    whatever reason or leaves out all, the fused order stays.
    """
    if reranker is None or not passages:
        return Reranked(list(passages[:top_k]), [])
    documents = [as_document(position, passage) for position, passage in enumerate(passages)]
    try:
        ranked = await reranker.acompress_documents(documents, question)
        return Reranked(_in_order(passages, ranked)[:top_k], [])
    except Exception:  # SDKs share no base class; the fused order is a sound answer
        log.warning("rerank_failed", exc_info=True)
        return Reranked(list(passages[:top_k]), ["rerank"])


def as_document(position: int, found: RetrievedPassage) -> Document:
    """The passage with all that retrieval knows of it, for rerankers that learn from more than the text."""
    passage = found.passage
    return Document(
        passage.text,
        metadata={
            "position": position,
            "title": passage.title,
            "heading_path": passage.heading_path,
            "chunk_index": passage.chunk_index,
            "token_count": passage.token_count,
            "vector_rank": found.vector_rank,
            "vector_score": found.vector_score,
            "lexical_rank": found.lexical_rank,
            "lexical_score": found.lexical_score,
            "fused_score": found.fused_score,
            "metadata": dict(passage.metadata),
        },
    )


def _in_order(passages: Sequence[RetrievedPassage], ranked: Sequence[Document]) -> list[RetrievedPassage]:
    scores = {document.metadata["position"]: document.metadata.get("relevance_score") for document in ranked}
    if not scores:
        raise ModelError("the reranker ranked nothing")
    rest = [position for position in range(len(passages)) if position not in scores]
    chosen = [_reranked(passages[at], rank, scores[at]) for rank, at in enumerate(scores, start=1)]
    return [*chosen, *(passages[position] for position in rest)]


def _reranked(found: RetrievedPassage, rank: int, score: float | None) -> RetrievedPassage:
    if score is None:  # a reranker that only orders
        return replace(found, rerank_rank=rank)
    return replace(found, rerank_rank=rank, rerank_score=float(score), score=float(score))
