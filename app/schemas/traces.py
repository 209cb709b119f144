"""What `/traces` gives: the whole story of one request."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.debugging.causes import Cause


class StageTime(BaseModel):
    """A stage of the request and what it usually takes for the tenant, in milliseconds.

    `usual_ms` is the median of up to 200 requests before, null where there are fewer than five. `accept` is
    what came before the deadline began to run, `wait` the part of the other stages that was spent in queues
    of models.
    """

    stage: str
    ms: float
    usual_ms: float | None


class LegResult(BaseModel):
    """Place and score in one step of the search; null where that step did not have the passage."""

    rank: int | None
    score: float | None


class Candidate(BaseModel):
    """A passage that the search found.

    `left_out_by` says who kept it out of the prompt: `rank` for the reranker's or the search's order,
    `budget` for the prompt's tokens. `is_stored` is false for one that is no longer there.
    """

    chunk_id: UUID
    document_id: UUID
    source_document_id: str | None
    title: str | None
    in_prompt: bool
    prompt_number: int | None
    left_out_by: str | None
    is_cited: bool
    is_stored: bool
    vector: LegResult
    lexical: LegResult
    fused: LegResult
    rerank: LegResult | None
    text: str | None


class KeptCitation(BaseModel):
    """A citation that held."""

    model_config = ConfigDict(extra="ignore")

    index: int
    chunk_id: UUID
    start: int
    end: int


class FindingOut(BaseModel):
    """A cause and what speaks for it."""

    model_config = ConfigDict(from_attributes=True)

    cause: Cause
    because: str
    evidence: dict[str, Any]


class VerdictOut(BaseModel):
    """What a user said of the answer."""

    rating: int
    labels: list[str]
    comment: str | None
    correction: str | None
    created_at: datetime


class TraceOut(BaseModel):
    """One request from its question to what users said of the answer.

    `primary_cause` is the first of `causes`. `query` and `answer` are null where texts are not stored; the
    answer, comments and corrections also where a document in the prompt is closed to the caller, which
    `withheld` says. Candidates of such documents are left out; `hidden_candidates` counts them.
    """

    request_id: str
    trace_id: UUID
    conversation_id: UUID | None
    created_at: datetime
    subject: str
    user_id: str | None
    primary_cause: Cause
    causes: list[FindingOut]
    timeline: list[StageTime]
    search_ms: dict[str, float]
    first_token_ms: float | None
    query: str | None
    redacted: list[str]
    answer: str | None
    withheld: bool
    strategy: str
    filtered: bool
    candidates: list[Candidate]
    hidden_candidates: int
    citations: list[KeptCitation]
    removed_citations: int
    prompt_version: str
    corpus_version: int
    models: dict[str, str | None]
    usage: dict[str, Any]
    degraded: list[str]
    abstained: bool
    error: str | None
    failed_stage: str | None
    variant: str | None
    curated_id: UUID | None
    feedback: list[VerdictOut]
    events: dict[str, int]
