from uuid import UUID, uuid4

import pytest

from db.pool import Connection, Database
from db.repositories import retention
from db.stores import PostgresSourceStore
from rag.ports import Ingested, Writer
from tests.integration.db.corpus import Searcher, new_version

VERSIONS = "SELECT version FROM source_versions WHERE source_id = $1 ORDER BY version"
COMPLAINT = """
WITH conversation AS (
    INSERT INTO conversations (tenant_id, subject) VALUES ($1, 'x') RETURNING id
), trace AS (
    INSERT INTO traces (tenant_id, request_id, conversation_id, subject, strategy, prompt_version,
                        corpus_version, models, abstained)
    SELECT $1, $2, id, 'x', 'auto', '1', 1, '{}', false FROM conversation RETURNING id, conversation_id
), message AS (
    INSERT INTO messages (tenant_id, conversation_id, trace_id, role)
    SELECT $1, conversation_id, id, 'assistant' FROM trace RETURNING id, trace_id
), citation AS (
    INSERT INTO message_citations (tenant_id, message_id, ordinal, citation_index, chunk_id, document_id,
                                   start_char, end_char)
    SELECT $1, message.id, 0, 1, d.id, d.source_id, 0, 1
    FROM message, documents d WHERE d.source_id = $3 AND d.version = $4
)
INSERT INTO feedback (tenant_id, trace_id, subject, rating, created_at)
SELECT $1, trace_id, 'x', -1, now() - $5 * interval '1 day' FROM message
"""


async def store_versions(store: PostgresSourceStore, tenant_id: UUID, count: int) -> Ingested:
    for number in range(count):
        stored = await store.add_version(Writer(tenant_id), new_version("page", [f"wording {number}"]))
    return stored


async def versions(connection: Connection, stored: Ingested) -> list[int]:
    return [row["version"] for row in await connection.fetch(VERSIONS, stored.document_id)]


async def test_the_newest_versions_stay(
    database: Database, store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    stored = await store_versions(store, own_tenant_id, 4)
    async with database.tenant(own_tenant_id) as connection:
        assert await retention.prune_versions(connection, own_tenant_id, keep=2) == 2
        assert await versions(connection, stored) == [3, 4]
        assert await connection.fetchval("SELECT count(*) FROM documents") == 2
        assert await retention.prune_versions(connection, own_tenant_id, keep=1) == 1
        with pytest.raises(ValueError, match="at least"):
            await retention.prune_versions(connection, own_tenant_id, keep=0)
    assert await search.texts("wording") == ["wording 3"]


@pytest.mark.parametrize(("days", "left"), [(89, [1, 3]), (91, [3])])
async def test_a_version_that_a_complaint_is_about_stays_for_ninety_days(
    database: Database, store: PostgresSourceStore, own_tenant_id: UUID, *, days: int, left: list[int]
) -> None:
    stored = await store_versions(store, own_tenant_id, 3)
    async with database.tenant(own_tenant_id) as connection:
        await connection.execute(COMPLAINT, own_tenant_id, str(uuid4()), stored.document_id, 1, days)
        await retention.prune_versions(connection, own_tenant_id, keep=1)
        assert await versions(connection, stored) == left
