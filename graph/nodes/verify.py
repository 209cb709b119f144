from langgraph.runtime import Runtime

from graph.state import AnswerContext, AnswerState, AnswerUpdate


async def verify(state: AnswerState, runtime: Runtime[AnswerContext]) -> AnswerUpdate:
    """Judge the answer as a whole: without a single citation that holds, it is none."""
    return {"abstained": not state.get("citations")}
