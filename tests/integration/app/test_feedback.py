"""What users say of answers: one verdict of each, who reads it, and what it adds up to."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.access.roles import Role
from app.retention import Retention, forget_what_is_old
from app.services import Services
from db.addresses import DatabaseLogins
from db.migrate import migrate
from db.pool import Database, connect
from feedback.collect import Collected, Outcome, Rating
from rag.errors import NotFoundError
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER, KeyMaker
from tests.integration.app.conftest import POLICY, SECURITY, ingest_text
from tests.integration.app.test_privacy import ended
from tests.integration.conftest import running_service, settings_for
from tests.integration.db.test_migrate import OLD_ROWS
from tests.integration.servers import Server

QUESTION = "How many vacation days can I carry over?"
KEY = base64.b64encode(os.urandom(32)).decode()
FOREVER = 36_500
# As an earlier version stored them: x changes their mind twice.
TWICE = """
WITH t AS (
    INSERT INTO traces (tenant_id, request_id, subject, strategy, prompt_version, corpus_version, models,
                        abstained)
    VALUES ($1, 'r', 'x', 'auto', '1', 1, '{}', false) RETURNING id
)
INSERT INTO feedback (tenant_id, trace_id, subject, rating, comment, created_at)
SELECT $1, t.id, s, r, c, now() - d * interval '1 day'
FROM t, (VALUES ('x', -1, 'first', 3), ('x', 1, 'last', 1), ('x', -1, 'second', 2), ('y', 1, 'other', 9))
    AS v (s, r, c, d)
"""


@pytest.fixture(scope="module")
async def client(logins: DatabaseLogins, local_models: LocalModels) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(logins, auth_mode="api_key", api_key_pepper=PEPPER, rate_limits="off")
    async with running_service(settings, local_models) as opened:
        yield opened


@pytest.fixture
async def tenant(database: Database) -> str:
    """A tenant of the test's own, by its slug."""
    slug = f"t-{uuid4().hex}"
    await KeyMaker(database).tenant(slug)
    return slug


@pytest.fixture
async def analyst(client: httpx.AsyncClient, database: Database, tenant: str) -> dict[str, str]:
    """Of a tenant with two documents, one of which is closed to all but the group `it`."""
    headers = await KeyMaker(database).headers(Role.ANALYST, tenant=tenant, groups=("it",))
    for text, name, acl in ((POLICY, "leave.md", []), (SECURITY, "security.md", ["it"])):
        body = {"text": text, "title": name, "source_document_id": name, "acl": acl}
        answer = await client.post("/ingest", params={"wait": 60}, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
    return headers


async def ask(
    client: httpx.AsyncClient, headers: dict[str, str], query: str = QUESTION, **fields: object
) -> str:
    """The request id of an answer."""
    response = await client.post("/chat", json={"query": query, **fields}, headers=headers)
    assert response.status_code == 200, response.text
    request_id: str = response.json()["request_id"]
    return request_id


async def rate(
    client: httpx.AsyncClient, headers: dict[str, str], request_id: str, rating: int, **fields: object
) -> dict[str, Any]:
    body = {"request_id": request_id, "rating": rating, **fields}
    response = await client.post("/feedback", json=body, headers=headers)
    assert response.status_code == 201, response.text
    given: dict[str, Any] = response.json()
    return given


async def get(client: httpx.AsyncClient, headers: dict[str, str], path: str, **params: Any) -> dict[str, Any]:
    response = await client.get(path, params=params, headers=headers)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def finished(client: httpx.AsyncClient, headers: dict[str, str], path: str) -> dict[str, Any]:
    async with asyncio.timeout(100):
        while True:
            if (job := await get(client, headers, path))["finished_at"]:
                return job
            await asyncio.sleep(0.05)


async def test_a_user_has_one_verdict_on_an_answer_and_its_history(
    client: httpx.AsyncClient, analyst: dict[str, str]
) -> None:
    request_id = await ask(client, analyst)
    first = await rate(client, analyst, request_id, -1, labels=["outdated"], comment="Since when?")
    again = await rate(client, analyst, request_id, -1, labels=["outdated"], comment="Since when?")
    other = await rate(client, analyst, request_id, 1, correction="Five.")
    assert [given["status"] for given in (first, again, other)] == ["stored", "unchanged", "changed"]
    assert first["feedback_id"] == again["feedback_id"] == other["feedback_id"]
    shown = await get(client, analyst, f"/feedback/{first['feedback_id']}")
    assert (shown["rating"], shown["labels"], shown["comment"], shown["correction"]) == (1, [], None, "Five.")
    (earlier,) = shown["history"]
    assert (earlier["rating"], earlier["labels"], earlier["comment"]) == (-1, ["outdated"], "Since when?")
    assert earlier["given_at"] == shown["created_at"] < shown["changed_at"]


async def test_users_of_one_key_have_a_verdict_each(
    client: httpx.AsyncClient, analyst: dict[str, str]
) -> None:
    of_ann, of_bob = [await ask(client, analyst, user_id=user) for user in ("ann", "bob")]
    await rate(client, analyst, of_ann, 1, user_id="ann")
    await rate(client, analyst, of_bob, -1, user_id="bob")
    assert (await get(client, analyst, "/feedback/rates"))["total"]["up"] == 1
    body = {"request_id": of_ann, "rating": -1, "user_id": "bob"}
    assert (await client.post("/feedback", json=body, headers=analyst)).status_code == 404


async def answers(services: Services, count: int) -> list[str]:
    """Request ids of so many answers, past HTTP and the models."""
    tenant_id = services.default_identity.tenant_id
    ids = [uuid4().hex for _ in range(count)]
    async with services.database.tenant(tenant_id) as connection:
        await connection.execute(
            "INSERT INTO traces (tenant_id, request_id, subject, strategy, prompt_version, corpus_version, "
            "models, abstained) SELECT $1, unnest($2::text[]), 'x', 'auto', '1', 1, '{}', false",
            tenant_id,
            ids,
        )
    return ids


async def collect(services: Services, request_id: str, rating: int, comment: str) -> Collected:
    return await services.feedback.collect(
        services.default_identity.tenant_id,
        Rating(request_id, rating, comment=comment),
        is_own=lambda subject: subject == "x",
    )


async def stored(services: Services, request_ids: list[str]) -> tuple[int, int]:
    """How many verdicts on these, and how many replaced ones."""
    async with services.database.tenant(services.default_identity.tenant_id) as connection:
        row = await connection.fetchrow(
            "SELECT count(DISTINCT f.id), count(h.id) FROM traces t JOIN feedback f ON f.trace_id = t.id "
            "LEFT JOIN feedback_history h ON h.feedback_id = f.id WHERE t.request_id = ANY ($1)",
            request_ids,
        )
    assert row
    return row[0], row[1]


async def test_a_thousand_duplicates_at_once_are_one_row_each(services: Services) -> None:
    request_ids = await answers(services, 50)
    collected = await asyncio.gather(
        *(collect(services, request_ids[number % 50], -1, "Wrong.") for number in range(1000))
    )
    assert [one.outcome for one in collected].count(Outcome.STORED) == 50
    assert [one.outcome for one in collected].count(Outcome.UNCHANGED) == 950
    assert len({one.feedback_id for one in collected}) == 50
    assert await stored(services, request_ids) == (50, 0)


async def test_changes_at_once_keep_each_verdict(services: Services) -> None:
    (request_id,) = request_ids = await answers(services, 1)
    await asyncio.gather(*(collect(services, request_id, -1, f"Version {n}") for n in range(40)))
    assert await stored(services, request_ids) == (1, 39)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"rating": 0}, 422),
        ({"rating": 2}, 422),
        ({"labels": ["sloppy"]}, 422),
        ({"comment": "x" * 10_001}, 422),
        ({"comment": "x" * 1024 * 1024}, 413),
        ({"correction": "a\0b"}, 422),
        ({"request_id": "never"}, 404),
    ],
)
async def test_what_is_no_feedback_is_refused(
    client: httpx.AsyncClient, analyst: dict[str, str], changes: dict[str, object], status: int
) -> None:
    body = {"request_id": "x", "rating": 1, **changes}
    assert (await client.post("/feedback", json=body, headers=analyst)).status_code == status


async def test_an_erased_answer_takes_no_feedback(
    client: httpx.AsyncClient, analyst: dict[str, str], database: Database, tenant: str
) -> None:
    issued = await KeyMaker(database).issue(Role.ADMIN, tenant=tenant)
    admin = {"Authorization": f"Bearer {issued.secret}"}
    request_id = await ask(client, admin)
    await rate(client, admin, request_id, -1, comment="Gone soon.")
    await rate(client, admin, request_id, 1)
    await client.post("/events", json={"request_id": request_id, "kind": "copy"}, headers=admin)
    job = (await client.post(f"/admin/users/key:{issued.key.id}/erase", headers=admin)).json()
    report = await finished(client, admin, f"/admin/erasures/{job['job_id']}")
    assert report["state"] == "succeeded", report
    assert {"feedback": 1, "feedback_history": 1, "events": 1}.items() <= report["report"]["removed"].items()
    body = {"request_id": request_id, "rating": 1}
    assert (await client.post("/feedback", json=body, headers=admin)).status_code == 404
    event = {"request_id": request_id, "kind": "click"}
    assert (await client.post("/events", json=event, headers=admin)).status_code == 404


async def test_feedback_is_listed_newest_first_by_what_it_says(
    client: httpx.AsyncClient, analyst: dict[str, str]
) -> None:
    said: list[tuple[int, list[str]]] = [(-1, ["style"]), (1, []), (-1, ["outdated", "style"])]
    ids = []
    for rating, labels in said:
        given = await rate(client, analyst, await ask(client, analyst), rating, labels=labels)
        ids.append(given["feedback_id"])
    handled = {"handled": True}
    await client.patch(f"/feedback/{ids[0]}", json=handled, headers=analyst)
    first = (await get(client, analyst, f"/feedback/{ids[1]}"))["created_at"]
    for params, expected in (
        ({}, [2, 1, 0]),
        ({"rating": "-1"}, [2, 0]),
        ({"label": "style"}, [2, 0]),
        ({"label": "outdated"}, [2]),
        ({"since": first}, [2, 1]),
        ({"model": "local:extractive"}, [2, 1, 0]),
        ({"model": "another"}, []),
        ({"handled": True}, [0]),
        ({"handled": False, "rating": "-1"}, [2]),
    ):
        found = (await get(client, analyst, "/feedback", **params))["feedback"]
        assert [row["feedback_id"] for row in found] == [ids[number] for number in expected], params
    page = await get(client, analyst, "/feedback", limit=2)
    rest = await get(client, analyst, "/feedback", limit=2, cursor=page["next_cursor"])
    assert [row["feedback_id"] for row in (*page["feedback"], *rest["feedback"])] == ids[::-1]
    assert rest["next_cursor"] is None


async def test_what_was_handled_is_open_again_when_its_user_changes_it(
    client: httpx.AsyncClient, analyst: dict[str, str]
) -> None:
    request_id = await ask(client, analyst)
    feedback_id = (await rate(client, analyst, request_id, -1))["feedback_id"]
    change = await client.patch(f"/feedback/{feedback_id}", json={"handled": True}, headers=analyst)
    assert change.json()["handled_at"]
    await rate(client, analyst, request_id, -1)
    assert (await get(client, analyst, f"/feedback/{feedback_id}"))["handled_at"]
    await rate(client, analyst, request_id, 1)
    assert (await get(client, analyst, f"/feedback/{feedback_id}"))["handled_at"] is None
    assert (
        await client.patch(f"/feedback/{uuid4()}", json={"handled": True}, headers=analyst)
    ).status_code == 404


async def test_comments_on_answers_from_closed_documents_are_closed_too(
    client: httpx.AsyncClient, analyst: dict[str, str], database: Database, tenant: str
) -> None:
    outsider = await KeyMaker(database).headers(Role.ADMIN, tenant=tenant)
    request_id = await ask(client, analyst, "How long must passwords be?")
    secret = {"comment": "14 characters, really?", "correction": "16", "metadata": {"say": "14"}}
    await rate(client, analyst, request_id, 1, **secret)
    feedback_id = (await rate(client, analyst, request_id, -1, **secret))["feedback_id"]
    for path in (f"/feedback/{feedback_id}", "/feedback"):
        assert "really?" in json.dumps(await get(client, analyst, path))
        text = json.dumps(await get(client, outsider, path))
        assert '"closed": true' in text
        assert [word for word in ("really?", '"16"', '"14"') if word in text] == []
    by_source = (await get(client, outsider, "/feedback/rates", by="source_document"))["rows"]
    assert by_source == []
    (row,) = (await get(client, analyst, "/feedback/rates", by="source_document"))["rows"]
    assert (row["label"], row["up"], row["down"]) == ("security.md", 0, 1)


async def test_rates_count_by_what_was_rated(client: httpx.AsyncClient, analyst: dict[str, str]) -> None:
    leave, lost = QUESTION, "How fast must I report a lost laptop?"
    for query, rating, tag, labels in (
        (leave, 1, "hr", []),
        (leave, -1, "hr", ["style", "outdated"]),
        (leave, -1, "hr", ["style"]),
        (lost, -1, "it", []),
    ):
        request_id = await ask(client, analyst, query, metadata={"team": tag})
        await rate(client, analyst, request_id, rating, labels=labels)

    async def counted(by: str, **params: str) -> dict[str, tuple[int, int]]:
        rows = (await get(client, analyst, "/feedback/rates", by=by, **params))["rows"]
        return {row["label"]: (row["up"], row["down"]) for row in rows}

    assert await counted("model") == {"local:extractive": (1, 3)}
    assert await counted("label") == {"style": (0, 2), "outdated": (0, 1)}
    assert await counted("tag", tag="team") == {"hr": (1, 2), "it": (0, 1)}
    assert await counted("tag") == {}
    assert (await counted("source_document")).items() >= {("leave.md", (1, 2)), ("security.md", (0, 1))}
    assert len(await counted("prompt_version")) == len(await counted("day")) == 1
    assert await counted("variant") == {"none": (1, 3)}
    total = (await get(client, analyst, "/feedback/rates"))["total"]
    # Wilson's interval of 1 of 4, z = 1.96: (1 + 1.92 +- 1.96 sqrt(0.75 + 0.96)) / 7.84
    assert total["share"] == 0.25
    assert (total["low"], total["high"]) == (pytest.approx(0.0456, abs=1e-4), pytest.approx(0.6994, abs=1e-4))
    (over_time,) = (await get(client, analyst, "/feedback/rates", by="model", per="month"))["rows"]
    assert over_time["since"].endswith("-01")
    empty = await get(client, analyst, "/feedback/rates", **{"from": "2020-01-01", "to": "2020-01-31"})
    assert (empty["rows"], empty["total"]["share"]) == ([], None)
    wrong = {"from": "2020-02-01", "to": "2020-01-31"}
    assert (await client.get("/feedback/rates", params=wrong, headers=analyst)).status_code == 422


@pytest.fixture
async def own_logins(server: Server, template: str) -> AsyncIterator[DatabaseLogins]:
    """A database whose jobs no other service takes."""
    name, found = await server.clone(template)
    yield found
    await server.drop(name)


async def test_what_users_write_is_sealed_exported_and_compared(
    own_logins: DatabaseLogins, local_models: LocalModels, tmp_path: Path
) -> None:
    sealing = {"field_encryption": "local", "field_encryption_key": KEY}
    settings = settings_for(own_logins, data_dir=tmp_path, **sealing)
    async with running_service(settings, local_models) as client:
        await ingest_text(client, POLICY, title="Leave", source_document_id="sealed.md")
        asked = (await client.post("/chat", json={"query": QUESTION})).json()
        said = ("heron", "heron", "stork")
        given = [await rate(client, {}, asked["request_id"], -1, comment=text) for text in said]
        assert [one["status"] for one in given] == ["stored", "unchanged", "changed"]
        shown = await get(client, {}, f"/feedback/{given[0]['feedback_id']}")
        assert (shown["comment"], shown["history"][0]["comment"]) == ("stork", "heron")
        assert (await get(client, {}, "/feedback"))["feedback"][0]["comment"] == "stork"
        subject = f"anonymous:{asked['conversation_id']}"
        job = (await client.post(f"/admin/users/{subject}/export")).json()
        await ended(client, f"/admin/exports/{job['job_id']}")
        lines = (await client.get(f"/admin/exports/{job['job_id']}/download")).text.splitlines()
        exported = {(entry["table"], entry["row"].get("comment")) for entry in map(json.loads, lines)}
        assert {("feedback", "stork"), ("feedback_history", "heron")} <= exported
    rows = await comments(own_logins)
    assert [row.startswith("gwenc1:") for row in rows] == [True, True]


async def comments(logins: DatabaseLogins) -> list[str]:
    """As they are stored, past row-level security."""
    owner = await connect(logins.owner)
    for table in ("feedback", "feedback_history"):
        await owner.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    rows = await owner.fetch("SELECT comment FROM feedback UNION ALL SELECT comment FROM feedback_history")
    await owner.close()
    return [row["comment"] for row in rows]


async def test_old_events_and_replaced_verdicts_go_and_a_new_comment_stays(
    services: Services, logins: DatabaseLogins
) -> None:
    tenant_id = services.default_identity.tenant_id
    (request_id,) = request_ids = await answers(services, 1)
    given = await collect(services, request_id, -1, "old")
    owner = await connect(logins.owner)
    await owner.execute("SELECT set_config('app.tenant_id', $1, false)", str(tenant_id))
    old = "now() - interval '100 days'"
    await owner.execute(f"UPDATE feedback SET created_at = {old} WHERE id = $1", given.feedback_id)
    await collect(services, request_id, 1, "new")
    await owner.execute(
        "INSERT INTO events (tenant_id, trace_id, event_id, subject, kind, created_at) "
        f"SELECT $1, id, n, 'x', 'click', CASE n WHEN 'old' THEN {old} ELSE now() END "
        "FROM traces, unnest(ARRAY['old', 'new']) n WHERE request_id = $2",
        tenant_id,
        request_id,
    )
    await owner.close()
    kept = Retention(conversations_days=FOREVER, traces_days=90, usage_days=FOREVER, audit_days=FOREVER)
    done = await forget_what_is_old(services.database, tenant_id, kept)
    assert (done["events_deleted"], done["feedback_history_deleted"], done["feedback_blanked"]) == (1, 1, 0)
    assert await stored(services, request_ids) == (1, 0)


async def test_of_verdicts_given_twice_before_the_last_one_stands(server: Server) -> None:
    logins = await server.logins("verdicts_twice")
    try:
        await migrate(logins.owner, revision="0009")
        owner = await connect(logins.owner)
        tenant = await owner.fetchrow(OLD_ROWS)
        assert tenant
        await owner.execute("SELECT set_config('app.tenant_id', $1, false)", str(tenant["id"]))
        await owner.execute(
            TWICE,
            tenant["id"],
        )
        await migrate(logins.owner, revision="0010")
        rows = await owner.fetch("SELECT id, comment FROM feedback ORDER BY comment")
        assert [row["comment"] for row in rows] == ["last", "other"]
        history = await owner.fetch("SELECT feedback_id, comment FROM feedback_history ORDER BY given_at")
        assert [tuple(row) for row in history] == [(rows[0]["id"], "first"), (rows[0]["id"], "second")]
        await owner.close()
    finally:
        await server.drop("verdicts_twice")


async def test_a_verdict_on_no_answer_of_theirs_is_not_stored(services: Services) -> None:
    (request_id,) = request_ids = await answers(services, 1)
    with pytest.raises(NotFoundError):
        await services.feedback.collect(
            services.default_identity.tenant_id, Rating(request_id, 1), is_own=lambda subject: False
        )
    assert await stored(services, request_ids) == (0, 0)
