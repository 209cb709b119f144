"""What goes over HTTP. Requests refuse unknown fields, NUL characters and lone surrogates."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from app.field_types import (
    Acl,
    Component,
    Group,
    Key,
    Metadata,
    Name,
    Query,
    Request,
    Text,
    Title,
    Value,
    not_all_zero,
)
from app.filter_schema import Filters
from db.repositories.jobs import Job, JobState
from rag.ports import RetrievedPassage
from rag.retrieve import Strategy


class SearchRequest(Request):
    query: Query
    filters: Filters = Filters()
    top_k: Annotated[int, Field(ge=1, le=50)] | None = None
    strategy: Strategy = Strategy.AUTO
    vector: (
        Annotated[list[Component], Field(min_length=1, max_length=4000), AfterValidator(not_all_zero)] | None
    ) = Field(
        default=None, description="The query's vector, from the corpus' embedding model; spares computing it."
    )
    explain: bool = False


class ChatRequest(Request):
    query: Query
    user_id: Annotated[Text, Field(min_length=1, max_length=256)] | None = None
    conversation_id: UUID | None = None
    filters: Filters = Filters()
    top_k: Annotated[int, Field(ge=1, le=50)] | None = None
    strategy: Strategy = Strategy.AUTO
    stream: bool = False
    metadata: Metadata = Field(default={})


class IngestLabels(Request):
    source_document_id: Name | None = None
    title: Title | None = None
    uri: Annotated[Text, Field(max_length=4096)] | None = None
    metadata: Metadata | None = None
    acl: Acl | None = None
    force_reindex: bool = False


class IngestTextRequest(IngestLabels):
    text: Text
    title: Title


class IngestKeyRequest(IngestLabels):
    """A file of the bucket `DOCUMENTS_BUCKET`; its name is its key unless another is given."""

    s3_key: Name


class IngestPrefixRequest(IngestLabels):
    """All files of the bucket `DOCUMENTS_BUCKET` below a folder; the name of each is its key."""

    s3_prefix: Name


class UploadRequest(IngestLabels):
    """A file that is to be sent straight to the bucket; its name is `filename` unless another is given."""

    filename: Name
    byte_size: Annotated[int, Field(ge=1)]
    mime_type: Annotated[str, Field(max_length=255, pattern=r"^[\w.+-]+/[\w.+-]+( *;[ -~]*)?$")] | None = None


class DocumentChanges(Request):
    """What is left out stays. Metadata is merged (RFC 7396): a key with null is removed, others stay."""

    metadata: dict[Key, Value | None] | None = None
    acl: Acl | None = None
    uri: Annotated[Text, Field(max_length=4096)] | None = None


class FeedbackRequest(Request):
    request_id: Annotated[Text, Field(min_length=1, max_length=128)]
    rating: Literal[-1, 1]
    labels: Annotated[list[Group], Field(max_length=32)] = Field(default=[])
    comment: Annotated[Text, Field(max_length=10_000)] | None = None
    correction: Annotated[Text, Field(max_length=10_000)] | None = None
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
    variant: str | None = None


class Ranks(BaseModel):
    """Places, from 1, in each leg, in their fusion, and by the reranker; null where it did not find it."""

    vector: int | None
    lexical: int | None
    fused: int
    rerank: int | None


class Scores(BaseModel):
    """Cosine similarity, BM25, fusion and reranker; both legs' scores, whichever leg found the passage."""

    vector: float | None
    lexical: float | None
    fused: float
    rerank: float | None


class SearchResult(RetrievedDocument):
    heading_path: list[str]
    ranks: Ranks
    scores: Scores

    @classmethod
    def of(cls, found: RetrievedPassage) -> Self:
        fields: dict[str, Any] = RetrievedDocument.of(found).model_dump()
        return cls(
            **fields,
            heading_path=list(found.passage.heading_path),
            ranks=Ranks(
                vector=found.vector_rank,
                lexical=found.lexical_rank,
                fused=found.fused_rank,
                rerank=found.rerank_rank,
            ),
            scores=Scores(
                vector=found.vector_score,
                lexical=found.lexical_score,
                fused=found.fused_score,
                rerank=found.rerank_score,
            ),
        )


class Plan(BaseModel):
    """What a search chose to do.

    With `exact`, every passage in scope was compared with the query; else the indexes' best were. `matches`
    counts the passages in scope as far as `exact_limit` + 1; it is null when nothing narrowed the scope.
    """

    model_config = ConfigDict(from_attributes=True)

    exact: bool
    matches: int | None
    exact_limit: int
    corpus: int
    lexemes: list[str]


class Explanation(BaseModel):
    """Milliseconds for each step, and the plan."""

    timings_ms: dict[str, float]
    plan: Plan


class SearchResponse(BaseModel):
    request_id: str
    results: list[SearchResult]
    degraded: list[str]
    explanation: Explanation | None = None


class IngestJob(BaseModel):
    """An accepted document. The counts are null until the job has succeeded.

    `status` is the job's state. `warnings` says what of the file could not be read, such as pages without
    text.
    """

    job_id: UUID
    source_document_id: str
    status: str
    document_id: UUID | None = None
    version: int | None = None
    chunks_created: int | None = None
    unchanged: bool | None = None
    warnings: list[str] = []
    removed: bool = Field(
        default=False, description="The object is gone from the bucket, and the document with it."
    )
    error: str | None = None

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(
            job_id=job.id,
            source_document_id=job.source_document_id or "",
            status=job.state.value,
            error=job.error,
            **(job.result or {}),
        )


class SkippedObject(BaseModel):
    """An object below `s3_prefix` that no job was made of."""

    s3_key: str
    reason: str


class IngestJobs(BaseModel):
    jobs: list[IngestJob]
    skipped: list[SkippedObject] = []


class UploadOut(BaseModel):
    """Where to send the file: a POST of a form to `url`, with `fields` and then the file as the field `file`.

    S3 takes no other size or type than was announced, and nothing after `expires_at`.
    """

    upload_id: UUID
    url: str
    fields: dict[str, str]
    expires_at: datetime
    s3_key: str


class JobStatus(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    job_id: UUID = Field(validation_alias="id")
    source_document_id: str
    state: JobState
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    error_code: str | None
    attempts: int
    max_attempts: int
    run_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobPage(BaseModel):
    """A page of jobs; `next_cursor` is null on the last one."""

    jobs: list[JobStatus]
    next_cursor: str | None


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


class UsageSum(BaseModel):
    """Use of models, added up under a day, a model or a kind of request; without a label, all together.

    `input_tokens` leaves out those read from a prompt cache or written to it. `units` are texts embedded,
    queries reranked and text units that a guardrail examined. `cost_usd` is of the calls whose cost is known,
    null if there are none; the others are `unpriced_calls`.
    """

    model_config = ConfigDict(from_attributes=True)

    label: str | None
    calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    units: int
    cost_usd: float | None
    unpriced_calls: int


class UsageReport(BaseModel):
    """The tenant's use of models from one day to another, both included."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    rows: list[UsageSum]
    totals: UsageSum


class FeedbackResponse(BaseModel):
    feedback_id: UUID
    status: Literal["stored"] = "stored"


class Health(BaseModel):
    status: Literal["ok", "unavailable"]
    checks: dict[str, str] = {}
