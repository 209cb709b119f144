"""What a search finds sources by: a row for each metadata key, and one for each group that may read."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from db.pool import Connection
from rag.filters import attribute_of

EVERYONE = ""  # the reader of a source without an access list; no group has this name

# Rows that stay the same are not written again.
REPLACE_ATTRIBUTES = """
WITH gone AS (
    DELETE FROM source_attributes WHERE source_id = $2 AND key <> ALL($3::text[])
)
INSERT INTO source_attributes AS known (tenant_id, source_id, key, value, number, moment)
SELECT $1::uuid, $2::uuid, given.key, given.value, given.number, given.moment
FROM unnest($3::text[], $4::text[], $5::float8[], $6::timestamptz[]) given (key, value, number, moment)
ON CONFLICT (source_id, key) DO UPDATE
SET value = EXCLUDED.value, number = EXCLUDED.number, moment = EXCLUDED.moment
WHERE (known.value, known.number, known.moment)
      IS DISTINCT FROM (EXCLUDED.value, EXCLUDED.number, EXCLUDED.moment)
"""
REPLACE_READERS = """
WITH gone AS (
    DELETE FROM source_readers WHERE source_id = $2 AND reader <> ALL($3::text[])
)
INSERT INTO source_readers (tenant_id, source_id, reader)
SELECT DISTINCT $1::uuid, $2::uuid, given.reader FROM unnest($3::text[]) given (reader)
ON CONFLICT (source_id, reader) DO NOTHING
"""


async def replace_attributes(
    connection: Connection, tenant_id: UUID, source_id: UUID, metadata: Mapping[str, Any]
) -> None:
    """Make the source findable by this metadata and no other, save what can't be compared, such as lists."""
    found = {key: attribute for key, value in metadata.items() if (attribute := attribute_of(value))}
    await connection.execute(
        REPLACE_ATTRIBUTES,
        tenant_id,
        source_id,
        list(found),
        [attribute.value for attribute in found.values()],
        [attribute.number for attribute in found.values()],
        [attribute.moment for attribute in found.values()],
    )


async def replace_readers(
    connection: Connection, tenant_id: UUID, source_id: UUID, acl: Sequence[str]
) -> None:
    """Let these groups read the source and no other; everyone of the tenant when the list is empty.

    Raises:
        ValueError: A group without a name, which would stand for everyone.
    """
    if EVERYONE in acl:
        raise ValueError("a group on an access list must have a name")
    readers = list(acl) or [EVERYONE]
    await connection.execute(REPLACE_READERS, tenant_id, source_id, readers)
