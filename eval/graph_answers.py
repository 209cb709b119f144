"""Answers of the real graph to the questions of an evaluation set, each with what it took."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from eval.case_metrics import AnsweredCase
from eval.cases import EvaluationCase
from eval.report.results import CitedSource
from graph.build import AnswerGraph, run_answer_graph
from graph.events import Finished, Released
from graph.state import AnswerContext, AnswerState
from rag.cite import Citation
from rag.errors import GroundworkError
from rag.models.resilience.deadline import deadline
from rag.models.usage import Meter, cost_usd, metering
from rag.ports import RetrievedPassage, SearchScope
from rag.retrieve import PassageRetriever, QuestionVector, Retrieval, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAnswer:
    """The service's answer to a case's question.

    Attributes:
        answered: What metrics are computed of.
        retrieved_ids: Ids of the chunks found, best first.
        citations: What the answer cites, in its order.
        degraded: Stages that failed and were done without.
        latency_ms: From the question to the whole answer.
        cost_usd: Of all models, by list prices; None if a price isn't known.
    """

    answered: AnsweredCase
    retrieved_ids: tuple[str, ...]
    citations: tuple[CitedSource, ...]
    degraded: tuple[str, ...]
    latency_ms: float
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class ExactRetriever:
    """Compares every passage, so that two runs over one corpus find the same."""

    retriever: PassageRetriever

    async def retrieve(
        self,
        question: str,
        scope: SearchScope,
        *,
        strategy: Strategy = Strategy.AUTO,
        top_k: int = 8,
        vector: Sequence[float] | QuestionVector | None = None,
        exact: bool = True,
    ) -> Retrieval:
        return await self.retriever.retrieve(
            question, scope, strategy=strategy, top_k=top_k, vector=vector, exact=exact
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphAnswers:
    """Runs the answer graph for a case.

    Attributes:
        graph: The compiled graph.
        context: What every run shares.
        scope_of: Whose documents a case's question is asked of, and which.
        strategy: Of the search.
        top_k: Passages to retrieve.
        timeout_s: Deadline of one answer in seconds.
    """

    graph: AnswerGraph
    context: AnswerContext
    scope_of: Callable[[EvaluationCase], SearchScope]
    strategy: Strategy
    top_k: int
    timeout_s: float

    async def __call__(self, case: EvaluationCase) -> CaseAnswer:
        """The answer.

        Raises:
            GroundworkError: Retrieval or every chat model failed.
            TimeoutError: The deadline has passed.
        """
        context = replace(self.context, scope=self.scope_of(case), hold_back=True)
        began = time.perf_counter()
        with metering(Meter()) as meter, deadline(self.timeout_s):
            async with asyncio.timeout(self.timeout_s):
                answer, state = await self._drive(case, context)
        return CaseAnswer(
            answered=_answered(answer, state),
            retrieved_ids=tuple(str(found.passage.chunk_id) for found in state.get("candidates", [])),
            citations=tuple(map(_cited, state.get("citations", []))),
            degraded=tuple(state["degraded"]),
            latency_ms=round((time.perf_counter() - began) * 1000, 2),
            cost_usd=cost_usd(meter.uses),
        )

    async def _drive(self, case: EvaluationCase, context: AnswerContext) -> tuple[str, AnswerState]:
        released: list[str] = []
        events = run_answer_graph(
            self.graph, question=case.query, strategy=self.strategy, top_k=self.top_k, context=context
        )
        async for event in events:
            if isinstance(event, Finished):
                return "".join(released), event.state
            if isinstance(event, Released):
                released.append(event.text)
        raise GroundworkError("the answer graph ended without an end")


def _answered(answer: str, state: AnswerState) -> AnsweredCase:
    sources = [found.passage for found in state.get("sources", [])]
    return AnsweredCase(
        answer=answer,
        abstained=state.get("abstained", False),
        sources=tuple(passage.text for passage in sources),
        documents=tuple(passage.source_document_id for passage in sources),
        retrieved=_documents(state.get("candidates", [])),
    )


def _documents(found: Sequence[RetrievedPassage]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.passage.source_document_id for each in found))


def _cited(citation: Citation) -> CitedSource:
    return CitedSource(
        id=str(citation.chunk_id), title=citation.title, quote=citation.quote, uri=citation.uri
    )
