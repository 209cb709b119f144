from langgraph.runtime import Runtime

from graph.state import AnswerContext, AnswerState, AnswerUpdate


async def retrieve(state: AnswerState, runtime: Runtime[AnswerContext]) -> AnswerUpdate:
    """Find candidate passages for the question."""
    found = await runtime.context.retriever.retrieve(
        state["question"], runtime.context.scope, strategy=state["strategy"], top_k=state["top_k"]
    )
    return {"candidates": found.passages, "degraded": found.degraded}
