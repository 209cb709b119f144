"""Conversations, their messages, and what each answer cites."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from db.pool import Connection
from rag.encryption.sealing import SEALED

START = "INSERT INTO conversations (tenant_id, subject) VALUES ($1, $2) RETURNING id"
START_ANONYMOUS = """
INSERT INTO conversations (id, tenant_id, subject)
SELECT id, $1, 'anonymous:' || id FROM gen_random_uuid() AS id RETURNING id
"""
SUBJECT = "SELECT subject FROM conversations WHERE id = $1"
ADD_MESSAGE = """
INSERT INTO messages (id, tenant_id, conversation_id, trace_id, role, content) VALUES ($1, $2, $3, $4, $5, $6)
"""
ADD_CITATION = """
INSERT INTO message_citations (tenant_id, message_id, ordinal, citation_index, chunk_id, document_id,
                               statement, quote, start_char, end_char)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
# An answer that cites a deleted document keeps its ids and loses the sentences that rest on it; a sealed one,
# in which these can't be found, loses all of them.
STATEMENTS = """
SELECT DISTINCT c.message_id, m.trace_id, c.statement, length(c.statement) AS size
FROM message_citations c JOIN messages m ON m.id = c.message_id
WHERE c.tenant_id = $1 AND c.document_id = $2 AND c.statement IS NOT NULL
ORDER BY size DESC
"""
BLANKED = f"""
CASE WHEN starts_with({{text}}, '{SEALED}') THEN '[removed]' ELSE replace({{text}}, $2, '[removed]') END
"""
BLANK_MESSAGE = f"UPDATE messages SET content = {BLANKED.format(text='content')} WHERE id = $1"
BLANK_TRACE = f"UPDATE traces SET answer = {BLANKED.format(text='answer')} WHERE id = $1"
BLANK_CITATIONS = """
UPDATE message_citations SET quote = NULL, statement = NULL WHERE tenant_id = $1 AND document_id = $2
"""
# What a shadow candidate said is compared as a whole: without a part of it, it is worth nothing.
BLANK_SHADOWS = """
UPDATE shadow_results SET answer = '[removed]'
WHERE tenant_id = $1 AND answer IS NOT NULL
  AND citations @> jsonb_build_array(jsonb_build_object('document_id', $2::uuid))
"""


@dataclass(frozen=True, slots=True)
class StoredCitation:
    citation_index: int
    chunk_id: UUID
    document_id: UUID
    statement: str | None  # the sentence of the answer that cites
    quote: str | None  # the words of the document that support it
    start: int
    end: int


async def start(connection: Connection, tenant_id: UUID, *, subject: str | None) -> UUID:
    """A new conversation; without a subject it belongs to `anonymous:<its id>`."""
    conversation: UUID
    if subject is None:
        conversation = await connection.fetchval(START_ANONYMOUS, tenant_id)
    else:
        conversation = await connection.fetchval(START, tenant_id, subject)
    return conversation


async def subject_of(connection: Connection, conversation_id: UUID) -> str | None:
    """Whose conversation it is; None when there is none of that id."""
    subject: str | None = await connection.fetchval(SUBJECT, conversation_id)
    return subject


async def add_message(
    connection: Connection,
    tenant_id: UUID,
    *,
    message_id: UUID,
    conversation_id: UUID,
    trace_id: UUID,
    role: str,
    content: str | None,
    citations: Sequence[StoredCitation] = (),
) -> None:
    await connection.execute(ADD_MESSAGE, message_id, tenant_id, conversation_id, trace_id, role, content)
    await connection.executemany(
        ADD_CITATION,
        [
            (
                tenant_id,
                message_id,
                ordinal,
                citation.citation_index,
                citation.chunk_id,
                citation.document_id,
                citation.statement,
                citation.quote,
                citation.start,
                citation.end,
            )
            for ordinal, citation in enumerate(citations)
        ],
    )


async def blank_quotes(connection: Connection, tenant_id: UUID, document_id: UUID) -> None:
    """Take the words of a deleted document out of stored answers."""
    for row in await connection.fetch(STATEMENTS, tenant_id, document_id):
        await connection.execute(BLANK_MESSAGE, row["message_id"], row["statement"])
        await connection.execute(BLANK_TRACE, row["trace_id"], row["statement"])
    await connection.execute(BLANK_CITATIONS, tenant_id, document_id)
    await connection.execute(BLANK_SHADOWS, tenant_id, document_id)
