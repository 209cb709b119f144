from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app import retention
from app.maintenance import MAINTAIN, MaintenanceHandler
from app.retention import Retention, forget_what_is_old
from db.addresses import DatabaseLogins
from db.pool import Connection, Database, connect
from db.repositories import jobs, tenants
from rag.errors import InvalidInputError

KEPT = Retention(conversations_days=40, traces_days=50, usage_days=70, audit_days=80)
CONVERSATION = """
INSERT INTO conversations (tenant_id, subject, created_at)
VALUES ($1, 'x', now() - $2::int * interval '1 day') RETURNING id
"""
MESSAGE = """
WITH message AS (
    INSERT INTO messages (tenant_id, conversation_id, trace_id, role, content, created_at)
    VALUES ($1, $2, $3, 'assistant', 'said', now() - $4::int * interval '1 day') RETURNING id
)
INSERT INTO message_citations (tenant_id, message_id, ordinal, citation_index, chunk_id, document_id,
                               quote, start_char, end_char)
SELECT $1, id, 0, 1, gen_random_uuid(), gen_random_uuid(), 'quoted', 0, 1 FROM message
"""
TRACE = """
INSERT INTO traces (tenant_id, request_id, conversation_id, subject, strategy, prompt_version, corpus_version,
                    models, abstained, query, answer, metadata, created_at)
VALUES ($1, $2, $3, 'x', 'auto', '1', 1, '{}', false, 'asked', 'said', '{"who": "me"}',
        now() - $4::int * interval '1 day')
RETURNING id
"""
FEEDBACK = """
INSERT INTO feedback (tenant_id, trace_id, subject, rating, labels, comment, correction, created_at)
VALUES ($1, $2, 'x', -1, '{wrong}', 'no', 'yes', now() - $3::int * interval '1 day')
"""
USAGE = """
INSERT INTO usage_ledger (tenant_id, day, kind, model, operation, calls, input_tokens, output_tokens,
                          cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, units, unpriced_calls)
SELECT $1, (now() AT TIME ZONE 'UTC')::date - d, 'chat', d::text, 'chat', 1, 0, 0, 0, 0, 0, 0, 0
FROM unnest($2::int[]) d
"""
AUDIT = """
INSERT INTO audit_log (tenant_id, subject, action, object_type, result, object_id, at)
SELECT $1, 'x', 'x.y', 'x', 'succeeded', d, now() - d * interval '1 day' FROM unnest($2::int[]) d
"""


@pytest.fixture
async def owner(logins: DatabaseLogins) -> AsyncIterator[Connection]:
    """May write rows that are old already."""
    connection = await connect(logins.owner)
    yield connection
    await connection.close()


@dataclass(frozen=True, slots=True)
class Filled:
    """A tenant with rows of many ages."""

    id: UUID
    database: Database

    async def rows(self, query: str) -> list[Any]:
        """The values of the query's one column."""
        async with self.database.tenant(self.id) as connection:
            return [row[0] for row in await connection.fetch(query)]

    async def state(self) -> dict[str, list[Any]]:
        """Ids, ages and texts of all that is there."""
        return {
            "conversations": await self.rows("SELECT created_at FROM conversations ORDER BY 1"),
            "messages": await self.rows("SELECT (created_at, content) FROM messages ORDER BY 1"),
            "citations": await self.rows("SELECT quote FROM message_citations"),
            "traces": await self.rows(
                "SELECT (request_id, query, answer, metadata::text) FROM traces ORDER BY 1"
            ),
            "feedback": await self.rows(
                "SELECT (rating, labels, comment, correction) FROM feedback ORDER BY 1"
            ),
            "usage": await self.rows("SELECT model FROM usage_ledger ORDER BY 1"),
            "audit": await self.rows("SELECT object_id FROM audit_log ORDER BY 1"),
        }


async def fill(owner: Connection, database: Database) -> Filled:
    """Two of each kind, a day on either side of what KEPT says, and what belongs to them."""
    async with database.system() as system:
        tenant_id = (await tenants.ensure(system, slug=f"t-{uuid4().hex}", name="Test")).id
    await owner.execute("SELECT set_config('app.tenant_id', $1, false)", str(tenant_id))
    for begun, last in ((90, 41), (90, 39)):
        conversation = await owner.fetchval(CONVERSATION, tenant_id, begun)
        await owner.execute(MESSAGE, tenant_id, conversation, None, begun)
        await owner.execute(MESSAGE, tenant_id, conversation, None, last)
        for age in (51, 49):
            await owner.fetchval(TRACE, tenant_id, f"{last}-{age}", conversation, age)
    for age, rated in ((51, 51), (51, 49), (49, 49)):
        trace = await owner.fetchval(TRACE, tenant_id, f"rated-{age}-{rated}", None, age)
        await owner.execute(FEEDBACK, tenant_id, trace, rated)
    await owner.execute(USAGE, tenant_id, [0, 69, 70, 71])
    await owner.execute(AUDIT, tenant_id, [0, 79, 81])
    return Filled(tenant_id, database)


async def test_exactly_what_is_older_goes_and_other_tenants_stay(
    owner: Connection, database: Database
) -> None:
    filled, other = await fill(owner, database), await fill(owner, database)
    before = await other.state()
    done = await forget_what_is_old(database, filled.id, KEPT)
    assert done == {
        "conversations_deleted": 1,
        "traces_deleted": 2,
        "traces_blanked": 2,
        "feedback_blanked": 1,
        "feedback_history_deleted": 0,
        "events_deleted": 0,
        "exposures_deleted": 0,
        "shadow_results_blanked": 0,
        "usage_deleted": 1,
        "audit_deleted": 1,
    }
    state = await filled.state()
    assert len(state["conversations"]) == 1
    assert len(state["messages"]) == len(state["citations"]) == 2
    full, blank = ("asked", "said", '{"who": "me"}'), (None, None, "{}")
    assert state["traces"] == [
        ("39-49", *full),
        ("41-49", *full),
        ("rated-49-49", *full),
        ("rated-51-49", *blank),
        ("rated-51-51", *blank),
    ]
    texts = [(None, None), ("no", "yes"), ("no", "yes")]
    assert sorted(state["feedback"], key=str) == sorted([(-1, ["wrong"], *text) for text in texts], key=str)
    assert state["usage"] == ["0", "69", "70"]
    assert state["audit"] == ["0", "79"]
    assert await other.state() == before
    assert await forget_what_is_old(database, filled.id, KEPT) == dict.fromkeys(done, 0), "it is done"


async def test_a_trace_outlives_its_conversation(owner: Connection, database: Database) -> None:
    filled = await fill(owner, database)
    await forget_what_is_old(database, filled.id, Retention(conversations_days=1))
    assert await filled.rows("SELECT id FROM conversations") == []
    assert await filled.rows("SELECT id FROM messages") == []
    assert await filled.rows("SELECT count(*) FROM traces WHERE query IS NOT NULL") == [7]


async def test_for_ever_deletes_nothing(owner: Connection, database: Database) -> None:
    filled = await fill(owner, database)
    before = await filled.state()
    assert await forget_what_is_old(database, filled.id, Retention()) == {}
    assert await filled.state() == before


async def test_a_tenants_own_retention_wins(owner: Connection, database: Database) -> None:
    filled = await fill(owner, database)
    async with database.tenant(filled.id) as connection:
        own = {"traces_days": 60, "usage_days": None, "audit_days": 30}
        await tenants.set_retention(connection, filled.id, own)
    done = await forget_what_is_old(database, filled.id, KEPT)
    assert (done["traces_deleted"], done["audit_deleted"]) == (0, 2)
    assert "usage_deleted" not in done


async def test_the_database_holds_what_the_service_would_delete(
    owner: Connection, database: Database
) -> None:
    """A service with a setting that is too small, or one that skips the check, finds nothing to delete."""
    filled = await fill(owner, database)
    reckless = Retention.model_construct(usage_days=1, audit_days=1)
    done = await forget_what_is_old(database, filled.id, Retention())
    assert done == {}
    for step in retention._steps(reckless):
        if step.days is not None:
            await retention._in_batches(database, filled.id, step, timedelta(days=step.days))
    assert await filled.rows("SELECT model FROM usage_ledger ORDER BY 1") == ["0"]
    assert await filled.rows("SELECT object_id FROM audit_log ORDER BY 1") == ["0"]


async def test_many_rows_go_in_batches(
    owner: Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = await fill(owner, database)
    await owner.execute(AUDIT, filled.id, [100] * 10)
    monkeypatch.setattr(retention, "BATCH", 4)
    done = await forget_what_is_old(database, filled.id, KEPT)
    assert done["audit_deleted"] == 11
    assert done["traces_deleted"] == 2


async def test_the_job_reports_counts_of_each_kind(owner: Connection, database: Database) -> None:
    filled = await fill(owner, database)
    handler = MaintenanceHandler(database, keep_versions=1, keep_jobs=timedelta(days=1), retention=KEPT)
    claim = jobs.Claim(uuid4(), filled.id, MAINTAIN, {}, None, 1, 1, 1, timedelta(seconds=60))

    async def report(progress: object) -> None:
        pass

    result = await handler(claim, report)
    assert result["audit_deleted"] == 1
    assert all(isinstance(count, int) for count in result.values())


@pytest.mark.parametrize(
    "own",
    [
        {"traces_days": 0},
        {"usage_days": 61},
        {"audit_days": 29},
        {"audit_days": "30"},
        {"days": 1},
        {"audit_days": 1e9},
    ],
)
def test_a_retention_that_makes_no_sense_is_refused(own: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="days"):
        KEPT.changed_by(own)


def test_what_a_tenant_does_not_say_is_the_services() -> None:
    assert KEPT.changed_by({"traces_days": None}) == KEPT.model_copy(update={"traces_days": None})
    assert KEPT.changed_by({}) == KEPT
