"""Requests that were answered, of which a candidate is asked copies by a process of its own."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from db.pool import Database
from db.repositories import shadow_results
from rag.ports import SearchScope
from rag.retrieve import QuestionVector, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRequest:
    """A request that was answered, as a candidate is asked it again.

    Attributes:
        question: As models may see it.
        vector: The question's; None where only words were searched.
        strategy: What the request said; `auto` leaves it open.
        top_k: What the request said; None leaves it open.
        suppressed: Phrases of the tenant that no sentence may hold.
        people: Digests of whoever asked.
        began_at: When the request began, by the database's clock.
        answer: What was said.
        chunk_ids: What was in the prompt.
    """

    tenant_id: UUID
    request_id: str
    trace_id: UUID
    subject: str
    user_id: str | None
    question: str
    vector: QuestionVector | None
    scope: SearchScope
    strategy: Strategy
    top_k: int | None
    suppressed: tuple[str, ...]
    people: tuple[str, ...]
    began_at: datetime
    answer: str
    chunk_ids: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Copy:
    """A request that a candidate is asked.

    Attributes:
        settings: Where the candidate differs from the service.
        made_at: By the machine's monotonic clock, in seconds.
    """

    experiment_id: UUID
    variant: str
    settings: Mapping[str, Any]
    request: AnsweredRequest
    made_at: float = field(default_factory=time.monotonic)


class Shadow(Protocol):
    """Takes requests that were answered."""

    def offer(self, request: AnsweredRequest) -> None:
        """Take a copy, or not; at once, and without failing."""
        ...


class Dropped:
    """Counts copies that nobody was asked, until the database knows of them."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[UUID, UUID]] = Counter()

    def add(self, copy: Copy) -> None:
        self._counts[copy.request.tenant_id, copy.experiment_id] += 1

    async def store(self, database: Database) -> None:
        """Add what was counted since the last time to the experiments'.

        Raises:
            UnavailableError: The database can't be reached; the count is kept.
        """
        for key, count in list(self._counts.items()):
            tenant_id, experiment_id = key
            async with database.tenant(tenant_id) as connection:
                await shadow_results.add_dropped(connection, experiment_id, count)
            self._counts[key] -= count
            if not self._counts[key]:
                del self._counts[key]
