"""What goes over HTTP. Requests refuse unknown fields, NUL characters and lone surrogates."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ModelWrapValidatorHandler,
    PlainValidator,
    StrictBool,
    TypeAdapter,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)

from app.filter_limits import MAX_CONDITIONS, MAX_VALUES, check_limits
from rag.errors import InvalidInputError
from rag.filters import (
    All,
    AnyOf,
    Bound,
    Condition,
    Filter,
    MetadataKey,
    Not,
    Operator,
    SourceField,
    bound_of,
    moment_of,
)
from rag.ingest import check_name
from rag.ports import RetrievedPassage, SearchScope
from rag.retrieve import Strategy

MAX_VALUE_LENGTH = 4096  # characters
HALF_PRECISION = 65504  # largest number that a stored vector can hold
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


def _not_all_zero(vector: list[float]) -> list[float]:
    if not any(vector):
        raise ValueError("must not be all zero: it points nowhere")
    return vector


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
Component = Annotated[float, Field(ge=-HALF_PRECISION, le=HALF_PRECISION, allow_inf_nan=False)]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _given(value: object) -> object:
    """Null is no operand: taken for an absent one, it would open what the caller meant to close."""
    if value is None:
        raise ValueError("must not be null")
    return value


def _bound(value: object) -> Bound:
    try:
        return bound_of(value)
    except InvalidInputError as exc:
        raise ValueError(str(exc)) from exc


def _moment(value: object) -> datetime:
    if isinstance(value, str) and (moment := moment_of(value)):
        return moment
    raise ValueError("must be a date (ISO 8601), such as 2026-01-31 or 2026-01-31T08:00:00Z")


def _metadata_condition(value: object, validate: ModelWrapValidatorHandler["MetadataOperators"]) -> Any:
    """Operators as they are, a list as `in`, a value as `eq`; a mistake is found where the caller made it."""
    if isinstance(value, dict):
        return validate(value)
    if isinstance(value, list):
        return validate({"in": VALUES.validate_python(value)})
    return validate({"eq": _plain_value(value)})


Values = Annotated[list[Value], Field(min_length=1, max_length=MAX_VALUES)]
VALUES: TypeAdapter[list[Any]] = TypeAdapter(Values)
Language = Annotated[str, Field(pattern="^[a-z]{2,3}$")]
Languages = Annotated[
    list[Language],
    Field(min_length=1, max_length=MAX_VALUES),
    BeforeValidator(_as_list, json_schema_input_type=Language | list[Language]),
]
DATES: list[dict[str, JsonValue]] = [
    {"type": "string", "format": "date"},
    {"type": "string", "format": "date-time"},
]
MomentBound = Annotated[datetime | None, PlainValidator(_moment), WithJsonSchema({"anyOf": DATES})]
AnyBound = Annotated[
    Bound | None, PlainValidator(_bound), WithJsonSchema({"anyOf": [{"type": "number"}, *DATES]})
]
OneValue = Annotated[Value | None, BeforeValidator(_given, json_schema_input_type=Value)]
ManyValues = Annotated[Values | None, BeforeValidator(_given, json_schema_input_type=Values)]


class Operators(Request):
    """Comparisons of one field, all of which must hold."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"must have at least one of {', '.join(self._operands(given=False))}")
        return self

    def conditions(self, field: SourceField | MetadataKey) -> list[Filter]:
        given = self._operands(given=True)
        return [_condition(field, operator, operand) for operator, operand in given.items()]

    def _operands(self, *, given: bool) -> dict[Operator, Any]:
        """The values by operator, of those that were given or of all that there are."""
        return {
            Operator(info.alias or name): getattr(self, name)
            for name, info in type(self).model_fields.items()
            if name in self.model_fields_set or not given
        }


class TimeOperators(Operators):
    """A span of time. A date is its midnight; what has no offset is UTC."""

    gt: MomentBound = None
    gte: MomentBound = None
    lt: MomentBound = None
    lte: MomentBound = None


class MetadataOperators(Operators):
    """Comparisons of one metadata value, all of which must hold.

    A source without the key meets `ne`, `nin` and `exists: false` alone. Ranges are over numbers or dates.
    """

    eq: OneValue = None
    ne: OneValue = None
    in_: ManyValues = Field(default=None, alias="in")
    nin: ManyValues = None
    gt: AnyBound = None
    gte: AnyBound = None
    lt: AnyBound = None
    lte: AnyBound = None
    exists: Annotated[StrictBool | None, BeforeValidator(_given, json_schema_input_type=bool)] = None

    @model_validator(mode="after")
    def _one_kind_of_range(self) -> Self:
        bounds = [bound for bound in (self.gt, self.gte, self.lt, self.lte) if bound is not None]
        if len({isinstance(bound, datetime) for bound in bounds}) > 1:
            raise ValueError("a range must be over numbers or over dates, not both")
        return self


MetadataCondition = Annotated[
    MetadataOperators,
    WrapValidator(_metadata_condition, json_schema_input_type=Value | Values | MetadataOperators),
]


class Filters(Request):
    """Narrow a search to some sources. All that is given must hold; null is the same as leaving it out."""

    source_document_id: OneOrMore | None = None
    language: Languages | None = None
    created_at: TimeOperators | None = None
    updated_at: TimeOperators | None = None
    metadata: Annotated[dict[Key, MetadataCondition], Field(max_length=MAX_METADATA_KEYS)] = {}
    all: "Parts | None" = None
    any: "Parts | None" = None
    not_: "Part | None" = Field(default=None, alias="not")

    @model_validator(mode="before")
    @classmethod
    def _within_limits(cls, data: object) -> object:
        check_limits(data)
        return data

    def to_filter(self) -> Filter | None:
        """All that was given as one filter; None if nothing was."""
        found = [*self._source_conditions(), *self._metadata_conditions(), *self._combinations()]
        return found[0] if len(found) == 1 else All(tuple(found)) if found else None

    def narrow(self, scope: SearchScope) -> SearchScope:
        return replace(scope, filter=self.to_filter())

    def _source_conditions(self) -> Iterator[Filter]:
        if self.source_document_id:
            yield Condition(SourceField.SOURCE_DOCUMENT_ID, Operator.IN, tuple(self.source_document_id))
        if self.language:
            yield Condition(SourceField.LANGUAGE, Operator.IN, tuple(self.language))
        if self.created_at:
            yield from self.created_at.conditions(SourceField.CREATED_AT)
        if self.updated_at:
            yield from self.updated_at.conditions(SourceField.UPDATED_AT)

    def _metadata_conditions(self) -> Iterator[Filter]:
        for key, operators in self.metadata.items():
            yield from operators.conditions(MetadataKey(key))

    def _combinations(self) -> Iterator[Filter]:
        if self.all:
            yield from _filters(self.all)
        if self.any:
            yield AnyOf(tuple(_filters(self.any)))
        if self.not_:
            yield from (Not(part) for part in _filters([self.not_]))


def _not_empty(part: Filters) -> Filters:
    """An empty part would match everything: `any` would let all through, `not` nothing."""
    if part.to_filter() is None:
        raise ValueError("must have at least one condition")
    return part


Part = Annotated[Filters, AfterValidator(_not_empty)]
Parts = Annotated[list[Part], Field(min_length=1, max_length=MAX_CONDITIONS)]
Filters.model_rebuild()


def _filters(parts: Sequence[Filters]) -> Iterator[Filter]:
    return (found for part in parts if (found := part.to_filter()))


def _condition(field: SourceField | MetadataKey, operator: Operator, operand: Any) -> Filter:
    if operator is Operator.EXISTS:
        present = Condition(field, operator)
        return present if operand else Not(present)
    return Condition(field, operator, tuple(operand) if isinstance(operand, list) else (operand,))


class SearchRequest(Request):
    query: Query
    filters: Filters = Filters()
    top_k: Annotated[int, Field(ge=1, le=50)] | None = None
    strategy: Strategy = Strategy.AUTO
    vector: (
        Annotated[list[Component], Field(min_length=1, max_length=4000), AfterValidator(_not_all_zero)] | None
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
            score=found.score,
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
