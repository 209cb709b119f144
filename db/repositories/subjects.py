"""All that is held about one person: found, erased, and searched for afterwards, in every tenant's table.

A row is a person's when its column `subject` or `user_id` names them, or when it refers to a row that is: the
messages of a conversation, the citations of a message, the ratings of an answer. Columns whose names end in
`_by` say who did something to a row that is not theirs.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from db.pool import Connection
from db.repositories.catalogue import ColumnKind, Table, TextColumn, parents_first

SCAN_S = 600.0  # a statement here may read a whole table
BATCH = 500  # rows in memory at a time

# What documents say is not held about whoever reads them.
CONTENT = frozenset(
    {
        "chunk_embeddings",
        "chunk_lengths",
        "chunk_terms",
        "documents",
        "job_files",
        "lexemes",
        "lexical_statistics",
        "postings",
        "source_attributes",
        "source_documents",
        "source_readers",
        "source_versions",
    }
)

NAMED = "WITH named AS (SELECT $2::text[] AS subjects, $3::text[] AS users)"
# The subject of a key's user is `key:<the key's UUID>:<user>`.
SUBJECTS_OF_USER = """
SELECT DISTINCT subject FROM {table}
WHERE tenant_id = $1 AND subject LIKE 'key:%' AND substr(subject, 42) = $2
"""
EMPTIED = f"""
{NAMED}
SELECT DISTINCT conversation_id FROM traces, named
WHERE tenant_id = $1 AND user_id = ANY (named.users) AND conversation_id IS NOT NULL
"""
DELETE_EMPTIED = """
DELETE FROM conversations c WHERE tenant_id = $1 AND id = ANY ($2)
  AND NOT EXISTS (SELECT FROM messages m WHERE m.conversation_id = c.id)
  AND NOT EXISTS (SELECT FROM traces t WHERE t.conversation_id = c.id)
"""
EXPORT = "SELECT payload FROM jobs WHERE tenant_id = $1 AND id = $2 AND kind = 'export'"
FORGET_EXPORTS = "DELETE FROM jobs WHERE tenant_id = $1 AND kind = 'export' AND payload ->> 'subject' = $2"
FORGET_ERASURES = """
UPDATE jobs SET payload = jsonb_set(payload, '{subject}', to_jsonb($3::text))
WHERE tenant_id = $1 AND kind = 'erase' AND payload ->> 'subject' = $2
"""
PSEUDONYMISE = "SELECT pseudonymise($1, $2, $3)"

ENTER = """
SELECT coalesce(bool_and(pg_try_advisory_xact_lock_shared(hashtextextended(d, 0))), true)
FROM unnest($1::text[]) AS d
"""
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(d, 0)) FROM unnest($1::text[]) AS d ORDER BY d"
ERASED_SINCE = """
SELECT EXISTS (
    SELECT FROM erasures WHERE tenant_id = $1 AND person_digest = ANY ($2) AND erased_at >= $3)
"""
MARK = "INSERT INTO erasures (tenant_id, person_digest) SELECT $1, unnest($2::text[])"
FORGET_MARKS = "DELETE FROM erasures WHERE tenant_id = $1 AND erased_at < now() - interval '1 day'"


@dataclass(frozen=True, slots=True)
class Names:
    """What a person is called: in columns `subject`, and in columns `user_id`."""

    subjects: tuple[str, ...]
    users: tuple[str, ...] = ()


async def names_of_user(
    connection: Connection, tenant_id: UUID, tables: Mapping[str, Table], user_id: str
) -> Names:
    """What a user is called who was named by API keys, whichever these were."""
    found: set[str] = set()
    for table in tables.values():
        if _has(table, "subject"):
            rows = await connection.fetch(
                SUBJECTS_OF_USER.format(table=table.name), tenant_id, user_id, timeout=SCAN_S
            )
            found |= {row["subject"] for row in rows}
    return Names(tuple(sorted(found)), (user_id,))


def held_tables(tables: Mapping[str, Table]) -> list[Table]:
    """Those that may hold rows of a person, no table before one that it refers to."""
    return [table for table in parents_first(tables) if _condition(tables, table, "t")]


async def count_held(
    connection: Connection, tenant_id: UUID, tables: Mapping[str, Table], names: Names
) -> dict[str, int]:
    """How many rows each table holds of the person; tables without any are left out."""
    counts = {}
    for table in held_tables(tables):
        query = f"{NAMED} SELECT count(*) {_held(tables, table)}"
        counts[table.name] = await _value(connection, query, tenant_id, names)
    return {name: count for name, count in counts.items() if count}


async def read_held(
    connection: Connection, tenant_id: UUID, tables: Mapping[str, Table], table: Table, names: Names
) -> AsyncIterator[list[dict[str, Any]]]:
    """The person's rows of one table, some at a time."""
    query = f"{NAMED} SELECT to_jsonb(t) AS row {_held(tables, table)}"
    arguments = (tenant_id, list(names.subjects), list(names.users))
    cursor = await connection.cursor(query, *arguments, timeout=SCAN_S)
    while rows := await cursor.fetch(BATCH, timeout=SCAN_S):
        yield [row["row"] for row in rows]


async def delete_held(
    connection: Connection, tenant_id: UUID, tables: Mapping[str, Table], names: Names
) -> None:
    """Delete the person's rows, except in tables that only grow."""
    arguments = (tenant_id, list(names.subjects), list(names.users))
    emptied = [row["conversation_id"] for row in await connection.fetch(EMPTIED, *arguments, timeout=SCAN_S)]
    for table in reversed(held_tables(tables)):
        if table.may_delete:
            query = f"{NAMED} DELETE FROM {table.name} t USING named {_where(tables, table)}"
            await connection.execute(query, *arguments, timeout=SCAN_S)
    await connection.execute(DELETE_EMPTIED, tenant_id, emptied, timeout=SCAN_S)


async def pseudonymise(connection: Connection, tenant_id: UUID, names: Names, pseudonym: str) -> None:
    """Give the person another name in tables that only grow. Needs a `system` connection."""
    everything = [*names.subjects, *names.users]
    await connection.execute(PSEUDONYMISE, tenant_id, everything, pseudonym, timeout=SCAN_S)


async def payload_of_export(connection: Connection, tenant_id: UUID, job_id: UUID) -> dict[str, Any] | None:
    """What an export was asked for; None if there is no such export."""
    payload: dict[str, Any] | None = await connection.fetchval(EXPORT, tenant_id, job_id)
    return payload


async def forget_jobs(connection: Connection, tenant_id: UUID, subject: str, pseudonym: str) -> None:
    """Delete exports of the person, stopping them, and keep of their erasures that there were some."""
    await connection.execute(FORGET_EXPORTS, tenant_id, subject)
    await connection.execute(FORGET_ERASURES, tenant_id, subject, pseudonym)


async def replace_text(
    connection: Connection, tenant_id: UUID, table: Table, column: TextColumn, *, text: str, pseudonym: str
) -> None:
    """Put the pseudonym wherever the column says `text`, also in the middle of a longer text."""
    changed = {
        ColumnKind.TEXT: f"regexp_replace({column.name}, $3, $4, 'g')",
        ColumnKind.LIST: f"ARRAY(SELECT regexp_replace(e, $3, $4, 'g') FROM unnest({column.name}) AS e)",
        ColumnKind.JSON: f"regexp_replace({column.name}::text, $3, $4, 'g')::jsonb",
    }[column.kind]
    query = f"UPDATE {table.name} SET {column.name} = {changed} WHERE tenant_id = $1 AND {_says(column)}"
    await connection.execute(query, tenant_id, *_sought(column, text), pseudonym, timeout=SCAN_S)


async def replace_author(
    connection: Connection, tenant_id: UUID, table: Table, column: TextColumn, *, text: str, pseudonym: str
) -> None:
    """Put the pseudonym where the column is `text` and nothing else."""
    query = f"UPDATE {table.name} SET {column.name} = $3 WHERE tenant_id = $1 AND {column.name} = $2"
    await connection.execute(query, tenant_id, text, pseudonym, timeout=SCAN_S)


async def count_text(
    connection: Connection, tenant_id: UUID, table: Table, column: TextColumn, text: str
) -> int:
    """In how many rows the column says `text`."""
    query = f"SELECT count(*) FROM {table.name} WHERE tenant_id = $1 AND {_says(column)}"
    found: int = await connection.fetchval(query, tenant_id, *_sought(column, text), timeout=SCAN_S)
    return found


async def count_author(
    connection: Connection, tenant_id: UUID, table: Table, column: TextColumn, text: str
) -> int:
    """In how many rows the column is `text` and nothing else."""
    query = f"SELECT count(*) FROM {table.name} WHERE tenant_id = $1 AND {column.name} = $2"
    found: int = await connection.fetchval(query, tenant_id, text, timeout=SCAN_S)
    return found


async def enter(connection: Connection, digests: Sequence[str]) -> bool:
    """Keep an erasure of these people from beginning until the transaction ends; False if one is going on."""
    entered: bool = await connection.fetchval(ENTER, list(digests))
    return entered


async def erased_since(
    connection: Connection, tenant_id: UUID, digests: Sequence[str], moment: datetime
) -> bool:
    """Whether one of these people was erased at that time of the database's clock or later."""
    erased: bool = await connection.fetchval(ERASED_SINCE, tenant_id, list(digests), moment)
    return erased


async def lock(connection: Connection, digests: Sequence[str]) -> None:
    """Wait until nobody is inside `enter` for these people, and let nobody in until the transaction ends."""
    await connection.execute(LOCK, list(digests), timeout=SCAN_S)


async def mark_erased(connection: Connection, tenant_id: UUID, digests: Sequence[str]) -> None:
    """Note that these people were erased just now."""
    await connection.execute(MARK, tenant_id, list(digests))


async def forget_marks(connection: Connection, tenant_id: UUID) -> None:
    """Forget who was erased a day ago: no answer is on its way for so long."""
    await connection.execute(FORGET_MARKS, tenant_id)


async def _value(connection: Connection, query: str, tenant_id: UUID, names: Names) -> int:
    arguments = (tenant_id, list(names.subjects), list(names.users))
    value: int = await connection.fetchval(query, *arguments, timeout=SCAN_S)
    return value


def _held(tables: Mapping[str, Table], table: Table) -> str:
    return f"FROM {table.name} t CROSS JOIN named {_where(tables, table)}"


def _where(tables: Mapping[str, Table], table: Table) -> str:
    return f"WHERE t.tenant_id = $1 AND ({_condition(tables, table, 't')})"


def _condition(tables: Mapping[str, Table], table: Table, alias: str) -> str:
    """When a row is the person's; empty when none can be. Needs `named`."""
    parts = []
    if _has(table, "subject"):
        parts.append(f"{alias}.subject = ANY (named.subjects)")
    if _has(table, "user_id"):
        parts.append(f"{alias}.user_id = ANY (named.users)")
    for reference in table.references:
        inner = _condition(tables, tables[reference.parent], f"{alias}p")
        if inner:
            parts.append(
                f"{alias}.{reference.column} IN (SELECT {alias}p.{reference.parent_column} "
                f"FROM {reference.parent} {alias}p WHERE {inner})"
            )
    return " OR ".join(parts)


def _has(table: Table, name: str) -> bool:
    return any(column.name == name and column.kind is ColumnKind.TEXT for column in table.columns)


def _says(column: TextColumn) -> str:
    text = {
        ColumnKind.TEXT: column.name,
        ColumnKind.LIST: f"array_to_string({column.name}, E'\\n')",
        ColumnKind.JSON: f"{column.name}::text",
    }[column.kind]
    return f"strpos({text}, $2) > 0 AND {text} ~ $3"  # the first is fast, and mostly says no


def _sought(column: TextColumn, text: str) -> tuple[str, str]:
    """The text as the column has it, and a pattern that doesn't find it inside a longer name."""
    if column.kind is ColumnKind.JSON:
        text = json.dumps(text, ensure_ascii=False)[1:-1]
    escaped = re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
    return text, rf"(?<![\w:|@.+-]){escaped}(?![\w:|@-]|\.\w)"
