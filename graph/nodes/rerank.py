import structlog
from langchain_core.documents import Document
from langgraph.runtime import Runtime

from graph.state import AnswerContext, AnswerState, AnswerUpdate
from rag.retrieve import RetrievedPassage

log = structlog.get_logger(__name__)


async def rerank(state: AnswerState, runtime: Runtime[AnswerContext]) -> AnswerUpdate:
    """Put the candidates in the reranker's order; without one, or when it fails, the fused order stays."""
    reranker = runtime.context.reranker
    candidates = state.get("candidates", [])
    if reranker is None or not candidates:
        return {}
    documents = [
        Document(candidate.passage.text, metadata={"position": position})
        for position, candidate in enumerate(candidates)
    ]
    try:
        ranked = await reranker.acompress_documents(documents, state["question"])
    except Exception:  # SDKs share no base class; the fused order is a sound answer
        log.warning("rerank_failed", exc_info=True)
        return {"degraded": ["rerank"]}
    return {"candidates": _in_order(candidates, [document.metadata["position"] for document in ranked])}


def _in_order(candidates: list[RetrievedPassage], positions: list[int]) -> list[RetrievedPassage]:
    """Candidates as ranked; those that the reranker left out follow in their old order."""
    rest = [position for position in range(len(candidates)) if position not in set(positions)]
    return [candidates[position] for position in [*positions, *rest]]
