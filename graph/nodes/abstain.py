from langgraph.runtime import Runtime

from graph.events import Released
from graph.state import AnswerContext, AnswerState, AnswerUpdate

ABSTENTION = "I could not find an answer to this in the documents."


async def abstain(state: AnswerState, runtime: Runtime[AnswerContext]) -> AnswerUpdate:
    """Say that the documents don't answer. The nearest sources stay listed."""
    runtime.stream_writer(Released(ABSTENTION, ()))
    return {"answer": ABSTENTION, "citations": [], "abstained": True}
