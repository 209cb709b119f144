"""Curated answers: an admin pins an answer to a question; each is a case of an evaluation set, too."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from db.pool import Connection, Database
from db.repositories import curated
from db.repositories.curated import CuratedFields, CuratedRow
from eval.cases import EvaluationCase
from feedback.curated_lookup import CuratedLookup
from feedback.curated_vectors import CuratedSpace, embed, store
from rag.errors import LimitExceededError, NotFoundError
from rag.ports import Writer

MOST = 5_000  # of one tenant: so many vectors are compared in some milliseconds
PAGE = 500  # rows at a time of an export

Note = Callable[[Connection, UUID], Awaitable[None]]


class CuratedAnswers:
    """Curated answers of all tenants, as their admins see them.

    An entry for groups is seen, like documents, by those who share one with it.

    Args:
        database: Where they are stored.
        current: Gives the active embedding space.
        lookup: Is told of changes, so that they count here at once.
    """

    def __init__(
        self, database: Database, current: Callable[[], CuratedSpace], lookup: CuratedLookup
    ) -> None:
        self._database = database
        self._current = current
        self._lookup = lookup

    async def create(self, writer: Writer, new: CuratedFields, *, note: Note) -> CuratedRow:
        """Pin an answer.

        Raises:
            NotFoundError: It names a document that is not there, or closed to the writer.
            LimitExceededError: The tenant has as many as it may.
            ModelError: The question can't be embedded.
        """
        embedded = await embed(self._current(), new.question)
        async with self._database.tenant(writer.tenant_id) as connection:
            await _check_sources(connection, writer, new.document_ids)
            await _check_room(connection, writer.tenant_id)
            curated_id = await curated.add(connection, writer.tenant_id, new, created_by=writer.subject)
            await store(connection, writer.tenant_id, curated_id, embedded)
            await note(connection, curated_id)
            row = await curated.get(connection, writer.tenant_id, new.acl, curated_id)
        self._lookup.forget(writer.tenant_id)
        assert row is not None, "added above"  # noqa: S101 - narrows the type
        return row

    async def change(
        self, writer: Writer, curated_id: UUID, changes: Mapping[str, Any], *, note: Note
    ) -> CuratedRow:
        """Replace some fields of `CuratedFields`, by their names.

        Raises:
            NotFoundError: There is none of that id that the writer may see, or no such document.
            ModelError: The new question can't be embedded.
        """
        question = changes.get("question")
        embedded = None if question is None else await embed(self._current(), question)
        async with self._database.tenant(writer.tenant_id) as connection:
            known = await curated.hold(connection, writer.tenant_id, writer.groups, curated_id)
            if known is None:
                raise _not_found(curated_id)
            changed = replace(known, **changes)
            await _check_sources(connection, writer, changes.get("document_ids", ()))
            await curated.change(connection, curated_id, changed)
            if embedded is not None:
                await curated.forget_vectors(connection, curated_id)
                await store(connection, writer.tenant_id, curated_id, embedded)
            await note(connection, curated_id)
            row = await curated.get(connection, writer.tenant_id, changed.acl, curated_id)
        self._lookup.forget(writer.tenant_id)
        assert row is not None, "held above"  # noqa: S101 - narrows the type
        return row

    async def delete(self, writer: Writer, curated_id: UUID, *, note: Note) -> None:
        """Raises: NotFoundError when there is none of that id that the writer may see."""
        async with self._database.tenant(writer.tenant_id) as connection:
            if not await curated.delete(connection, writer.tenant_id, writer.groups, curated_id):
                raise _not_found(curated_id)
            await note(connection, curated_id)
        self._lookup.forget(writer.tenant_id)

    async def get(self, writer: Writer, curated_id: UUID) -> CuratedRow:
        """Raises: NotFoundError when there is none of that id that the writer may see."""
        async with self._database.tenant(writer.tenant_id) as connection:
            row = await curated.get(connection, writer.tenant_id, writer.groups, curated_id)
        if row is None:
            raise _not_found(curated_id)
        return row

    async def page(
        self, writer: Writer, *, limit: int, after: tuple[datetime, UUID] | None
    ) -> list[CuratedRow]:
        """Those that the writer may see, in the order of their making."""
        async with self._database.tenant(writer.tenant_id) as connection:
            return await curated.page(connection, writer.tenant_id, writer.groups, limit=limit, after=after)

    async def cases(self, writer: Writer) -> list[EvaluationCase]:
        """Those that are switched on and that the writer may see, as cases of an evaluation set.

        An evaluation asks the documents, not the curated answers: a case says whether they would do without.
        """
        found: list[EvaluationCase] = []
        after = None
        while True:
            rows = await self.page(writer, limit=PAGE, after=after)
            async with self._database.tenant(writer.tenant_id) as connection:
                found += [await _case(connection, writer, row) for row in rows if row.enabled]
            if len(rows) < PAGE:
                return found
            after = (rows[-1].created_at, rows[-1].id)


async def _case(connection: Connection, writer: Writer, row: CuratedRow) -> EvaluationCase:
    names = await curated.sources(connection, writer.tenant_id, writer.groups, row.document_ids)
    return EvaluationCase(
        id=f"curated-{row.id}",
        query=row.question,
        expected_answer=row.answer,
        ground_truth_docs=sorted(names.values()),
        tags=["curated"],
        source="curated answer",
        metadata={"curated_id": str(row.id), "updated_at": row.updated_at.isoformat()},
    )


async def _check_sources(connection: Connection, writer: Writer, document_ids: Sequence[UUID]) -> None:
    found = await curated.sources(connection, writer.tenant_id, writer.groups, document_ids)
    for document_id in document_ids:
        if document_id not in found:
            raise NotFoundError(f"there is no document {document_id}")


async def _check_room(connection: Connection, tenant_id: UUID) -> None:
    used = await curated.count(connection, tenant_id)
    if used >= MOST:
        raise LimitExceededError(
            f"there are {used} curated answers, and may be {MOST}", scope="curated", limit=MOST, used=used
        )


def _not_found(curated_id: UUID) -> NotFoundError:
    return NotFoundError(f"there is no curated answer {curated_id}")
