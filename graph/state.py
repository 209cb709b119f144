"""What the answer graph carries from node to node, and what a run is given besides."""

import operator
from dataclasses import dataclass
from typing import Annotated, NotRequired, TypedDict

from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.messages.ai import UsageMetadata

from rag.cite import Citation
from rag.guardrail import Guardrail
from rag.models.types import ChatModel
from rag.ports import RetrievedPassage, SearchScope
from rag.prompts import SystemPrompt
from rag.retrieve import PassageRetriever, QuestionVector, Strategy


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What a run needs besides its question: LangGraph's run context.

    Attributes:
        scope: Whose documents may be searched.
        retriever: Hybrid search over them.
        reranker: Reorders what was found; None leaves the fused order.
        chat_models: A fallback chain, first choice first.
        prompt: Tells the model how to answer.
        guardrail: Judges question and answer; None lets all pass.
        suppressed: Phrases that no sentence of an answer may hold.
        hold_back: Whether nothing is released before the model has finished, for callers who don't see an
            answer grow; then another model can still take over.
        context_tokens: Token budget of the sources in the prompt.
        relevance_floor: Least cosine similarity of the best source for the question to be worth asking.
    """

    scope: SearchScope
    retriever: PassageRetriever
    reranker: BaseDocumentCompressor | None
    chat_models: tuple[ChatModel, ...]
    prompt: SystemPrompt
    context_tokens: int
    relevance_floor: float
    guardrail: Guardrail | None = None
    suppressed: tuple[str, ...] = ()
    hold_back: bool = False


class AnswerState(TypedDict):
    """The graph's state. `degraded` grows and `timings_ms` merges; all else is written once.

    `vector` is the question's, `found` what the search gave, `candidates` what a reranker left of it,
    `sources` what is in the prompt.
    """

    question: str
    strategy: Strategy
    top_k: int
    found: NotRequired[list[RetrievedPassage]]
    search_ms: NotRequired[dict[str, float]]
    vector: NotRequired[QuestionVector | None]
    candidates: NotRequired[list[RetrievedPassage]]
    sources: NotRequired[list[RetrievedPassage]]
    answer: NotRequired[str]
    citations: NotRequired[list[Citation]]
    removed_citations: NotRequired[int]
    first_token_ms: NotRequired[float | None]
    abstained: NotRequired[bool]
    model_name: NotRequired[str]
    usage: NotRequired[UsageMetadata | None]
    degraded: Annotated[list[str], operator.add]
    timings_ms: Annotated[dict[str, float], operator.or_]


class AnswerUpdate(TypedDict, total=False):
    """What a node gives back: any part of the state."""

    found: list[RetrievedPassage]
    search_ms: dict[str, float]
    vector: QuestionVector | None
    candidates: list[RetrievedPassage]
    sources: list[RetrievedPassage]
    answer: str
    citations: list[Citation]
    removed_citations: int
    first_token_ms: float | None
    abstained: bool
    model_name: str
    usage: UsageMetadata | None
    degraded: list[str]
    timings_ms: dict[str, float]
