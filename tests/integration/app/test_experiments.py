"""Experiments over HTTP: who gets which variant, who may say so, and when one stops by itself."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.access.roles import Role
from db.addresses import DatabaseLogins
from db.pool import Database
from db.repositories import experiments, exposures
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER, KeyMaker
from tests.integration.app.conftest import POLICY, SECURITY
from tests.integration.app.experimenters import CONTROL, ONE_SOURCE, QUESTION, Experimenter, until
from tests.integration.app.sse import read_events
from tests.integration.conftest import running_service, settings_for
from tests.standins.chat_servers import ChatServer, chat_server

MODEL = "openai:gpt-4o-mini"
USERS = [f"user-{number}" for number in range(24)]  # all in one half once in eight million runs


@pytest.fixture(scope="module")
def openai() -> Iterator[ChatServer]:
    with chat_server() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        patch.setenv("OPENAI_API_KEY", "sk-test")
        yield server


@pytest.fixture(scope="module")
async def client(
    openai: ChatServer, logins: DatabaseLogins, local_models: LocalModels
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(
        logins,
        auth_mode="api_key",
        api_key_pepper=PEPPER,
        rate_limits="off",
        experiment_models=MODEL,
        model_attempts=1,
        breaker_failures=100,
    )
    async with running_service(settings, local_models) as opened:
        yield opened


@pytest.fixture(scope="module")
async def replica(
    client: httpx.AsyncClient, logins: DatabaseLogins, local_models: LocalModels
) -> AsyncIterator[httpx.AsyncClient]:
    """Another process of the same service; to it, everyone is anonymous and of the tenant `default`."""
    async with running_service(settings_for(logins, experiment_models=MODEL), local_models) as opened:
        yield opened


@pytest.fixture(scope="module")
async def tenant_admin(client: httpx.AsyncClient, database: Database) -> Experimenter:
    headers = await KeyMaker(database).headers(Role.ADMIN)
    for name, text in (("leave", POLICY), ("security", SECURITY)):
        body = {"text": text, "title": name, "source_document_id": name}
        answer = await client.post("/ingest", json=body, params={"wait": 60}, headers=headers)
        assert answer.status_code == 200, answer.text
    return Experimenter(client, headers)


@pytest.fixture
async def admin(tenant_admin: Experimenter) -> AsyncIterator[Experimenter]:
    yield tenant_admin
    await tenant_admin.stop_all()


async def rows(database: Database, tenant_id: UUID, query: str, *arguments: object) -> list[Any]:
    async with database.tenant(tenant_id) as connection:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]


async def test_a_variant_answers_with_its_own_settings(
    admin: Experimenter, database: Database, tenant_id: UUID
) -> None:
    experiment = await admin.run()
    key = experiment["key"]
    sources: dict[str, set[int]] = {}
    for user in USERS:
        answer = await admin.chat(user)
        body = answer.json()
        assert answer.headers["X-Variant"] == body["variant"]
        sources.setdefault(body["variant"], set()).add(len(body["retrieved_documents"]))
    assert sources.keys() == {f"{key}/control", f"{key}/one-source"}
    assert sources[f"{key}/one-source"] == {1}
    assert min(sources[f"{key}/control"]) > 1
    assert (await admin.chat(USERS[0], top_k=2)).json()["retrieved_documents"][1:], (
        "a request's own goes first"
    )

    stored = await rows(
        database, tenant_id, "SELECT DISTINCT variant FROM traces WHERE variant LIKE $1", f"{key}/%"
    )
    assert {variant for (variant,) in stored} == sources.keys()
    exposed = (await admin.get(experiment))["exposures"]
    assert sum(exposed.values()) == len(USERS), "once each, however often they ask"
    assert exposed.keys() == {"control", "one-source"}


async def test_a_stream_names_its_variant(admin: Experimenter) -> None:
    experiment = await admin.run()
    body = {"query": QUESTION, "stream": True, "user_id": "streams"}
    async with admin.client.stream("POST", "/chat", json=body, headers=admin.headers) as response:
        named = [e.data["variant"] async for e in read_events(response) if e.name in {"meta", "done"}]
        assert named == [response.headers["X-Variant"]] * 2
    assert named[0].startswith(f"{experiment['key']}/")


async def test_nothing_is_said_of_variants_without_an_experiment(admin: Experimenter) -> None:
    await admin.create()
    answer = await admin.chat("nobody")
    assert answer.json()["variant"] is None
    assert "X-Variant" not in answer.headers


async def test_a_user_keeps_the_variant_across_restarts(
    admin: Experimenter, logins: DatabaseLogins, local_models: LocalModels
) -> None:
    await admin.run()
    before = await admin.variants(USERS)
    settings = settings_for(logins, auth_mode="api_key", api_key_pepper=PEPPER, rate_limits="off")
    async with running_service(settings, local_models) as restarted:
        assert await Experimenter(restarted, admin.headers).variants(USERS) == before
    assert len(set(before.values())) == 2


async def test_an_anonymous_caller_is_known_by_conversation(
    admin: Experimenter, replica: httpx.AsyncClient, database: Database, tenant_id: UUID
) -> None:
    experiment, anybody = await admin.run(), Experimenter(replica, {})

    async def is_taken_up() -> bool:
        return ((await anybody.ask())["variant"] or "").startswith(f"{experiment['key']}/")

    await until(is_taken_up)
    first = [await anybody.ask() for _ in USERS]
    assert len({body["variant"] for body in first}) == 2
    for body in first:
        again = await anybody.ask(conversation_id=body["conversation_id"])
        assert again["variant"] == body["variant"]
    subjects = await rows(
        database, tenant_id, "SELECT subject FROM exposures WHERE experiment_id = $1", UUID(experiment["id"])
    )
    assert {f"anonymous:{body['conversation_id']}" for body in first} <= {subject for (subject,) in subjects}


async def test_every_replica_follows_changed_weights(admin: Experimenter, replica: httpx.AsyncClient) -> None:
    experiment, anybody = await admin.run(), Experimenter(replica, {})
    key = experiment["key"]

    async def is_taken_up() -> bool:
        return ((await anybody.ask())["variant"] or "").startswith(f"{experiment['key']}/")

    await until(is_taken_up)
    pairs = [(body["conversation_id"], body["variant"]) for body in [await anybody.ask() for _ in USERS]]
    stays = next(conversation for conversation, variant in pairs if variant == f"{key}/one-source")
    moves = next(conversation for conversation, variant in pairs if variant == f"{key}/control")
    changed = await admin.change(experiment, weights={"control": 0})
    assert [variant["weight"] for variant in changed.json()["variants"]] == [0, 1]

    async def has_moved() -> bool:
        return bool((await anybody.ask(conversation_id=moves))["variant"] == f"{key}/one-source")

    await until(has_moved)
    assert (await anybody.ask(conversation_id=stays))["variant"] == f"{key}/one-source"
    assert (await admin.ask("anyone"))["variant"] == f"{key}/one-source", "here at once"


async def test_only_a_share_of_users_takes_part(admin: Experimenter) -> None:
    experiment = await admin.run(traffic_share=0.5)
    half = await admin.variants(USERS)
    assert 0 < sum(variant is None for variant in half.values()) < len(USERS)
    await admin.change(experiment, traffic_share=1)
    whole = await admin.variants(USERS)
    assert None not in whole.values()
    assert {user: whole[user] for user, variant in half.items() if variant} == {
        user: variant for user, variant in half.items() if variant
    }
    await admin.change(experiment, traffic_share=0)
    assert set((await admin.variants(USERS)).values()) == {None}


async def test_another_tenant_neither_sees_nor_meets_it(admin: Experimenter, database: Database) -> None:
    experiment = await admin.run()
    stranger = Experimenter(admin.client, await KeyMaker(database).headers(Role.ADMIN, tenant="strangers"))
    assert (await stranger.ask("user-1"))["variant"] is None
    for method, body in (("GET", None), ("PATCH", {"state": "stopped"}), ("DELETE", None)):
        path = f"/admin/experiments/{experiment['id']}"
        answer = await admin.client.request(method, path, json=body, headers=stranger.headers)
        assert answer.status_code == 404, answer.text
    listed = await admin.client.get("/admin/experiments", headers=stranger.headers)
    assert listed.json() == {"experiments": [], "next_cursor": None}
    own = await stranger.run(key=experiment["key"])
    assert (await stranger.ask("user-1"))["variant"].startswith(f"{own['key']}/"), "a key is a tenant's own"
    await stranger.stop_all()


async def test_a_tenant_takes_part_by_its_own_admins_word(admin: Experimenter, database: Database) -> None:
    maker = KeyMaker(database)
    operator = Experimenter(admin.client, await maker.headers(Role.OPERATOR, tenant="operators"))
    draft = await operator.create(tenant_id=str(await maker.tenant("default")))
    assert draft["state"] == "draft"
    assert (await operator.change(draft, state="running")).status_code == 403
    await admin.start(draft)
    assert (await operator.change(draft, weights={"control": 3})).status_code == 200
    stopped = await operator.change(draft, state="stopped")
    assert (stopped.json()["state"], stopped.json()["stopped_reason"]) == ("stopped", None)


@pytest.mark.parametrize(
    "fields",
    [
        {"variants": [CONTROL]},
        {"variants": [CONTROL, CONTROL]},
        {"variants": [CONTROL, {"name": "x", "weight": -1}]},
        {"variants": [{"name": "a", "weight": 0}, {"name": "b", "weight": 0}]},
        {"variants": [CONTROL, {"name": "x", "settings": {"top_k": 0}}]},
        {"variants": [CONTROL, {"name": "x", "settings": {"answer_prompt": "answer-999"}}]},
        {"variants": [CONTROL, {"name": "x", "settings": {"chat_model": "openai:gpt-4o"}}]},
        {"variants": [CONTROL, {"name": "x", "settings": {"chat_model": " , "}}]},
        {"variants": [CONTROL, {"name": "x", "settings": {"rerank_model": "bedrock:cohere.rerank-v3-5:0"}}]},
        {"variants": [CONTROL, {"name": "x", "settings": {"guardrail_id": "none"}}]},
        {"variants": [CONTROL, {"name": "x", "settings": {"suppress": ""}}]},
        {"variants": [CONTROL, ONE_SOURCE], "kind": "shadow"},
        {"variants": [CONTROL, ONE_SOURCE], "traffic_share": 1.1},
        {"variants": [CONTROL, ONE_SOURCE], "key": "Not/A Key"},
    ],
    ids=lambda fields: json.dumps(fields)[:80],
)
async def test_what_can_not_be_is_refused(admin: Experimenter, fields: dict[str, Any]) -> None:
    body = {"key": "refused", **fields}
    answer = await admin.client.post("/admin/experiments", json=body, headers=admin.headers)
    assert answer.status_code == 422, answer.text


async def test_what_was_started_keeps_its_variants_and_ends_once(admin: Experimenter) -> None:
    experiment, second = await admin.run(), await admin.create()

    async def status(of: dict[str, Any], **changes: Any) -> int:
        return (await admin.change(of, **changes)).status_code

    assert await status(second, state="running") == 409, "one at a time"
    assert await status(experiment, variants=[CONTROL, ONE_SOURCE]) == 409
    assert await status(experiment, state="draft") == 409
    assert await status(experiment, weights={"nobody": 1}) == 422
    assert await status(experiment, weights={"control": 0, "one-source": 0}) == 422
    path = f"/admin/experiments/{experiment['id']}"
    assert (await admin.client.delete(path, headers=admin.headers)).status_code == 409
    assert await status(experiment, state="stopped") == 200
    assert await status(experiment, state="running") == 409
    assert await status(second, state="stopped") == 409, "it has not begun"
    again = {"key": experiment["key"], "variants": [CONTROL, ONE_SOURCE]}
    assert (
        await admin.client.post("/admin/experiments", json=again, headers=admin.headers)
    ).status_code == 409
    assert (await admin.client.delete(path, headers=admin.headers)).status_code == 204
    assert (await admin.client.get(path, headers=admin.headers)).status_code == 404


async def test_a_challenger_that_fails_is_stopped(
    admin: Experimenter, openai: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.experiments.parts.GUARD_EVERY", 1)
    monkeypatch.setattr(openai, "failure", (500, {}))
    challenger = {"name": "failing", "settings": {"chat_model": MODEL}}
    guard = {"max_error_rate": 0.2, "min_samples": 4}
    experiment = await admin.run(CONTROL, challenger, guard=guard)
    users = iter(f"guarded-{number}" for number in range(1000))

    async def is_stopped() -> bool:
        await admin.chat(next(users))
        return bool((await admin.get(experiment))["state"] == "stopped")

    await until(is_stopped)
    found = await admin.get(experiment)
    assert found["stopped_reason"].startswith("failing: 100.0% of ")

    async def is_over() -> bool:
        return "X-Variant" not in (await admin.chat("guarded-0")).headers

    await until(is_over)
    log = await admin.client.get("/admin/audit", params={"action": "experiment.stop"}, headers=admin.headers)
    entry = log.json()["entries"][0]
    assert (entry["subject"], entry["object_id"]) == ("guard", experiment["id"])


async def test_changes_stand_in_the_audit_log(admin: Experimenter) -> None:
    experiment = await admin.run()
    await admin.change(experiment, weights={"control": 2}, state="stopped")
    await admin.client.delete(f"/admin/experiments/{experiment['id']}", headers=admin.headers)
    log = await admin.client.get("/admin/audit", headers=admin.headers)
    entries = [event for event in log.json()["entries"] if event["object_id"] == experiment["id"]]
    assert [entry["action"] for entry in entries] == [
        "experiment.delete",
        "experiment.change",
        "experiment.change",
        "experiment.create",
    ]
    assert entries[1]["details"] == {"state": "stopped", "changed": ["state", "weights"]}


async def test_an_analysis_reads_what_users_did(
    admin: Experimenter, database: Database, tenant_id: UUID
) -> None:
    experiment = await admin.run()
    for user, rating in (("happy", 1), ("sad", -1)):
        body = await admin.ask(user)
        given = {"request_id": body["request_id"], "rating": rating, "user_id": user}
        assert (await admin.client.post("/feedback", json=given, headers=admin.headers)).is_success
    event = {"request_id": body["request_id"], "kind": "copy", "user_id": "sad"}
    assert (await admin.client.post("/events", json=event, headers=admin.headers)).is_success
    async with database.tenant(tenant_id) as connection:
        found = await experiments.find(connection, tenant_id, experiment["key"])
        assert found
        read = await exposures.outcomes(connection, found)
    by_user = {row["subject"].rpartition(":")[2]: row for row in read}
    assert {user: (row["rating"], row["converted"], row["errors"]) for user, row in by_user.items()} == {
        "happy": (1, 0, 0),
        "sad": (-1, 1, 0),
    }
    assert by_user["sad"]["latency_ms"] > 0
    assert by_user["sad"]["cost_usd"] == 0
    assert {row["variant"] for row in read} <= {"control", "one-source"}


async def test_whoever_moved_between_variants_is_in_both(
    admin: Experimenter, database: Database, tenant_id: UUID
) -> None:
    experiment = await admin.run({"name": "control"}, {**ONE_SOURCE, "weight": 0})
    await admin.ask("mover")
    await admin.change(experiment, weights={"control": 0, "one-source": 1})
    await admin.ask("mover")
    async with database.tenant(tenant_id) as connection:
        found = await experiments.find(connection, tenant_id, experiment["key"])
        assert found
        read = await exposures.outcomes(connection, found)
    assert [row["variant"] for row in read] == ["control", "one-source"]
    assert (await admin.get(experiment))["exposures"] == {"control": 1}
