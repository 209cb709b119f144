"""Stored requests, read with their texts opened."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from db.pool import Database
from db.repositories import tenants, triage
from db.repositories.triage import KeptChunk
from feedback.triage.types import AskedQuestion, NamedSource, Verdict
from rag.errors import NotFoundError
from rag.ports import SearchScope
from rag.retrieve import Strategy

Row = dict[str, Any]
Unseal = Callable[[UUID, str, Sequence[Row]], Awaitable[list[Row]]]
"""Rows of a tenant's table with their texts opened."""
Narrow = Callable[[SearchScope, Mapping[str, Any]], SearchScope]


class TriageReader:
    """Reads what is triaged.

    Args:
        database: Where it is.
        unseal: Opens stored texts; it is not awaited while a connection is held.
        narrow: A scope with the filters of a request.
    """

    def __init__(self, database: Database, unseal: Unseal, narrow: Narrow) -> None:
        self._database = database
        self._unseal = unseal
        self._narrow = narrow

    def scope_of(self, scope: SearchScope, asked: AskedQuestion) -> SearchScope:
        """What whoever asked could find, as far as the scope's groups may read it too."""
        groups = tuple(group for group in asked.groups if group in scope.groups)
        return self._narrow(replace(scope, groups=groups), asked.filters)

    async def recent(self, tenant_id: UUID, within: timedelta) -> list[AskedQuestion]:
        """Requests of that time, or judged in it, whose texts are stored; the complaints first.

        Raises:
            UnavailableError: The database can't be reached, or a text can't be opened.
        """
        async with self._database.tenant(tenant_id) as connection:
            rows = await triage.recent(connection, tenant_id, within=within)
        return await self._questions(tenant_id, rows)

    async def of_request(self, tenant_id: UUID, request_id: str) -> AskedQuestion:
        """The newest request of that id.

        Raises:
            NotFoundError: There is none, or its texts are not stored.
            UnavailableError: As for `recent`.
        """
        async with self._database.tenant(tenant_id) as connection:
            rows = await triage.of_request(connection, tenant_id, request_id)
        if not rows:
            raise NotFoundError(f"there is no request {request_id}")
        if rows[0]["query"] is None or rows[0]["answer"] is None:
            raise NotFoundError(f"question and answer of {request_id} are not stored")
        (asked,) = await self._questions(tenant_id, rows[:1])
        return asked

    async def corpus_version(self, tenant_id: UUID) -> int:
        async with self._database.tenant(tenant_id) as connection:
            return await tenants.corpus_version(connection, tenant_id)

    async def suppressed(self, tenant_id: UUID) -> tuple[str, ...]:
        """Phrases that no answer of the tenant may hold."""
        async with self._database.tenant(tenant_id) as connection:
            return await tenants.suppressed(connection, tenant_id)

    async def chunks(self, scope: SearchScope, chunk_ids: Iterable[UUID]) -> dict[UUID, KeptChunk]:
        """Those that are still stored, closed ones too."""
        async with self._database.tenant(scope.tenant_id) as connection:
            return await triage.chunks(connection, scope.tenant_id, scope.groups, chunk_ids)

    async def replaced_since(self, scope: SearchScope, asked: AskedQuestion) -> list[KeptChunk]:
        """What could be found when that was asked and can't today, as far as it is still stored."""
        async with self._database.tenant(scope.tenant_id) as connection:
            return await triage.replaced_since(connection, scope.tenant_id, scope.groups, asked.asked_at)

    async def _questions(self, tenant_id: UUID, rows: Sequence[Row]) -> list[AskedQuestion]:
        ids = [row["id"] for row in rows]
        async with self._database.tenant(tenant_id) as connection:
            said = await triage.verdicts(connection, tenant_id, ids)
            again = await triage.reformulated(connection, tenant_id, ids)
        opened = await self._unseal(tenant_id, "traces", rows)
        verdicts = {row["trace_id"]: _verdict(row) for row in await self._unseal(tenant_id, "feedback", said)}
        return [_question(row, verdicts.get(row["id"]), asked_again=row["id"] in again) for row in opened]


def _question(row: Row, verdict: Verdict | None, *, asked_again: bool) -> AskedQuestion:
    diagnostics = row["diagnostics"]
    request = diagnostics.get("asked", {})
    return AskedQuestion(
        trace_id=row["id"],
        request_id=row["request_id"],
        conversation_id=row["conversation_id"],
        asked_at=row["created_at"],
        query=row["query"],
        answer=row["answer"],
        abstained=row["abstained"],
        strategy=Strategy(row["strategy"]),
        prompt=tuple(UUID(each["chunk_id"]) for each in row["retrieved"]),
        citations=tuple(
            NamedSource(each["index"], UUID(each["chunk_id"]), each["start"], each["end"])
            for each in row["citations"]
        ),
        prompt_version=row["prompt_version"],
        corpus_version=row["corpus_version"],
        model=row["models"].get("chat"),
        found=tuple(UUID(each["chunk_id"]) for each in diagnostics.get("left_out", ())),
        top_k=request.get("top_k"),
        groups=tuple(request.get("groups", ())),
        filters=request.get("filters", {}),
        verdict=verdict,
        was_reformulated=asked_again,
    )


def _verdict(row: Row) -> Verdict:
    return Verdict(row["id"], row["rating"], tuple(row["labels"]), row["comment"], row["correction"])
