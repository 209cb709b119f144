"""What people do with answers: clicks, copies, purchases. Rows are added and never changed."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from db.pool import Connection

# Events of one answer take turns, so that the limit holds. Commits are not waited for: there are many, and a
# server that crashes may forget the last few.
LOCK = """
SELECT set_config('synchronous_commit', 'off', true),
       pg_advisory_xact_lock(hashtextextended('events:' || $1::uuid::text, 0))
"""
KNOWN = """
SELECT count(*) AS stored, coalesce(bool_or(event_id = $2), false) AS has FROM events WHERE trace_id = $1
"""
WAS_SHOWN = """
SELECT EXISTS (
    SELECT FROM traces t, jsonb_array_elements(t.retrieved) r
    WHERE t.id = $1 AND r ->> 'document_id' = $2::uuid::text)
"""
# The lock makes an erasure of the trace wait, so that the event either goes with it or is not stored.
ADD = """
INSERT INTO events (tenant_id, trace_id, event_id, subject, kind, document_id, value)
SELECT $1, t.id, $3, t.subject, $4, $5, $6 FROM traces t WHERE t.id = $2 FOR KEY SHARE
RETURNING event_id
"""


class EventKind(StrEnum):
    CLICK = "click"
    CITE_CLICK = "cite_click"
    COPY = "copy"
    ADD_TO_CART = "add_to_cart"
    PURCHASE = "purchase"
    REFORMULATE = "reformulate"


@dataclass(frozen=True, slots=True)
class Known:
    """How many events an answer has, and whether the one asked for is among them."""

    stored: int
    has: bool


async def hold(connection: Connection, trace_id: UUID, event_id: str) -> Known:
    """What is known of an answer's events, which stays so until the transaction ends."""
    await connection.execute(LOCK, trace_id)
    row = await connection.fetchrow(KNOWN, trace_id, event_id)
    assert row is not None, "an aggregate"  # noqa: S101 - narrows the type
    return Known(**row)


async def was_shown(connection: Connection, trace_id: UUID, document_id: UUID) -> bool:
    """Whether the document was a source of the answer."""
    shown: bool = await connection.fetchval(WAS_SHOWN, trace_id, document_id)
    return shown


async def add(
    connection: Connection,
    tenant_id: UUID,
    trace_id: UUID,
    event_id: str,
    kind: EventKind,
    *,
    document_id: UUID | None,
    value: float | None,
) -> bool:
    """Store an event; False if the trace is gone. Needs `hold` before it."""
    added = await connection.fetchval(ADD, tenant_id, trace_id, event_id, kind, document_id, value)
    return added is not None
