"""A stored request run again, and what differs from what was stored, stage by stage.

A trace keeps which chunks were in the prompt, with their ranks, and what was cited; not what else the search
had found. So the search is shown by where the stored sources stand in it today.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from eval.graph_answers import ExactRetriever
from feedback.triage.types import AskedQuestion
from graph.build import AnswerGraph, run_answer_graph
from graph.events import Finished, Released
from graph.state import AnswerContext, AnswerState
from rag.cite import Citation
from rag.errors import GroundworkError
from rag.models.resilience.deadline import deadline
from rag.ports import Passage, RetrievedPassage, SearchScope
from rag.retrieve import CANDIDATES, Strategy

DEPTH = CANDIDATES  # what a leg contributes: what is not among it was not found


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """What came of running a question again.

    Attributes:
        found: The search's passages, deeper than the prompt takes them, best first.
        ranked: Those that went on, in the reranker's order.
        sources: Those in the prompt.
        degraded: Stages that failed and were done without.
    """

    found: tuple[RetrievedPassage, ...]
    ranked: tuple[RetrievedPassage, ...]
    sources: tuple[RetrievedPassage, ...]
    answer: str
    citations: tuple[Citation, ...]
    abstained: bool
    prompt_version: str
    model: str | None
    degraded: tuple[str, ...]


class Replayer:
    """Runs questions as `/chat` would, but comparing every passage, and stores nothing.

    Args:
        graph: The compiled graph.
        context: What every run shares.
        top_k: Passages to retrieve.
        timeout_s: Deadline of one answer in seconds.
    """

    def __init__(self, graph: AnswerGraph, context: AnswerContext, *, top_k: int, timeout_s: float) -> None:
        self._graph = graph
        self._context = replace(context, retriever=ExactRetriever(context.retriever), hold_back=True)
        self._top_k = top_k
        self._timeout_s = timeout_s

    @property
    def prompt_version(self) -> str:
        return self._context.prompt.version

    async def search(
        self, question: str, scope: SearchScope, strategy: Strategy = Strategy.AUTO, *, depth: int = DEPTH
    ) -> tuple[RetrievedPassage, ...]:
        """What the search finds, best first.

        Raises:
            GroundworkError: It failed.
        """
        found = await self._context.retriever.retrieve(question, scope, strategy=strategy, top_k=depth)
        return tuple(found.passages)

    async def run(
        self,
        question: str,
        scope: SearchScope,
        strategy: Strategy,
        *,
        top_k: int | None = None,
        suppressed: Sequence[str] = (),
    ) -> Rerun:
        """Answer the question.

        Args:
            question: As it was asked.
            scope: Whose documents, and which.
            strategy: Of the search.
            top_k: Passages to retrieve, where the request said so.
            suppressed: Phrases of the tenant that no answer may hold.

        Raises:
            GroundworkError: Retrieval or every chat model failed.
            TimeoutError: The deadline has passed.
        """
        suppress = (*self._context.suppressed, *suppressed)
        context = replace(self._context, scope=scope, suppressed=suppress)
        with deadline(self._timeout_s):
            async with asyncio.timeout(self._timeout_s):
                found = await self.search(question, scope, strategy)
                answer, state = await self._drive(question, strategy, top_k or self._top_k, context)
        return Rerun(
            found=found,
            ranked=tuple(state.get("candidates", [])),
            sources=tuple(state.get("sources", [])),
            answer=answer,
            citations=tuple(state.get("citations", [])),
            abstained=state.get("abstained", False),
            prompt_version=context.prompt.version,
            model=state.get("model_name"),
            degraded=tuple(state["degraded"]),
        )

    async def _drive(
        self, question: str, strategy: Strategy, top_k: int, context: AnswerContext
    ) -> tuple[str, AnswerState]:
        released: list[str] = []
        events = run_answer_graph(
            self._graph, question=question, strategy=strategy, top_k=top_k, context=context
        )
        async for event in events:
            if isinstance(event, Finished):
                return "".join(released), event.state
            if isinstance(event, Released):
                released.append(event.text)
        raise GroundworkError("the answer graph ended without an end")


@dataclass(frozen=True, slots=True)
class StageChange:
    """A stage, what was stored of it, and what comes of it now, a line each."""

    stage: str
    stored: tuple[str, ...]
    now: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return self.stored != self.now


def compare(
    asked: AskedQuestion, kept: Mapping[UUID, Passage], rerun: Rerun, *, corpus_version: int
) -> tuple[StageChange, ...]:
    """Each stage, in the order in which they run.

    Args:
        asked: As it was stored.
        kept: Those of its chunks that are still stored.
        rerun: What came of it now.
        corpus_version: The corpus' of now.
    """
    named = {**kept, **{each.passage.chunk_id: each.passage for each in (*rerun.found, *rerun.ranked)}}
    found = _ids(rerun.found)
    # Of the stored sources, those that are ranked today, in today's order.
    still_ranked = [chunk for chunk in _ids(rerun.ranked) if chunk in asked.prompt]
    return (
        StageChange("corpus", (f"version {asked.corpus_version}",), (f"version {corpus_version}",)),
        StageChange(
            "retrieved",
            tuple(f"{_name(named.get(chunk))}: found" for chunk in asked.prompt),
            tuple(f"{_name(named.get(chunk))}: {_where(chunk, found)}" for chunk in asked.prompt),
        ),
        StageChange("order", _order(asked.prompt, named), _order(still_ranked, named)),
        StageChange("sources", _order(asked.prompt, named), _order(_ids(rerun.sources), named)),
        StageChange("prompt", (asked.prompt_version,), (rerun.prompt_version,)),
        StageChange("model", (asked.model or "none",), (rerun.model or "none",)),
        StageChange("answer", (asked.answer.strip(),), (rerun.answer.strip(),)),
        StageChange(
            "citations",
            tuple(f"[{c.index}] {_name(named.get(c.chunk_id))} {c.start}-{c.end}" for c in asked.citations),
            tuple(f"[{c.index}] {_name(named.get(c.chunk_id))} {c.start}-{c.end}" for c in rerun.citations),
        ),
        StageChange("abstained", (_yes(asked.abstained),), (_yes(rerun.abstained),)),
    )


def _ids(passages: Sequence[RetrievedPassage]) -> tuple[UUID, ...]:
    return tuple(each.passage.chunk_id for each in passages)


def _order(chunk_ids: Sequence[UUID], named: Mapping[UUID, Passage]) -> tuple[str, ...]:
    return tuple(_name(named.get(chunk_id)) for chunk_id in chunk_ids)


def _where(chunk_id: UUID, found: Sequence[UUID]) -> str:
    return "found" if chunk_id in found else f"not among the first {DEPTH}"


def _name(passage: Passage | None) -> str:
    return f"{passage.source_document_id}#{passage.chunk_index}" if passage else "(gone)"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
