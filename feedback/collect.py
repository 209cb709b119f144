"""What users say of an answer, stored against the trace of its request: one verdict of each, with history."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar
from uuid import UUID, uuid4

from db.pool import Connection, Database
from db.repositories import feedback, traces
from db.repositories.feedback import FeedbackFilter, FeedbackRow, ReplacedVerdict, Verdict
from db.repositories.traces import TraceKey
from rag.encryption.sealing import Keyring, Place, versions_of
from rag.errors import NotFoundError, UnavailableError

Texts = TypeVar("Texts", Verdict, FeedbackRow, ReplacedVerdict)
Note = Callable[[Connection, UUID], Awaitable[None]]


class FeedbackLabel(StrEnum):
    """What is wrong with an answer, or with the way to it."""

    ANSWER_WRONG = "answer_wrong"
    RETRIEVAL_MISSED = "retrieval_missed"
    SHOULD_HAVE_REFUSED = "should_have_refused"
    CITATION_WRONG = "citation_wrong"
    OUTDATED = "outdated"
    UNSAFE = "unsafe"
    STYLE = "style"


class Outcome(StrEnum):
    """What became of a verdict: the first, another one than before, or the same again."""

    STORED = "stored"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Rating:
    """One user's verdict: -1 or 1, with whatever they add."""

    request_id: str
    rating: int
    labels: Sequence[str] = ()
    comment: str | None = None
    correction: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Collected:
    feedback_id: UUID
    outcome: Outcome


class DataKeys(Protocol):
    """Gives the keys that seal and open a tenant's texts; `app.privacy.field_keys.FieldKeys`."""

    async def ring(self, tenant_id: UUID, *, reading: Collection[int] = ()) -> Keyring: ...


async def no_note(connection: Connection, feedback_id: UUID) -> None:
    """For verdicts that nobody gave by a request."""


class FeedbackCollector:
    """Feedback of all tenants.

    Args:
        database: Where it is stored.
        keys: Seal comments and corrections.
    """

    def __init__(self, database: Database, keys: DataKeys) -> None:
        self._database = database
        self._keys = keys

    async def collect(
        self, tenant_id: UUID, rating: Rating, *, is_own: Callable[[str], bool], note: Note = no_note
    ) -> Collected:
        """Store a verdict, in place of the one that the user gave on this answer before.

        The same once more changes nothing; another one opens what was handled.

        Args:
            tenant_id: The caller's tenant.
            rating: What they said.
            is_own: Whether a trace of this subject is the caller's.
            note: Is told the id, in the transaction that stores it.

        Raises:
            NotFoundError: There is no such request, it isn't the caller's, or it was erased.
            UnavailableError: What was written can't be sealed now.
        """
        ring = await self._keys.ring(tenant_id)
        async with self._database.tenant(tenant_id) as connection:
            trace = await own_trace(connection, tenant_id, rating.request_id, is_own)
            collected = await _store(connection, tenant_id, trace, rating, ring)
            await note(connection, collected.feedback_id)
        return collected

    async def page(
        self,
        tenant_id: UUID,
        groups: Sequence[str],
        wanted: FeedbackFilter,
        *,
        limit: int,
        after: tuple[datetime, UUID] | None,
    ) -> list[FeedbackRow]:
        """Verdicts, newest first.

        What is said of an answer that was made from a document closed to these groups is left out.

        Raises:
            UnavailableError: What is sealed can't be opened now.
        """
        async with self._database.tenant(tenant_id) as connection:
            rows = await feedback.page(connection, tenant_id, groups, wanted, limit=limit, after=after)
        return await self._opened(tenant_id, [_shown(row) for row in rows])

    async def get(
        self, tenant_id: UUID, groups: Sequence[str], feedback_id: UUID
    ) -> tuple[FeedbackRow, list[ReplacedVerdict]]:
        """A verdict, and those that it replaced, oldest first.

        Raises:
            NotFoundError: There is none of that id.
            UnavailableError: What is sealed can't be opened now.
        """
        async with self._database.tenant(tenant_id) as connection:
            row = await _get(connection, tenant_id, groups, feedback_id)
            history = await feedback.history(connection, feedback_id)
        if row.is_closed:
            history = [_without_text(replaced) for replaced in history]
        return (await self._opened(tenant_id, [_shown(row)]))[0], await self._opened(tenant_id, history)

    async def handle(
        self,
        tenant_id: UUID,
        groups: Sequence[str],
        feedback_id: UUID,
        *,
        handled: bool,
        note: Note = no_note,
    ) -> FeedbackRow:
        """Say that somebody has dealt with it, or that it is open again.

        Raises:
            NotFoundError: There is none of that id.
            UnavailableError: What is sealed can't be opened now.
        """
        async with self._database.tenant(tenant_id) as connection:
            await feedback.set_handled(connection, tenant_id, [feedback_id], handled=handled)
            row = await _get(connection, tenant_id, groups, feedback_id)
            await note(connection, feedback_id)
        return (await self._opened(tenant_id, [_shown(row)]))[0]

    async def _opened(self, tenant_id: UUID, rows: list[Texts]) -> list[Texts]:
        reading = versions_of(text for row in rows for text in (row.comment, row.correction))
        if not reading:
            return rows
        ring = await self._keys.ring(tenant_id, reading=reading)
        return [_open(ring, row) for row in rows]


async def own_trace(
    connection: Connection, tenant_id: UUID, request_id: str, is_own: Callable[[str], bool]
) -> TraceKey:
    """The newest trace of a request id that is the caller's.

    Raises:
        NotFoundError: There is none: never was, or was erased.
    """
    found = await traces.of_request(connection, tenant_id, request_id)
    trace = next((trace for trace in found if is_own(trace.subject)), None)
    if trace is None:
        raise not_found(request_id)
    return trace


def not_found(request_id: str) -> NotFoundError:
    return NotFoundError(f"no request of yours has the id {request_id}")


async def _store(
    connection: Connection, tenant_id: UUID, trace: TraceKey, rating: Rating, ring: Keyring
) -> Collected:
    labels = sorted(set(rating.labels))
    said = Verdict(uuid4(), rating.rating, labels, rating.comment, rating.correction, rating.metadata)
    if await feedback.add(connection, tenant_id, trace.id, trace.subject, _sealed(ring, said)):
        return Collected(said.id, Outcome.STORED)
    given = await feedback.given(connection, trace.id, trace.subject)
    if given is None:  # the trace was erased a moment ago
        raise not_found(rating.request_id)
    said = replace(said, id=given.id)
    if _is_same(ring, given, said):
        return Collected(given.id, Outcome.UNCHANGED)
    await feedback.replace(connection, _sealed(ring, said))
    return Collected(given.id, Outcome.CHANGED)


def _is_same(ring: Keyring, given: Verdict, said: Verdict) -> bool:
    try:
        return _open(ring, given) == said
    except UnavailableError:  # sealed by an earlier key: what it says is not known here, so it is kept
        return False


def _sealed(ring: Keyring, verdict: Verdict) -> Verdict:
    return replace(
        verdict,
        comment=ring.seal(_place(verdict, "comment"), verdict.comment),
        correction=ring.seal(_place(verdict, "correction"), verdict.correction),
    )


def _open(ring: Keyring, row: Texts) -> Texts:
    return replace(
        row,
        comment=ring.unseal(_place(row, "comment"), row.comment),
        correction=ring.unseal(_place(row, "correction"), row.correction),
    )


def _place(row: Verdict | FeedbackRow | ReplacedVerdict, column: str) -> Place:
    feedback_id = row.feedback_id if isinstance(row, ReplacedVerdict) else row.id
    return Place("feedback", column, str(feedback_id))


async def _get(
    connection: Connection, tenant_id: UUID, groups: Sequence[str], feedback_id: UUID
) -> FeedbackRow:
    row = await feedback.get(connection, tenant_id, groups, feedback_id)
    if row is None:
        raise NotFoundError(f"there is no feedback {feedback_id}")
    return row


def _shown(row: FeedbackRow) -> FeedbackRow:
    return _without_text(row) if row.is_closed else row


def _without_text(row: Texts) -> Texts:
    return replace(row, comment=None, correction=None, metadata={})
