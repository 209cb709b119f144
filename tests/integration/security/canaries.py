"""A word of its own in every text that another tenant has, to be looked for in all that comes out."""

import json
import re
from uuid import UUID, uuid4

from db.pool import Connection

CANARY = f"canary{uuid4().hex[:12]}"
FOUND = re.compile(rf"{CANARY}-([a-z_]+)")

COLUMNS = """
SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, NULL) AS type
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0
  AND NOT a.attisdropped AND format_type(a.atttypid, NULL) IN ('text', 'text[]', 'jsonb')
  AND (c.relname = 'tenants' OR EXISTS (
      SELECT FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'tenant_id'))
"""
# A row keeps what it says; only objects of JSON take a word more.
PLANTED = {
    "text": "$2 || '-' || coalesce({column}, '')",
    "text[]": "array_append({column}, $2)",
    "jsonb": "CASE jsonb_typeof({column}) WHEN 'array' THEN {column} || to_jsonb($2::text) "
    "WHEN 'object' THEN {column} || jsonb_build_object($2::text, $2::text) ELSE to_jsonb($2::text) END",
}
# These say one of a few words, which the schema holds them to.
CLOSED_COLUMNS = {
    ("tenants", "plan"),
    ("jobs", "state"),
    ("messages", "role"),
    ("api_keys", "role"),
    ("audit_log", "result"),
    ("data_keys", "wrapping"),
    ("evaluation_results", "dataset_sha256"),
    ("evaluation_results", "verdict"),
    ("experiments", "kind"),
    ("experiments", "state"),
    ("events", "kind"),
}


async def plant(owner: Connection, tenant_id: UUID) -> set[str]:
    """Put `canary…-<table>` into every text of the tenant; the tables that have texts, but no row.

    Args:
        owner: Of the tables: requests may only add to some.
        tenant_id: The tenant.
    """
    empty = set()
    await owner.execute("SELECT set_config('app.tenant_id', $1, false)", str(tenant_id))
    for row in await owner.fetch(COLUMNS):
        table, column, kind = row
        if (table, column) in CLOSED_COLUMNS:
            continue
        value = PLANTED[kind].format(column=column)
        key = "id" if table == "tenants" else "tenant_id"
        done = await owner.execute(
            f"UPDATE {table} SET {column} = {value} WHERE {key} = $1", tenant_id, f"{CANARY}-{table}"
        )
        if done == "UPDATE 0":
            empty.add(table)
    return empty


def leaks(*texts: object) -> set[str]:
    """The tables whose texts are in there."""
    found = set()
    for text in texts:
        shown = text if isinstance(text, str) else json.dumps(text, default=str)
        found |= set(FOUND.findall(shown))
    return found
