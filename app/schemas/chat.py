"""What `/chat` takes and gives."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
)

from app.field_types import (
    Flag,
    IsNumber,
    Metadata,
    Query,
    Request,
    Text,
)
from app.filter_schema import Filters
from rag.ports import RetrievedPassage
from rag.retrieve import Strategy


class ChatRequest(Request):
    query: Query
    user_id: Annotated[Text, Field(min_length=1, max_length=256)] | None = None
    conversation_id: UUID | None = None
    filters: Filters = Filters()
    top_k: Annotated[int, Field(ge=1, le=50), IsNumber] | None = None
    strategy: Strategy = Strategy.AUTO
    stream: Flag = False
    metadata: Metadata = Field(default={})


class CitationOut(BaseModel):
    """A checked citation: `quote` is the stored text of the document at `[start, end)`."""

    model_config = ConfigDict(from_attributes=True)

    index: int
    chunk_id: UUID
    document_id: UUID
    source_document_id: str
    title: str
    quote: str
    start: int
    end: int
    page: int | None
    uri: str | None


class RetrievedDocument(BaseModel):
    """A passage that was in the prompt; `[n]` in the answer names the n-th of them."""

    id: UUID
    document_id: UUID
    source_document_id: str
    title: str
    text: str
    score: float
    start: int
    end: int
    page: int | None
    uri: str | None
    metadata: dict[str, Any]

    @classmethod
    def of(cls, found: RetrievedPassage) -> Self:
        passage = found.passage
        return cls(
            id=passage.chunk_id,
            document_id=passage.document_id,
            source_document_id=passage.source_document_id,
            title=passage.title,
            text=passage.text,
            score=found.score,
            start=passage.start,
            end=passage.end,
            page=passage.page,
            uri=passage.uri,
            metadata=dict(passage.metadata),
        )


class Usage(BaseModel):
    """Tokens of the chat models, those read from a prompt cache included.

    `cost_usd` is what the whole request cost, with its embeddings, reranking and guardrails; null where a
    part of it isn't known.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost_usd: float | None


class ChatResponse(BaseModel):
    request_id: str
    conversation_id: UUID
    answer: str
    citations: list[CitationOut]
    retrieved_documents: list[RetrievedDocument]
    abstained: bool
    degraded: list[str]
    metadata: dict[str, Any]
    usage: Usage
    timings_ms: dict[str, float]
    latency_ms: float
    model_name: str | None
    cached: bool = False
    curated: bool = False
    variant: str | None = None
