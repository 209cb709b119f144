"""Erasing a person: their rows, their exports, and their name wherever else it stands; and proof of it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from app.privacy.export import ExportFiles, names_of
from app.privacy.person import DISTINCTIVE, Person
from app.worker import Report
from db.pool import Connection, Database
from db.repositories import catalogue, jobs, subjects
from db.repositories.catalogue import ColumnKind, Table, TextColumn
from db.repositories.jobs import Claim, JobState
from db.repositories.subjects import CONTENT, Names

AUTHOR = "_by"  # the end of the names of columns that say who did something


class EraseHandler:
    """`app.worker.Handler` of the kind "erase".

    What is removed, renamed and counted again is one transaction, and no answer to the person's questions can
    be stored beside it: it is the proof. Others' sealed texts can't be looked through.

    Args:
        database: What to erase from.
        files: Exports.
    """

    def __init__(self, database: Database, files: ExportFiles) -> None:
        self._database = database
        self._files = files

    async def __call__(self, claim: Claim, report: Report) -> None:
        person = Person.of(claim.payload)
        tenant_id = claim.tenant_id
        async with self._database.tenant(tenant_id) as connection:
            tables = await catalogue.tables(connection)
        names = await names_of(self._database, tenant_id, person)
        known = [person, *(Person(subject) for subject in names.subjects)]
        files = await self._delete_exports(tenant_id, known)
        mentions = await self._mentions(tenant_id, tables, names)
        digests = sorted({someone.digest(tenant_id) for someone in known})
        async with self._database.tenant(tenant_id) as connection:
            await subjects.lock(connection, digests)  # first: another erasure of theirs changes this job
            await jobs.hold(connection, claim)
            removed = await subjects.count_held(connection, tenant_id, tables, names)
            await self._erase(connection, tenant_id, tables, names, person)
            await subjects.mark_erased(connection, tenant_id, digests)
            left = await _left(connection, tenant_id, tables, names)
            result = {
                "removed": removed,
                "files_removed": files,
                "left": left,
                "columns_searched": len(_searched(tables)),
                "mentioned_in_documents": mentions,
            }
            await _end(connection, claim, result)
        await self._delete_exports(tenant_id, known)  # of a job that was at it meanwhile

    async def _erase(
        self,
        connection: Connection,
        tenant_id: UUID,
        tables: Mapping[str, Table],
        names: Names,
        person: Person,
    ) -> None:
        pseudonym = f"erased:{uuid4().hex}"
        async with self._database.system() as system:
            await subjects.pseudonymise(system, tenant_id, names, pseudonym)
        await subjects.delete_held(connection, tenant_id, tables, names)
        for subject in {*names.subjects, person.subject}:
            await subjects.forget_jobs(connection, tenant_id, subject, pseudonym)
        for table, column in _searched(tables):
            for name in _distinctive(names) if column.may_change else ():
                await subjects.replace_text(
                    connection, tenant_id, table, column, text=name, pseudonym=pseudonym
                )
            for name in names.subjects if _is_author(column) else ():
                await subjects.replace_author(
                    connection, tenant_id, table, column, text=name, pseudonym=pseudonym
                )

    async def _delete_exports(self, tenant_id: UUID, known: list[Person]) -> int:
        # An export across keys holds what one made for a key's user holds.
        of_users = [user for one in known if (user := one.user_of_key) is not None]
        wanted = {*known, *of_users}
        found = [job_id async for job_id, about in self._files.people(tenant_id) if about in wanted]
        return sum([await self._files.delete(tenant_id, job_id) for job_id in found])

    async def _mentions(self, tenant_id: UUID, tables: Mapping[str, Table], names: Names) -> dict[str, int]:
        """Where documents name the person: it is not ours to change, but worth knowing."""
        columns = [
            (tables[name], column) for name in CONTENT & set(tables) for column in tables[name].columns
        ]
        async with self._database.tenant(tenant_id) as connection:
            return await _count(connection, tenant_id, columns, names)


def _searched(tables: Mapping[str, Table]) -> list[tuple[Table, TextColumn]]:
    """Every column of every tenant's table that holds text, except what documents say."""
    return [
        (table, column) for table in tables.values() if table.name not in CONTENT for column in table.columns
    ]


def _distinctive(names: Names) -> list[str]:
    return [name for name in (*names.subjects, *names.users) if len(name) >= DISTINCTIVE]


def _is_author(column: TextColumn) -> bool:
    return column.name.endswith(AUTHOR) and column.kind is ColumnKind.TEXT


async def _left(
    connection: Connection, tenant_id: UUID, tables: Mapping[str, Table], names: Names
) -> dict[str, int]:
    """Where anything of the person is still found, by table or column; empty when all is gone."""
    held = await subjects.count_held(connection, tenant_id, tables, names)
    columns = _searched(tables)
    left = held | await _count(connection, tenant_id, columns, names)
    for table, column in columns:
        for name in names.subjects if _is_author(column) else ():
            if found := await subjects.count_author(connection, tenant_id, table, column, name):
                left[f"{table.name}.{column.name}"] = found
    return left


async def _count(
    connection: Connection, tenant_id: UUID, columns: list[tuple[Table, TextColumn]], names: Names
) -> dict[str, int]:
    counts: dict[str, int] = {}
    for table, column in columns:
        for name in _distinctive(names):
            if found := await subjects.count_text(connection, tenant_id, table, column, name):
                where = f"{table.name}.{column.name}"
                counts[where] = counts.get(where, 0) + found
    return counts


async def _end(connection: Connection, claim: Claim, result: dict[str, Any]) -> None:
    """What could be erased is erased, whether or not something is left."""
    if not result["left"]:
        await jobs.end(connection, claim, JobState.SUCCEEDED, result=result)
        return
    error = f"something is left in {', '.join(sorted(result['left']))}"
    await jobs.end(connection, claim, JobState.FAILED, result=result, error=error, error_code="not_erased")
