"""A candidate that answers copies of requests: what is kept of it, and what it may not do."""

import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from structlog.testing import capture_logs

from app.experiments.shadow_process import MODULE
from app.privacy.sealed import unsealed_row
from app.services import open_services
from db.addresses import DatabaseLogins
from db.pool import Database
from rag.encryption.sealing import versions_of
from rag.models.local import LocalModels
from tests.integration.app.conftest import POLICY, ingest_text
from tests.integration.app.experimenters import Experimenter, until
from tests.integration.conftest import running_service, settings_for
from tests.standins.chat_servers import ChatServer, chat_server
from tests.standins.langsmith import langsmith_server

SILENT_S = 30.0  # for so long the model says nothing while it isn't open
MODEL = "openai:gpt-4o-mini"
SAID = "You can carry over up to 5 vacation days to the next calendar year. [1]"
CANDIDATE: dict[str, Any] = {"name": "candidate", "settings": {"chat_model": MODEL}}
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
LIVE_TOKENS = """
SELECT sum(input_tokens + output_tokens)::bigint FROM usage_ledger WHERE kind = 'chat' AND request_id = $1
"""
RESULTS = "SELECT s.*, t.request_id FROM shadow_results s JOIN traces t ON t.id = s.trace_id"


@pytest.fixture(scope="module")
def model_server() -> Iterator[ChatServer]:
    with chat_server() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
        patch.setenv("OPENAI_API_KEY", "sk-test")
        yield running


@pytest.fixture
def openai(model_server: ChatServer) -> Iterator[ChatServer]:
    model_server.reply, model_server.failure = SAID, None
    model_server.calls.clear()
    yield model_server
    model_server.open.set()


@pytest.fixture(scope="module")
async def client(
    model_server: ChatServer,
    logins: DatabaseLogins,
    local_models: LocalModels,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(
        logins,
        data_dir=tmp_path_factory.mktemp("data"),
        experiment_models=MODEL,
        shadow_concurrency=1,
        shadow_queue=2,
        shadow_timeout_s=30,
        field_encryption="local",
        field_encryption_key=KEY,
    )
    async with running_service(settings, local_models) as opened:
        yield opened


@pytest.fixture
async def admin(client: httpx.AsyncClient, openai: ChatServer) -> AsyncIterator[Experimenter]:
    await ingest_text(client, POLICY, title="Leave policy", source_document_id="leave")
    experimenter = Experimenter(client, {})
    yield experimenter
    await experimenter.stop_all()


async def results(database: Database, tenant_id: UUID, experiment: dict[str, Any]) -> list[dict[str, Any]]:
    async with database.tenant(tenant_id) as connection:
        query = f"{RESULTS} WHERE s.experiment_id = $1 ORDER BY s.created_at"
        return [dict(row) for row in await connection.fetch(query, UUID(experiment["id"]))]


async def result_of(database: Database, tenant_id: UUID, experiment: dict[str, Any]) -> dict[str, Any]:
    """The only one, once it is there."""

    async def is_there() -> bool:
        return bool(await results(database, tenant_id, experiment))

    await until(is_there)
    (found,) = await results(database, tenant_id, experiment)
    return found


async def test_what_a_candidate_would_have_said_is_kept_beside_the_answer(
    admin: Experimenter, openai: ChatServer, database: Database, tenant_id: UUID
) -> None:
    experiment = await admin.run(CANDIDATE, kind="shadow")
    body = await admin.ask()
    assert (body["variant"], body["model_name"]) == (None, "local:extractive")
    found = await result_of(database, tenant_id, experiment)
    assert found["request_id"] == body["request_id"]
    assert found["subject"] == f"anonymous:{body['conversation_id']}"
    assert found["models"] == {"chat": MODEL}
    assert (found["variant"], found["error"], found["abstained"]) == ("candidate", None, False)
    assert [r["chunk_id"] for r in found["retrieved"]] == [r["id"] for r in body["retrieved_documents"]]
    assert found["citations"][0]["document_id"] == body["citations"][0]["document_id"]
    assert found["source_overlap"] == 1.0
    assert found["same_answer"] is (body["answer"] == SAID)
    assert found["timings_ms"]["total"] > 0
    summary = (await admin.get(experiment))["shadow"]
    assert (summary["requests"], summary["errors"], summary["dropped"]) == (1, 0, 0)
    assert summary["p95_ms"] == found["timings_ms"]["total"]


async def test_its_words_are_sealed(
    admin: Experimenter, database: Database, tenant_id: UUID, logins: DatabaseLogins, tmp_path: Path
) -> None:
    experiment = await admin.run(CANDIDATE, kind="shadow")
    await admin.ask()
    found = await result_of(database, tenant_id, experiment)
    assert found["answer"].startswith("gwenc1:")
    settings = settings_for(logins, data_dir=tmp_path, field_encryption="local", field_encryption_key=KEY)
    async with open_services(settings.model_copy(update={"role": "api"}), local=LocalModels()) as services:
        ring = await services.privacy.keys.ring(tenant_id, reading=versions_of([found["answer"]]))
    assert unsealed_row(ring, "shadow_results", found)["answer"] == SAID


async def test_it_is_metered_apart_and_counts_against_no_quota(
    admin: Experimenter, database: Database, tenant_id: UUID
) -> None:
    sums = "SELECT coalesce(sum(tokens), 0)::bigint FROM usage_sums"
    async with database.tenant(tenant_id) as connection:
        before = await connection.fetchval(sums)
    experiment = await admin.run(CANDIDATE, kind="shadow")
    body = await admin.ask()
    await result_of(database, tenant_id, experiment)
    async with database.tenant(tenant_id) as connection:
        entry = await connection.fetchrow(
            "SELECT * FROM usage_ledger WHERE kind = 'shadow' AND request_id = $1 AND operation = 'chat'",
            body["request_id"],
        )
        live = await connection.fetchval(LIVE_TOKENS, body["request_id"])
        assert await connection.fetchval(sums) == before + live
    assert entry is not None
    assert (entry["model"], entry["calls"], entry["output_tokens"]) == (MODEL, 1, len(SAID.split()))


async def test_only_a_sample_is_copied(
    admin: Experimenter, openai: ChatServer, database: Database, tenant_id: UUID
) -> None:
    experiment = await admin.run(CANDIDATE, kind="shadow", traffic_share=0)
    await admin.ask()
    await admin.change(experiment, traffic_share=1)
    body = await admin.ask()
    assert (await result_of(database, tenant_id, experiment))["request_id"] == body["request_id"]
    assert len(openai.calls) == 1


async def test_what_is_too_much_is_dropped_and_counted_and_nobody_waits(
    admin: Experimenter, openai: ChatServer, database: Database, tenant_id: UUID
) -> None:
    openai.open.clear()
    experiment = await admin.run(CANDIDATE, kind="shadow")
    await admin.ask()

    async def is_asked() -> bool:
        return bool(openai.calls)

    await until(is_asked)
    for _ in range(6):
        await admin.ask()  # although the candidate says nothing at all

    async def is_counted() -> bool:
        return bool((await admin.get(experiment))["shadow"]["dropped"] == 4)

    await until(is_counted)  # one is at work and two wait
    openai.open.set()

    async def are_done() -> bool:
        return len(await results(database, tenant_id, experiment)) == 3

    await until(are_done)


async def test_a_candidate_that_fails_is_kept_as_failed_and_harms_nobody(
    admin: Experimenter, openai: ChatServer, database: Database, tenant_id: UUID
) -> None:
    openai.failure = (500, {})
    experiment = await admin.run(CANDIDATE, kind="shadow")
    body = await admin.ask()
    assert body["degraded"] == []
    found = await result_of(database, tenant_id, experiment)
    assert (found["error"], found["answer"], found["same_answer"]) == ("ModelError", None, False)
    assert (await admin.get(experiment))["shadow"]["errors"] == 1


async def test_a_candidate_that_fails_too_often_is_stopped(
    admin: Experimenter, openai: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.experiments.parts.GUARD_EVERY", 1)
    openai.failure = (500, {})
    guard = {"max_error_rate": 0.5, "min_samples": 2}
    experiment = await admin.run(CANDIDATE, kind="shadow", guard=guard)
    await admin.ask()
    await admin.ask()

    async def is_stopped() -> bool:
        return bool((await admin.get(experiment))["state"] == "stopped")

    await until(is_stopped)
    assert (await admin.get(experiment))["stopped_reason"].startswith(
        "candidate: 100.0% of 2 requests failed"
    )


async def test_an_erased_person_leaves_nothing(
    admin: Experimenter, database: Database, tenant_id: UUID, openai: ChatServer
) -> None:
    both = [await admin.create(CANDIDATE, kind="shadow"), await admin.create()]
    shadow, split = [await admin.start(experiment) for experiment in both]
    body = await admin.ask("the-person-to-be-erased")
    await result_of(database, tenant_id, shadow)
    assert sum((await admin.get(split))["exposures"].values()) == 1
    openai.open.clear()
    late = await admin.ask("the-person-to-be-erased")
    erasure = await admin.client.post(
        "/admin/users/the-person-to-be-erased/erase", params={"across_keys": True}
    )
    path = f"/admin/erasures/{erasure.json()['job_id']}"

    async def is_erased() -> bool:
        return (await admin.client.get(path)).json()["state"] in {"succeeded", "failed"}

    await until(is_erased)
    erased = (await admin.client.get(path)).json()
    report = erased["report"]
    assert (erased["state"], report["left"]) == ("succeeded", {})
    assert (report["removed"]["exposures"], report["removed"]["shadow_results"]) == (2, 1)
    assert (await admin.get(split))["exposures"] == {}
    openai.open.set()

    async def is_metered() -> bool:
        async with database.tenant(tenant_id) as connection:
            query = "SELECT count(*) FROM usage_ledger WHERE kind = 'shadow' AND request_id IS NULL"
            return bool(await connection.fetchval(query))

    await until(is_metered)  # of the copy that was still on its way, nothing but what it used
    assert await results(database, tenant_id, shadow) == []
    assert body["conversation_id"] != late["conversation_id"]


async def test_a_deleted_document_is_not_quoted(
    admin: Experimenter, database: Database, tenant_id: UUID
) -> None:
    experiment = await admin.run(CANDIDATE, kind="shadow")
    body = await admin.ask()
    await result_of(database, tenant_id, experiment)
    document_id = body["citations"][0]["document_id"]
    assert (await admin.client.delete(f"/documents/{document_id}")).is_success
    (found,) = await results(database, tenant_id, experiment)
    assert found["answer"] == "[removed]"


async def test_a_document_deleted_meanwhile_is_not_quoted_either(
    admin: Experimenter, openai: ChatServer, database: Database, tenant_id: UUID
) -> None:
    openai.open.clear()
    experiment = await admin.run(CANDIDATE, kind="shadow")
    body = await admin.ask()

    async def is_asked() -> bool:
        return bool(openai.calls)

    await until(is_asked)
    document_id = body["citations"][0]["document_id"]
    assert (await admin.client.delete(f"/documents/{document_id}")).is_success
    openai.open.set()
    assert (await result_of(database, tenant_id, experiment))["answer"] == "[removed]"


def shadow_processes() -> list[int]:
    """Of this process, which is the service."""
    return [
        int(pid)
        for thread in Path("/proc/self/task").iterdir()
        for pid in (thread / "children").read_text().split()
        if MODULE in Path(f"/proc/{pid}/cmdline").read_text()
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_candidates_have_a_process_that_gives_way_and_is_started_again(
    admin: Experimenter, database: Database, tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.experiments.shadow_process.START_AGAIN_S", 0.0)
    experiment = await admin.run(CANDIDATE, kind="shadow")
    await admin.ask()
    await result_of(database, tenant_id, experiment)
    (first,) = shadow_processes()
    assert os.sched_getscheduler(first) == os.SCHED_IDLE
    os.kill(first, signal.SIGKILL)

    async def is_answered() -> bool:
        await admin.ask()
        return len(await results(database, tenant_id, experiment)) > 1

    await until(is_answered)
    (second,) = shadow_processes()
    assert second != first


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_a_process_that_can_not_live_is_not_started_for_every_request(
    admin: Experimenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.experiments.shadow_process.MODULE", "no_such_module")
    experiment = await admin.run(CANDIDATE, kind="shadow")
    for pid in shadow_processes():
        os.kill(pid, signal.SIGKILL)

    async def are_counted() -> bool:
        assert (await admin.ask())["degraded"] == []
        return bool((await admin.get(experiment))["shadow"]["dropped"] > 3)

    with capture_logs() as logs:
        await until(are_counted)
    assert len([line for line in logs if line["event"] == "shadow_process_started"]) <= 1


async def test_nothing_is_traced_because_the_environment_says_so(
    openai: ChatServer,
    logins: DatabaseLogins,
    *,
    local_models: LocalModels,
    database: Database,
    tenant_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """LangChain would send questions and documents by itself."""
    settings = settings_for(logins, experiment_models=MODEL)
    with langsmith_server() as langsmith:
        monkeypatch.setenv("LANGSMITH_TRACING", "true")
        monkeypatch.setenv("LANGSMITH_ENDPOINT", langsmith.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", langsmith.key)
        async with running_service(settings, local_models) as opened:
            await ingest_text(opened, POLICY, title="Leave policy", source_document_id="leave-traced")
            admin = Experimenter(opened, {})
            experiment = await admin.run(CANDIDATE, kind="shadow")
            await admin.ask()
            await result_of(database, tenant_id, experiment)
            await admin.stop_all()
    assert langsmith.paths == []


async def test_a_service_that_stops_waits_for_no_candidate(
    openai: ChatServer, logins: DatabaseLogins, local_models: LocalModels, database: Database, tenant_id: UUID
) -> None:
    openai.open.clear()
    settings = settings_for(logins, experiment_models=MODEL, shadow_concurrency=1)
    async with running_service(settings, local_models) as opened:
        await ingest_text(opened, POLICY, title="Leave policy", source_document_id="leave-again")
        admin = Experimenter(opened, {})
        experiment = await admin.run(CANDIDATE, kind="shadow")
        await admin.ask()
        await admin.ask()
        began = time.perf_counter()
    assert time.perf_counter() - began < SILENT_S / 2
    async with database.tenant(tenant_id) as connection:
        row = await connection.fetchrow(
            "SELECT shadow_dropped FROM experiments WHERE id = $1", UUID(experiment["id"])
        )
        await connection.execute("UPDATE experiments SET state = 'stopped' WHERE state = 'running'")
    assert row is not None
    assert row["shadow_dropped"] == 2
