"""The answer graph: retrieve → rerank → assemble → generate → verify, with a way out to abstain."""

import time
from collections.abc import AsyncIterator
from typing import Literal, Protocol, cast

import structlog
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from graph.events import AnswerEvent, Finished
from graph.nodes.abstain import abstain
from graph.nodes.assemble import assemble
from graph.nodes.generate import generate
from graph.nodes.rerank import rerank
from graph.nodes.retrieve import retrieve
from graph.nodes.verify import verify
from graph.state import AnswerContext, AnswerState, AnswerUpdate
from rag.assemble import enough_evidence
from rag.retrieve import Strategy
from rag.tracing import span

AnswerGraph = CompiledStateGraph[AnswerState, AnswerContext, AnswerState, AnswerState]


class Node(Protocol):
    """A step of the graph; its function's name is the node's."""

    __name__: str

    async def __call__(self, state: AnswerState, runtime: Runtime[AnswerContext]) -> AnswerUpdate: ...


def build_answer_graph() -> AnswerGraph:
    """The compiled graph. It holds no state of a run: compile it once and share it."""
    graph = StateGraph(AnswerState, context_schema=AnswerContext)
    for node in (retrieve, rerank, assemble, generate, verify, abstain):
        graph.add_node(_timed(node))
    graph.add_edge(START, "retrieve")
    graph.add_edge("retrieve", "rerank")
    graph.add_edge("rerank", "assemble")
    graph.add_conditional_edges("assemble", _has_evidence)
    graph.add_edge("generate", "verify")
    graph.add_conditional_edges("verify", _is_answer)
    graph.add_edge("abstain", END)
    return graph.compile()


def _has_evidence(state: AnswerState, runtime: Runtime[AnswerContext]) -> Literal["generate", "abstain"]:
    floor = runtime.context.relevance_floor
    return "generate" if enough_evidence(state.get("sources", []), floor=floor) else "abstain"


def _is_answer(state: AnswerState) -> Literal["abstain", "__end__"]:
    return "abstain" if state.get("abstained") else "__end__"  # END's value, as the type says


def _timed(node: Node) -> Node:
    """Adds the node's wall time in milliseconds to the state; it is a span, and its logs name it."""

    async def timed(state: AnswerState, runtime: Runtime[AnswerContext]) -> AnswerUpdate:
        began = time.perf_counter()
        with span(node.__name__), structlog.contextvars.bound_contextvars(stage=node.__name__):
            update = await node(state, runtime)
        elapsed = (time.perf_counter() - began) * 1000
        return {**update, "timings_ms": {node.__name__: round(elapsed, 2)}}

    timed.__name__ = node.__name__
    return timed


async def run_answer_graph(
    graph: AnswerGraph, *, question: str, strategy: Strategy, top_k: int, context: AnswerContext
) -> AsyncIterator[AnswerEvent]:
    """Answer one question: the sources, the checked pieces of the answer, and at last `Finished`.

    Raises:
        GroundworkError: Retrieval or every chat model failed.
    """
    state: AnswerState = {
        "question": question,
        "strategy": strategy,
        "top_k": top_k,
        "degraded": [],
        "timings_ms": {},
    }
    last = state
    async for mode, payload in graph.astream(state, context=context, stream_mode=["custom", "values"]):
        if mode == "custom":
            yield cast("AnswerEvent", payload)
        else:
            last = cast("AnswerState", payload)
    yield Finished(last)
