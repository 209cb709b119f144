"""What a trace keeps for whoever looks into one request later: ids and numbers, no text."""

import time
from collections.abc import Sequence
from typing import Any

from graph.events import Released
from graph.state import AnswerState
from rag.ports import RetrievedPassage


def milliseconds_since(began: float) -> float:
    """Args: began: By `time.perf_counter`."""
    return round((time.perf_counter() - began) * 1000, 2)


def request_record(*, accept_ms: float, waited_s: float, floor: float) -> dict[str, Any]:
    """Of any request.

    Args:
        accept_ms: Before its deadline began to run.
        waited_s: In queues of models.
        floor: Least similarity of the best source for a question to be put to a model.
    """
    return {
        "accept_ms": accept_ms,
        "model_wait_ms": round(waited_s * 1000, 2),
        "floor": floor,
    }


def answer_record(state: AnswerState, sources: Sequence[RetrievedPassage]) -> dict[str, Any]:
    """Of one that was answered, with what the search had found and the prompt did not hold."""
    kept = {found.passage.chunk_id for found in state.get("candidates", [])}
    shown = {found.passage.chunk_id for found in sources}
    left = [found for found in state.get("found", []) if found.passage.chunk_id not in shown]
    return {
        "search_ms": state.get("search_ms", {}),
        "first_token_ms": state.get("first_token_ms"),
        "removed_citations": state.get("removed_citations", 0),
        "left_out": [
            _left_out(found, by="budget" if found.passage.chunk_id in kept else "rank") for found in left
        ],
    }


def failure_record(sources: Sequence[RetrievedPassage], released: Sequence[Released]) -> dict[str, Any]:
    """Of one that failed: how far it came."""
    return {"failed_stage": "generate" if sources or released else "retrieve"}


def _left_out(found: RetrievedPassage, *, by: str) -> dict[str, Any]:
    return {
        "chunk_id": str(found.passage.chunk_id),
        "document_id": str(found.passage.document_id),
        "left_out_by": by,
        "vector": {"rank": found.vector_rank, "score": found.vector_score},
        "lexical": {"rank": found.lexical_rank, "score": found.lexical_score},
        "fused": {"rank": found.fused_rank, "score": found.fused_score},
    }
