from langgraph.runtime import Runtime

from graph.events import SourcesChosen
from graph.state import AnswerContext, AnswerState, AnswerUpdate
from rag.assemble import fill_budget


async def assemble(state: AnswerState, runtime: Runtime[AnswerContext]) -> AnswerUpdate:
    """Choose what goes into the prompt, and say so: what is shown as a source is one."""
    sources = fill_budget(state.get("candidates", []), budget=runtime.context.context_tokens)
    runtime.stream_writer(SourcesChosen(sources))
    return {"sources": sources}
