"""What people do with an answer, stored against the trace of its request: signals that nobody asks for."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from db.pool import Connection, Database
from db.repositories import events
from db.repositories.events import EventKind
from feedback.collect import not_found, own_trace
from rag.errors import LimitExceededError, NotFoundError

EVENTS_PER_ANSWER = 200  # some tens of sources, each clicked and copied more than once


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that somebody did.

    Attributes:
        event_id: The client's own, under which it may be sent again; a new one if it gives none.
        document_id: One of the answer's sources.
        value: How much, such as a price.
    """

    request_id: str
    kind: EventKind
    event_id: str | None = None
    document_id: UUID | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event's id, and whether it was not known before."""

    event_id: str
    is_new: bool


class EventCollector:
    """Events of all tenants.

    Args:
        database: Where they are stored.
        per_answer: Most events of one answer.
    """

    def __init__(self, database: Database, *, per_answer: int = EVENTS_PER_ANSWER) -> None:
        self._database = database
        self._per_answer = per_answer

    async def collect(self, tenant_id: UUID, event: Event, *, is_own: Callable[[str], bool]) -> Recorded:
        """Store an event; under an id that the answer has one of already, nothing.

        Args:
            tenant_id: The caller's tenant.
            event: What they did.
            is_own: Whether a trace of this subject is the caller's.

        Raises:
            NotFoundError: There is no such request, it isn't the caller's, it was erased, or the document is
                not among the answer's sources.
            LimitExceededError: The answer has as many events as it may.
        """
        event_id = event.event_id or str(uuid4())
        async with self._database.tenant(tenant_id) as connection:
            trace = await own_trace(connection, tenant_id, event.request_id, is_own)
            if event.document_id is not None:
                await _check_source(connection, trace.id, event.document_id)
            known = await events.hold(connection, trace.id, event_id)
            if known.has:
                return Recorded(event_id, is_new=False)
            self._check_room(known.stored)
            added = await events.add(
                connection,
                tenant_id,
                trace.id,
                event_id,
                event.kind,
                document_id=event.document_id,
                value=event.value,
            )
        if not added:  # the trace was erased a moment ago
            raise not_found(event.request_id)
        return Recorded(event_id, is_new=True)

    def _check_room(self, stored: int) -> None:
        if stored >= self._per_answer:
            raise LimitExceededError(
                f"the answer has {stored} events, and may have {self._per_answer}",
                scope="events",
                limit=self._per_answer,
                used=stored,
            )


async def _check_source(connection: Connection, trace_id: UUID, document_id: UUID) -> None:
    if not await events.was_shown(connection, trace_id, document_id):
        raise NotFoundError(f"the answer has no source {document_id}")
