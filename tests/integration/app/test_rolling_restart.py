"""Restarting one of two services after the other behind a load balancer: nobody's request fails."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import httpx
import pytest

from app.__main__ import Server, make_server
from app.settings import Settings
from app.worker import Report, Worker, running
from db.addresses import DatabaseLogins
from db.pool import Database, open_database
from db.repositories import jobs
from db.repositories.jobs import Claim, JobState, NewJob
from rag.models.local import LocalModels
from tests.benchmarks.bench_rolling_restart import measure, rows_of
from tests.integration.app.conftest import POLICY, ingest_text
from tests.integration.app.rolling import QUESTION, free_port, noticed, traffic
from tests.integration.app.sse import read_events
from tests.integration.app.test_worker import until
from tests.integration.conftest import settings_for
from tests.integration.waiting import until_true
from tests.standins.chat_servers import ChatServer, chat_server
from tests.standins.proxy import running_proxy

PAUSE_S = 0.8
LOOK_S = 0.05
MODEL = "openai:slow"
REPLY = "You can carry over up to 5 vacation days to the next calendar year. [1]"


class Running:
    """A service in this process that can be ended and started again."""

    def __init__(self, settings: Settings, local: LocalModels) -> None:
        self._settings = settings
        self._local = local
        self.url = f"http://127.0.0.1:{settings.port}"

    async def start(self) -> None:
        self.server: Server = make_server(self._settings, local=self._local)
        self._task = asyncio.create_task(self.server.serve())
        while not self.server.started:
            assert not self._task.done()
            await asyncio.sleep(0.01)

    def begin_to_stop(self) -> None:
        self.server.should_exit = True

    async def stop(self) -> None:
        self.begin_to_stop()
        await self._task


@asynccontextmanager
async def running_service(settings: Settings, local: LocalModels) -> AsyncIterator[Running]:
    service = Running(settings, local)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    with chat_server(ChatServer(reply=REPLY, delay_s=0.2)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        yield server


def settings_of_one(logins: DatabaseLogins, **changes: object) -> Settings:
    fields: dict[str, object] = {
        "port": free_port(),
        "chat_model": MODEL,
        "rate_limits": "off",
        "shutdown_pause_s": PAUSE_S,
        "db_connections": 4,
        "migrate_on_start": False,
    }
    return settings_for(logins, **(fields | changes))


async def test_no_request_fails_while_two_services_are_restarted_in_turn(
    logins: DatabaseLogins, local_models: LocalModels, model: ChatServer
) -> None:
    async with AsyncExitStack() as stack:
        services = [
            await stack.enter_async_context(running_service(settings_of_one(logins), local_models))
            for _ in range(2)
        ]
        proxy = await stack.enter_async_context(
            running_proxy([service.url for service in services], look_s=LOOK_S)
        )
        async with httpx.AsyncClient(base_url=proxy.url, timeout=60) as client:
            await ingest_text(client, POLICY, title="Leave policy")
            seen = await stack.enter_async_context(traffic(proxy.url, per_second=10))
            for service in services:
                await asyncio.sleep(0.3)
                service.begin_to_stop()
                await noticed(proxy, service.url, ready=False)
                still = await client.get(f"{service.url}/health/live")
                assert still.status_code == 200, "it answers on until nothing new comes"
                await service.stop()
                await service.start()
                await noticed(proxy, service.url, ready=True)
    assert seen.failures == []
    assert seen.stream_ends == {"done": seen.sent["stream"]}
    assert min(seen.sent.values()) >= 1
    assert min(proxy.sent[service.url] for service in services) > 2


async def test_what_is_not_finished_in_time_ends_in_an_error_that_says_so(
    logins: DatabaseLogins, local_models: LocalModels, model: ChatServer
) -> None:
    settings = settings_of_one(logins, shutdown_pause_s=0.8, shutdown_grace_s=0.3)
    async with (
        running_service(settings, local_models) as service,
        httpx.AsyncClient(base_url=service.url, timeout=20) as client,
    ):
        await ingest_text(client, POLICY, title="Leave policy")
        assert (await client.get("/health/ready")).status_code == 200
        model.open.clear()
        chat = {"query": QUESTION}
        whole = asyncio.create_task(client.post("/chat", json=chat))
        async with client.stream("POST", "/chat", json={**chat, "stream": True}) as stream:
            events = read_events(stream)
            assert (await anext(events)).name == "meta"
            await until_true(lambda: len(model.calls) == 2)
            service.begin_to_stop()
            await asyncio.sleep(0.2)  # it notices within a tenth of a second
            ready, live = await client.get("/health/ready"), await client.get("/health/live")
            last = [event async for event in events][-1]
        answer = await whole
        model.open.set()
    assert (ready.status_code, ready.json()["checks"]) == (503, {"process": "stopping"})
    assert live.status_code == 200
    assert (last.name, last.data["code"], last.data["status"]) == ("error", "unavailable", 503)
    assert last.data["partial"] is False
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]


async def test_a_service_that_has_much_to_do_stays_ready(logins: DatabaseLogins, tenant_id: UUID) -> None:
    """Taken for dead, it would leave what it has to others, who have enough themselves."""
    async with open_database(logins, app_connections=2) as busy, AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(busy.tenant(tenant_id))
        assert busy.pools()[0].in_use == 2
        async with asyncio.timeout(2):
            await busy.ping()
        assert busy.pools()[0].in_use == 2, "it was none of these connections that answered"


async def test_jobs_are_handed_back_when_the_end_begins_and_not_when_it_is_over(
    database: Database, tenant_id: UUID
) -> None:
    begun, stop = asyncio.Event(), asyncio.Event()

    async def endless(claim: Claim, report: Report) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with database.tenant(tenant_id) as connection:
        job_id = await jobs.add(connection, tenant_id, NewJob("endless", {}))
    worker = Worker(database, {"endless": endless}, slots=1, wake=asyncio.Event())
    async with running(worker, stop=stop):
        await begun.wait()
        stop.set()
        job = await until(database, tenant_id, job_id, lambda job: job.state is JobState.QUEUED)
    assert job.attempts == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_request_fails_while_two_processes_are_restarted_at_50_requests_a_second() -> None:
    found = await measure(rounds=2)
    print(rows_of(found))  # noqa: T201 - figures for people
    assert found.seen.failures == []
    assert found.restarts == 4
    assert min(found.seen.sent.values()) > 10
