"""One row a question: what was found, said and spent."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from db.pool import Connection

ADD = """
INSERT INTO traces (id, tenant_id, request_id, conversation_id, subject, user_id, strategy, query, answer,
                    retrieved, citations, prompt_version, corpus_version, models, usage, timings_ms,
                    degraded, abstained, error, metadata, redacted, curated_id, variant,
                    diagnostics)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
        $23, $24)
RETURNING id
"""
# A client may send the same id again, and another client by chance or intent the same one too.
OF_REQUEST = """
SELECT id, subject FROM traces WHERE tenant_id = $1 AND request_id = $2 ORDER BY created_at DESC LIMIT 100
"""


@dataclass(frozen=True, slots=True)
class Trace:
    """A question and what became of it.

    Attributes:
        query: As it may be stored, which may be sealed; None where text must not be stored.
        answer: The same.
        redacted: Kinds of personal data that were taken out of the question.
        curated_id: The curated answer that was given; None where the documents were asked.
        variant: The experiment and variant that answered, as `<key>/<name>`.
        diagnostics: Ids and numbers for whoever looks into this one request.
    """

    request_id: str
    conversation_id: UUID
    subject: str
    user_id: str | None
    strategy: str
    query: str | None
    answer: str | None
    retrieved: list[dict[str, Any]]
    citations: list[dict[str, Any]]
    prompt_version: str
    corpus_version: int
    models: dict[str, Any]
    usage: dict[str, Any]
    timings_ms: dict[str, float]
    degraded: list[str]
    abstained: bool
    error: str | None
    metadata: dict[str, Any] = field(default_factory=dict)
    redacted: list[str] = field(default_factory=list)
    curated_id: UUID | None = None
    variant: str | None = None
    diagnostics: dict[str, Any] = field(default_factory=dict)
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class TraceKey:
    id: UUID
    subject: str


async def add(connection: Connection, tenant_id: UUID, trace: Trace) -> UUID:
    trace_id: UUID = await connection.fetchval(
        ADD,
        trace.id,
        tenant_id,
        trace.request_id,
        trace.conversation_id,
        trace.subject,
        trace.user_id,
        trace.strategy,
        trace.query,
        trace.answer,
        trace.retrieved,
        trace.citations,
        trace.prompt_version,
        trace.corpus_version,
        trace.models,
        trace.usage,
        trace.timings_ms,
        trace.degraded,
        trace.abstained,
        trace.error,
        trace.metadata,
        trace.redacted,
        trace.curated_id,
        trace.variant,
        trace.diagnostics,
    )
    return trace_id


async def of_request(connection: Connection, tenant_id: UUID, request_id: str) -> list[TraceKey]:
    """The traces of a request id, newest first."""
    return [TraceKey(**row) for row in await connection.fetch(OF_REQUEST, tenant_id, request_id)]
