"""What goes over HTTP. Requests refuse unknown fields, NUL characters and lone surrogates."""

import math
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)

from rag.errors import InvalidInputError
from rag.ingest import check_name
from rag.ports import SearchScope
from rag.retrieve import RetrievedPassage, Strategy

MAX_VALUE_LENGTH = 4096  # characters
MAX_METADATA_KEYS = 64  # filterable fields, not a document store


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise ValueError(f"must not contain lone surrogates, such as the one at {exc.start}") from exc
    return text


def _indexable(text: str) -> str:
    try:
        check_name(text)
    except InvalidInputError as exc:
        raise ValueError(str(exc)) from exc
    return text


def _plain_value(value: object) -> object:
    """A metadata value: one message for all that it may not be, instead of one for each kind it could be."""
    if isinstance(value, str) and len(value) <= MAX_VALUE_LENGTH:
        return _storable(value)
    if isinstance(value, bool) or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"must be a text of at most {MAX_VALUE_LENGTH} characters, a number or a boolean")


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Visible = Annotated[Text, AfterValidator(_not_blank)]
Name = Annotated[Visible, Field(min_length=1, max_length=1024), AfterValidator(_indexable)]
OneOrMore = Annotated[
    list[Name],
    Field(min_length=1, max_length=1000),
    BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
]
Title = Annotated[Visible, Field(min_length=1, max_length=1024)]
Value = Annotated[
    bool | int | float | str,
    PlainValidator(_plain_value),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "boolean"},
                {"type": "number"},
                {"type": "string", "maxLength": MAX_VALUE_LENGTH},
            ]
        }
    ),
]
Key = Annotated[Text, Field(min_length=1, max_length=256)]
Metadata = Annotated[dict[Key, Value], Field(max_length=MAX_METADATA_KEYS)]
Group = Annotated[Text, Field(min_length=1, max_length=256)]
Acl = Annotated[list[Group], Field(max_length=256)]
Query = Annotated[Visible, Field(min_length=1, max_length=4000)]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Filters(Request):
    """Narrow a search: only sources of these names, with all of these metadata values."""

    source_document_id: OneOrMore | None = None
    metadata: Metadata = {}

    def narrow(self, scope: SearchScope) -> SearchScope:
        return SearchScope(
            tenant_id=scope.tenant_id,
            groups=scope.groups,
            source_document_ids=tuple(self.source_document_id or ()),
            metadata=self.metadata,
        )


class SearchRequest(Request):
    query: Query
    filters: Filters = Filters()
    top_k: Annotated[int, Field(ge=1, le=50)] | None = None
    strategy: Strategy = Strategy.AUTO
    explain: bool = False


class ChatRequest(Request):
    query: Query
    user_id: Annotated[Text, Field(min_length=1, max_length=256)] | None = None
    conversation_id: UUID | None = None
    filters: Filters = Filters()
    top_k: Annotated[int, Field(ge=1, le=50)] | None = None
    strategy: Strategy = Strategy.AUTO
    stream: bool = False
    metadata: Metadata = {}


class IngestLabels(Request):
    source_document_id: Name | None = None
    title: Title | None = None
    uri: Annotated[Text, Field(max_length=4096)] | None = None
    metadata: Metadata | None = None
    acl: Acl | None = None
    force_reindex: bool = False


class IngestTextRequest(IngestLabels):
    text: str
    title: Title


class FeedbackRequest(Request):
    request_id: Annotated[Text, Field(min_length=1, max_length=128)]
    rating: Literal[-1, 1]
    labels: Annotated[list[Group], Field(max_length=32)] = []
    comment: Annotated[Text, Field(max_length=10_000)] | None = None
    correction: Annotated[Text, Field(max_length=10_000)] | None = None
    metadata: Metadata = {}


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
            score=found.match.score,
            start=passage.start,
            end=passage.end,
            page=passage.page,
            uri=passage.uri,
            metadata=dict(passage.metadata),
        )


class Usage(BaseModel):
    """Tokens of the chat model. `cost_usd` is null where the price isn't known."""

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
    variant: str | None = None


class Ranks(BaseModel):
    """Position in each leg, from 1; null where the leg did not find it."""

    vector: int | None
    lexical: int | None


class Scores(BaseModel):
    """Score in each leg: cosine similarity, BM25."""

    vector: float | None
    lexical: float | None


class SearchResult(RetrievedDocument):
    heading_path: list[str]
    ranks: Ranks | None = None
    scores: Scores | None = None

    @classmethod
    def explained(cls, found: RetrievedPassage, *, explain: bool) -> Self:
        match = found.match
        fields: dict[str, Any] = RetrievedDocument.of(found).model_dump()
        fields["heading_path"] = list(found.passage.heading_path)
        if explain:
            fields["ranks"] = Ranks(vector=match.vector_rank, lexical=match.lexical_rank)
            fields["scores"] = Scores(vector=match.vector_score, lexical=match.lexical_score)
        return cls(**fields)


class SearchResponse(BaseModel):
    request_id: str
    results: list[SearchResult]
    degraded: list[str]


class IngestJob(BaseModel):
    """An accepted document. The counts are null until the job has succeeded.

    `warnings` says what of the file could not be read, such as pages without text.
    """

    job_id: UUID
    source_document_id: str
    status: str
    document_id: UUID | None = None
    version: int | None = None
    chunks_created: int | None = None
    unchanged: bool | None = None
    warnings: list[str] = []
    error: str | None = None


class IngestJobs(BaseModel):
    jobs: list[IngestJob]


class JobStatus(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    job_id: UUID = Field(validation_alias="id")
    source_document_id: str
    state: str
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    attempts: int
    created_at: datetime
    finished_at: datetime | None


class DocumentOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    document_id: UUID
    source_document_id: str
    title: str
    uri: str | None
    mime_type: str
    metadata: dict[str, Any]
    acl: list[str]
    status: str
    error: str | None
    version: int
    chunk_count: int
    byte_size: int
    content_sha256: Annotated[str, BeforeValidator(bytes.hex)]
    created_at: datetime
    updated_at: datetime


class DocumentPage(BaseModel):
    """A page of documents; `next_cursor` is null on the last one."""

    documents: list[DocumentOut]
    next_cursor: str | None


class FeedbackResponse(BaseModel):
    feedback_id: UUID
    status: Literal["stored"] = "stored"


class Health(BaseModel):
    status: Literal["ok", "unavailable"]
    checks: dict[str, str] = {}
