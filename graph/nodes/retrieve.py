from langgraph.runtime import Runtime

from graph.state import AnswerContext, AnswerState, AnswerUpdate
from rag.rerank import retrieval_depth


async def retrieve(state: AnswerState, runtime: Runtime[AnswerContext]) -> AnswerUpdate:
    """Find candidate passages for the question."""
    context = runtime.context
    found = await context.retriever.retrieve(
        state["question"],
        context.scope,
        strategy=state["strategy"],
        top_k=retrieval_depth(context.reranker, state["top_k"]),
    )
    return {"candidates": found.passages, "degraded": found.degraded}
