"""What people do with answers: stored once, for their own answers only, and not without end."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.access.roles import Role
from app.services import Services
from db.pool import Database
from db.repositories.events import EventKind
from feedback.events import EVENTS_PER_ANSWER, Event, EventCollector, Recorded
from rag.errors import LimitExceededError
from tests.integration.app.access import KeyMaker
from tests.integration.app.test_feedback import (
    QUESTION,
    analyst,
    answers,
    ask,
    client,
    tenant,
)

__all__ = ["analyst", "client", "tenant"]  # fixtures

MANY = """
INSERT INTO events (tenant_id, trace_id, event_id, subject, kind)
SELECT $1, t.id, n::text, t.subject, 'click'
FROM traces t, generate_series(1, $2::int) n WHERE t.tenant_id = $1
"""


async def send(
    client: httpx.AsyncClient, headers: dict[str, str], request_id: str, kind: str, **fields: object
) -> httpx.Response:
    body = {"request_id": request_id, "kind": kind, **fields}
    return await client.post("/events", json=body, headers=headers)


async def chat(client: httpx.AsyncClient, headers: dict[str, str]) -> dict[str, Any]:
    response = await client.post("/chat", json={"query": QUESTION}, headers=headers)
    body: dict[str, Any] = response.json()
    return body


async def rows(database: Database, slug: str) -> list[dict[str, Any]]:
    tenant_id = await KeyMaker(database).tenant(slug)
    async with database.tenant(tenant_id) as connection:
        found = await connection.fetch("SELECT * FROM events ORDER BY created_at")
    return [dict(row) for row in found]


async def test_each_kind_of_event_is_stored_against_the_trace(
    client: httpx.AsyncClient, analyst: dict[str, str], database: Database, tenant: str
) -> None:
    answer = await chat(client, analyst)
    document_id = answer["citations"][0]["document_id"]
    for kind in EventKind:
        response = await send(
            client, analyst, answer["request_id"], kind, document_id=document_id, value=19.99
        )
        assert (response.status_code, response.json()["status"]) == (201, "stored")
    stored = await rows(database, tenant)
    assert [row["kind"] for row in stored] == list(EventKind)
    assert {(str(row["document_id"]), row["value"]) for row in stored} == {(document_id, 19.99)}
    assert {row["subject"].partition(":")[0] for row in stored} == {"key"}


async def test_an_event_that_is_sent_again_is_one(
    client: httpx.AsyncClient, analyst: dict[str, str], database: Database, tenant: str
) -> None:
    first, second = await ask(client, analyst), await ask(client, analyst)
    sent = [await send(client, analyst, first, "click", event_id="e-1") for _ in range(3)]
    sent.append(await send(client, analyst, second, "click", event_id="e-1"))  # of another answer
    assert [response.json()["status"] for response in sent] == ["stored", "known", "known", "stored"]
    without = [(await send(client, analyst, first, "copy")).json()["event_id"] for _ in range(2)]
    assert without[0] != without[1]
    assert len(await rows(database, tenant)) == 4


async def test_an_event_of_anothers_answer_or_document_is_not_found(
    client: httpx.AsyncClient, analyst: dict[str, str], database: Database, tenant: str
) -> None:
    request_id = await ask(client, analyst)
    colleague = await KeyMaker(database).headers(Role.ADMIN, tenant=tenant)
    stranger = await KeyMaker(database).headers(Role.ADMIN, tenant=f"t-{uuid4().hex}")
    for headers in (colleague, stranger):
        assert (await send(client, headers, request_id, "click")).status_code == 404
    unknown = await send(client, analyst, request_id, "click", document_id=str(uuid4()))
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert (await send(client, analyst, "never", "click")).status_code == 404
    assert await rows(database, tenant) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "hover"},
        {"value": "much"},
        {"value": 1e300},
        {"event_id": ""},
        {"document_id": "x"},
        {"x": 1},
    ],
)
async def test_what_is_no_event_is_refused(
    client: httpx.AsyncClient, analyst: dict[str, str], fields: dict[str, object]
) -> None:
    body = {"request_id": "x", "kind": "click", **fields}
    assert (await client.post("/events", json=body, headers=analyst)).status_code == 422


async def test_a_flood_is_stopped_counted_and_told_when_to_come_again(
    client: httpx.AsyncClient, analyst: dict[str, str], database: Database, tenant: str
) -> None:
    request_id = await ask(client, analyst)
    tenant_id = await KeyMaker(database).tenant(tenant)
    async with database.tenant(tenant_id) as connection:
        await connection.execute(MANY, tenant_id, EVENTS_PER_ANSWER - 10)
    names = [f"e-{number}" for number in range(30)]
    sent = await asyncio.gather(
        *(send(client, analyst, request_id, "click", event_id=name) for name in names)
    )
    statuses = [response.status_code for response in sent]
    assert (statuses.count(201), statuses.count(429)) == (10, 20)
    refused = next(response for response in sent if response.status_code == 429)
    assert int(refused.headers["Retry-After"]) > 0
    problem = refused.json()
    assert (problem["code"], problem["scope"], problem["limit"]) == ("quota_exceeded", "events", 200.0)
    known = next(n for n, status in enumerate(statuses) if status == 201)
    again = await send(client, analyst, request_id, "click", event_id=names[known])
    assert (again.status_code, again.json()["status"]) == (201, "known")
    assert len(await rows(database, tenant)) == EVENTS_PER_ANSWER
    other = await send(client, analyst, await ask(client, analyst), "click")
    assert other.status_code == 201
    admin = await KeyMaker(database).headers(Role.ADMIN, tenant=tenant)
    log = await client.get("/admin/audit", params={"action": "POST /events"}, headers=admin)
    assert [(entry["result"], entry["code"]) for entry in log.json()["entries"]] == [
        ("denied", "quota_exceeded")
    ]


async def test_duplicates_at_once_are_one_event_and_the_limit_holds(services: Services) -> None:
    (request_id,) = await answers(services, 1)
    collector = EventCollector(services.database, per_answer=10)

    async def collect(event_id: str) -> Recorded | None:
        event = Event(request_id, EventKind.CLICK, event_id)
        try:
            return await collector.collect(
                services.default_identity.tenant_id, event, is_own=lambda subject: subject == "x"
            )
        except LimitExceededError:
            return None

    collected = await asyncio.gather(*(collect(f"e-{number % 20}") for number in range(200)))
    kept = {recorded.event_id for recorded in collected if recorded}
    assert len(kept) == 10
    assert sum(recorded.is_new for recorded in collected if recorded) == 10
