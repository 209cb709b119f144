from langgraph.runtime import Runtime

from graph.state import AnswerContext, AnswerState, AnswerUpdate
from rag.guardrail import Side
from rag.rerank import retrieval_depth


async def retrieve(state: AnswerState, runtime: Runtime[AnswerContext]) -> AnswerUpdate:
    """Find candidate passages for the question, if it may be asked.

    Raises:
        BlockedError: The guardrail refuses the question.
        GroundworkError: The search or the guardrail failed: security never degrades.
    """
    context = runtime.context
    if context.guardrail is not None:
        await context.guardrail.check(state["question"], Side.QUESTION)
    found = await context.retriever.retrieve(
        state["question"],
        context.scope,
        strategy=state["strategy"],
        top_k=retrieval_depth(context.reranker, state["top_k"]),
    )
    return {
        "found": found.passages,
        "search_ms": found.timings_ms,
        "candidates": found.passages,
        "degraded": found.degraded,
        "vector": found.vector,
    }
