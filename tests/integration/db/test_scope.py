from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest

from db.pool import Database
from db.repositories import scope

ADD_SOURCE = """
INSERT INTO source_documents (tenant_id, source_document_id, title, mime_type, content_sha256,
                              current_version)
VALUES ($1, $2, '', 'text/plain', '', 1) RETURNING id
"""
ATTRIBUTES = (
    "SELECT key, value, number, moment::text FROM source_attributes WHERE source_id = $1 ORDER BY key"
)
READERS = "SELECT reader FROM source_readers WHERE source_id = $1 ORDER BY reader"
ROW_VERSIONS = "SELECT key, xmin::text FROM source_attributes WHERE source_id = $1"


@pytest.fixture
async def source_id(database: Database, own_tenant_id: UUID) -> UUID:
    async with database.tenant(own_tenant_id) as connection:
        made: UUID = await connection.fetchval(ADD_SOURCE, own_tenant_id, "a")
    return made


async def attributes_after(
    database: Database, tenant_id: UUID, source_id: UUID, metadata: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    async with database.tenant(tenant_id) as connection:
        await scope.replace_attributes(connection, tenant_id, source_id, metadata)
        return [tuple(row) for row in await connection.fetch(ATTRIBUTES, source_id)]


async def readers_after(
    database: Database, tenant_id: UUID, source_id: UUID, acl: Sequence[str]
) -> list[str]:
    async with database.tenant(tenant_id) as connection:
        await scope.replace_readers(connection, tenant_id, source_id, acl)
        return [row["reader"] for row in await connection.fetch(READERS, source_id)]


async def test_metadata_becomes_one_row_for_each_key(
    database: Database, own_tenant_id: UUID, source_id: UUID
) -> None:
    metadata = {"a": "ops", "b": 2026, "c": True, "d": "2026-05-01", "e": ["ops"], "f": None}
    assert await attributes_after(database, own_tenant_id, source_id, metadata) == [
        ("a", "s:ops", None, None),
        ("b", "n:2026", 2026.0, None),
        ("c", "b:true", None, None),
        ("d", "s:2026-05-01", None, "2026-05-01 00:00:00+00"),
    ]


async def test_new_metadata_replaces_all_of_the_old(
    database: Database, own_tenant_id: UUID, source_id: UUID
) -> None:
    await attributes_after(database, own_tenant_id, source_id, {"a": "2026-05-01", "b": 1, "c": "gone"})
    found = await attributes_after(database, own_tenant_id, source_id, {"a": 5, "b": 1, "d": "new"})
    assert found == [("a", "n:5", 5.0, None), ("b", "n:1", 1.0, None), ("d", "s:new", None, None)]
    assert await attributes_after(database, own_tenant_id, source_id, {}) == []


async def test_what_stays_is_not_written_again(
    database: Database, own_tenant_id: UUID, source_id: UUID
) -> None:
    async with database.tenant(own_tenant_id) as connection:
        await scope.replace_attributes(connection, own_tenant_id, source_id, {"a": 1, "b": 1})
        before = {row["key"]: row["xmin"] for row in await connection.fetch(ROW_VERSIONS, source_id)}
    async with database.tenant(own_tenant_id) as connection:
        await scope.replace_attributes(connection, own_tenant_id, source_id, {"a": 1.0, "b": 2})
        after = {row["key"]: row["xmin"] for row in await connection.fetch(ROW_VERSIONS, source_id)}
    assert before["a"] == after["a"]
    assert before["b"] != after["b"]


async def test_the_longest_keys_and_values_fit_their_indexes(
    database: Database, own_tenant_id: UUID, source_id: UUID
) -> None:
    """Of many different characters: an index compresses those that repeat."""
    varied = "".join(map(chr, range(0x20000, 0x20000 + 4096)))
    metadata = {varied[:256]: varied, varied[-256:]: varied}
    assert len(await attributes_after(database, own_tenant_id, source_id, metadata)) == 2


async def test_readers_are_the_groups_or_everyone(
    database: Database, own_tenant_id: UUID, source_id: UUID
) -> None:
    for acl, readers in [([], [""]), (["hr", "hr", "it"], ["hr", "it"]), (["it"], ["it"]), ([], [""])]:
        assert await readers_after(database, own_tenant_id, source_id, acl) == readers


async def test_a_nameless_group_is_refused(database: Database, own_tenant_id: UUID, source_id: UUID) -> None:
    for acl in (["hr", ""], [""]):
        with pytest.raises(ValueError, match="must have a name"):
            await readers_after(database, own_tenant_id, source_id, acl)
