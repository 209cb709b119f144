"""What is kept of an answer's passages, citations and models: ids and numbers, no text."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from app.schemas.chat import Usage
from rag.cite import Citation
from rag.models.catalog import Operation
from rag.models.usage import ModelUse, cost_usd
from rag.ports import RetrievedPassage


def retrieved_records(sources: Iterable[RetrievedPassage]) -> list[dict[str, Any]]:
    """Passages, best first, with their rank and score in each step."""
    return [_retrieved(rank, found) for rank, found in enumerate(sources, start=1)]


def citation_records(citations: Iterable[Citation]) -> list[dict[str, Any]]:
    return [
        {"index": c.index, "chunk_id": str(c.chunk_id), "start": c.start, "end": c.end} for c in citations
    ]


def usage_of(uses: Sequence[ModelUse]) -> Usage:
    """What a caller is told."""
    chats = [use for use in uses if use.operation is Operation.CHAT]
    prompt, completion = sum(use.prompt_tokens for use in chats), sum(use.output_tokens for use in chats)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        cost_usd=cost_usd(uses),
    )


def usage_record(uses: Sequence[ModelUse]) -> dict[str, Any]:
    """The sums, and each model's part of them."""
    models = [asdict(use) | {"cost_usd": cost_usd([use])} for use in uses]
    return {**usage_of(uses).model_dump(), "models": models}


def _retrieved(rank: int, found: RetrievedPassage) -> dict[str, Any]:
    return {
        "rank": rank,
        "chunk_id": str(found.passage.chunk_id),
        "document_id": str(found.passage.document_id),
        "score": found.score,
        "vector": {"rank": found.vector_rank, "score": found.vector_score},
        "lexical": {"rank": found.lexical_rank, "score": found.lexical_score},
        "fused": {"rank": found.fused_rank, "score": found.fused_score},
        "rerank": {"rank": found.rerank_rank, "score": found.rerank_score},
    }
