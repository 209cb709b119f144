"""What users say of an answer, stored against the trace of the request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from db.pool import Database
from db.repositories import feedback, traces
from rag.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Rating:
    """One user's verdict: -1 or 1, with whatever they add."""

    request_id: str
    rating: int
    labels: Sequence[str] = ()
    comment: str | None = None
    correction: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


class FeedbackCollector:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def collect(self, tenant_id: UUID, rating: Rating, *, is_own: Callable[[str], bool]) -> UUID:
        """Store a rating; its id.

        Args:
            tenant_id: The caller's tenant.
            rating: What they said.
            is_own: Whether a trace of this subject is the caller's.

        Raises:
            NotFoundError: There is no such request, or it isn't the caller's.
        """
        async with self._database.tenant(tenant_id) as connection:
            found = await traces.of_request(connection, tenant_id, rating.request_id)
            trace = next((trace for trace in found if is_own(trace.subject)), None)
            if trace is None:
                raise NotFoundError(f"no request of yours has the id {rating.request_id}")
            return await feedback.add(
                connection,
                tenant_id,
                trace_id=trace.id,
                subject=trace.subject,
                rating=rating.rating,
                labels=rating.labels,
                comment=rating.comment,
                correction=rating.correction,
                metadata=rating.metadata,
            )
