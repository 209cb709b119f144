from langgraph.runtime import Runtime

from graph.state import AnswerContext, AnswerState, AnswerUpdate
from rag.rerank import rerank as rerank_passages


async def rerank(state: AnswerState, runtime: Runtime[AnswerContext]) -> AnswerUpdate:
    """Put the candidates in the reranker's order and keep the best."""
    reranked = await rerank_passages(
        runtime.context.reranker, state["question"], state.get("candidates", []), top_k=state["top_k"]
    )
    return {"candidates": reranked.passages, "degraded": reranked.degraded}
