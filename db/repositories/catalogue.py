"""The tenants' tables as the database itself describes them, so that a new one needs no entry anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from db.pool import Connection

TABLES = """
SELECT c.oid::bigint AS id, format('%I', c.relname) AS name,
       has_table_privilege(c.oid, 'DELETE') AS may_delete
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
ORDER BY c.relname
"""
# Texts, also in arrays and in JSON.
COLUMNS = """
SELECT a.attrelid::bigint AS table_id, format('%I', a.attname) AS name,
       has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS may_read,
       has_column_privilege(a.attrelid, a.attnum, 'UPDATE') AND a.attgenerated = '' AS may_change,
       CASE WHEN t.typname IN ('json', 'jsonb') THEN 'json' WHEN t.typcategory = 'A' THEN 'list'
            ELSE 'text' END AS kind
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type e ON e.oid = t.typelem
WHERE a.attrelid::bigint = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
  AND (t.typname IN ('json', 'jsonb') OR t.typcategory = 'S' OR (t.typcategory = 'A' AND e.typcategory = 'S'))
ORDER BY a.attrelid, a.attnum
"""
REFERENCES = """
SELECT f.conrelid::bigint AS table_id, f.confrelid::bigint AS parent_id,
       format('%I', a.attname) AS column, format('%I', p.attname) AS parent_column
FROM pg_constraint f
JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
JOIN pg_attribute p ON p.attrelid = f.confrelid AND p.attnum = f.confkey[1]
WHERE f.contype = 'f' AND cardinality(f.conkey) = 1 AND f.conrelid <> f.confrelid
  AND f.conrelid::bigint = ANY ($1) AND f.confrelid::bigint = ANY ($1)
ORDER BY f.conname
"""


class ColumnKind(StrEnum):
    TEXT = "text"
    LIST = "list"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column that holds text. Names are quoted where SQL needs it."""

    name: str
    kind: ColumnKind
    may_read: bool
    may_change: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """`column` names a row of `parent` by its `parent_column`."""

    column: str
    parent: str
    parent_column: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of tenants' rows.

    Attributes:
        may_delete: Whether the role that asks may delete rows.
    """

    name: str
    may_delete: bool
    columns: tuple[TextColumn, ...]
    references: tuple[Reference, ...]


async def tables(connection: Connection) -> Mapping[str, Table]:
    """All tables with a column `tenant_id`, by name."""
    found = await connection.fetch(TABLES)
    names = {row["id"]: row["name"] for row in found}
    columns = await connection.fetch(COLUMNS, list(names))
    references = await connection.fetch(REFERENCES, list(names))
    return {
        row["name"]: Table(
            row["name"],
            row["may_delete"],
            tuple(_column(c) for c in columns if c["table_id"] == row["id"]),
            tuple(
                Reference(r["column"], names[r["parent_id"]], r["parent_column"])
                for r in references
                if r["table_id"] == row["id"]
            ),
        )
        for row in found
    }


def parents_first(found: Mapping[str, Table]) -> Sequence[Table]:
    """The tables in an order in which none stands before one that it refers to."""

    def depth(name: str) -> int:
        return 1 + max((depth(reference.parent) for reference in found[name].references), default=0)

    return sorted(found.values(), key=lambda table: (depth(table.name), table.name))


def _column(row: Any) -> TextColumn:
    return TextColumn(row["name"], ColumnKind(row["kind"]), row["may_read"], row["may_change"])
