"""Documents follow their bucket: S3's events by way of SQS, against moto's server."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from app.ingestion.events import ObjectEventConsumer, following
from app.ingestion.queue import IngestionQueue
from app.ingestion.sync import Synced, Synchronizer
from app.services import Services, open_services
from db.addresses import DatabaseLogins
from db.repositories.jobs import Job, JobState
from rag.errors import UnavailableError
from rag.models.local import LocalModels
from rag.ports import SourceLabels
from rag.sources.s3 import S3Source
from rag.sources.s3_queue import EventQueue
from tests.integration.app.aws import BUCKET, Aws, moto_aws
from tests.integration.conftest import running_service, settings_for
from tests.unit.rag.sources.s3 import failing_s3

FOREIGN = """
INSERT INTO source_documents (tenant_id, source_document_id, title, mime_type, content_sha256, origin,
                              current_version)
VALUES ($1, $2, 'Wiki', 'text/plain', 'x', 'git+https://host/wiki', 1)
"""
SECOND = 1  # a visibility timeout short enough to wait for
LATEST = {"sequencer": "0B"}


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with moto_aws() as opened:
        yield opened


@pytest.fixture(scope="module")
async def services(aws: Aws, logins: DatabaseLogins, local_models: LocalModels) -> AsyncIterator[Services]:
    """Services that follow the bucket."""
    settings = settings_for(logins, documents_bucket=BUCKET, events_queue_url=aws.queue_url)
    async with open_services(settings, local=local_models) as opened:
        yield opened


async def until(holds: Callable[[], Awaitable[bool]], *, seconds: float = 100) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)


async def jobs_of(services: Services, key: str) -> list[Job]:
    tenant_id = services.default_identity.tenant_id
    return await services.queue.page(tenant_id, limit=50, source_document_id=key)


async def until_jobs(services: Services, key: str, count: int) -> list[Job]:
    """So many jobs on the document, newest first, all of them ended."""

    async def ended() -> bool:
        jobs = await jobs_of(services, key)
        return len(jobs) >= count and all(job.state.is_final for job in jobs)

    await until(ended)
    jobs = await jobs_of(services, key)
    assert len(jobs) == count
    return jobs


def result_of(job: Job) -> dict[str, Any]:
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result is not None
    return job.result


async def until_empty(aws: Aws) -> None:
    async def empty() -> bool:
        return await asyncio.to_thread(aws.waiting, aws.queue_url) == 0

    await until(empty)


async def found(services: Services, words: str) -> set[str]:
    answer = await services.spaces.retrieve(words, services.default_identity.scope(), top_k=20)
    return {hit.passage.source_document_id for hit in answer.passages if words in hit.passage.text}


def event(key: str, kind: str = "ObjectCreated:Put", **more: str) -> dict[str, Any]:
    bucket = {"name": BUCKET}
    record = {
        "eventSource": "aws:s3",
        "eventName": kind,
        "s3": {"bucket": bucket, "object": {"key": key} | more},
    }
    return {"Records": [record]}


async def queue_of(aws: Aws, name: str) -> str:
    """A queue of the test's own, with the same queue for the dead."""

    def make() -> str:
        attributes = aws.sqs.get_queue_attributes(QueueUrl=aws.queue_url, AttributeNames=["RedrivePolicy"])
        policy = {"RedrivePolicy": attributes["Attributes"]["RedrivePolicy"]}
        return str(aws.sqs.create_queue(QueueName=name, Attributes=policy)["QueueUrl"])

    return await asyncio.to_thread(make)


def consumer_of(
    services: Services, events: EventQueue | str, *, queue: IngestionQueue | None = None
) -> ObjectEventConsumer:
    if isinstance(events, str):
        events = EventQueue(events, visible_after_s=SECOND, poll_s=1)
    writer = services.default_identity.writer()
    return ObjectEventConsumer(events, queue or services.queue, writer, bucket=BUCKET)


async def test_an_object_that_is_put_overwritten_and_deleted_is_followed(
    services: Services, aws: Aws
) -> None:
    key = "rules/bees & wasps ü.md"
    await asyncio.to_thread(aws.put, key, "# Bees\n\nThe hives are opened in May.\n")
    (first,) = await until_jobs(services, key, 1)
    assert result_of(first)["version"] == 1
    assert await found(services, "opened in May") == {key}

    await asyncio.to_thread(aws.put, key, "# Bees\n\nThe hives are opened in June.\n")
    second, _ = await until_jobs(services, key, 2)
    assert result_of(second)["version"] == 2
    assert await found(services, "opened in May") == set()
    assert await found(services, "opened in June") == {key}

    await asyncio.to_thread(aws.delete, key)
    third, *_ = await until_jobs(services, key, 3)
    assert result_of(third)["removed"]
    assert await found(services, "opened in June") == set()
    await until_empty(aws)


async def test_a_change_that_is_told_twice_is_one_job(services: Services, aws: Aws) -> None:
    key = "twice.md"
    await asyncio.to_thread(aws.put, key, "The boat leaves at nine every morning.")
    await until_jobs(services, key, 1)
    for _ in range(3):
        await asyncio.to_thread(aws.send, event(key, **LATEST))
    await until_empty(aws)
    newest, _ = await until_jobs(services, key, 2)
    assert result_of(newest)["unchanged"]


async def test_late_events_do_no_harm(services: Services, aws: Aws) -> None:
    there, gone = "late/there.md", "late/gone.md"
    await asyncio.to_thread(aws.put, there, "The lighthouse is painted every third year.")
    await until_jobs(services, there, 1)
    await asyncio.to_thread(aws.send, event(there, "ObjectRemoved:Delete", sequencer="01"))
    await asyncio.to_thread(aws.send, event(gone, "ObjectCreated:Put", sequencer="02"))
    kept, _ = await until_jobs(services, there, 2)
    assert result_of(kept)["unchanged"]
    assert "removed" not in result_of(kept)
    (nothing,) = await until_jobs(services, gone, 1)
    assert nothing.state is JobState.SUCCEEDED
    assert await found(services, "painted every third year") == {there}


async def test_event_bridge_and_sns_are_understood(services: Services, aws: Aws) -> None:
    key = "bridged +%20.md"
    await asyncio.to_thread(aws.put, key, "The ferry takes bicycles free of charge.")
    await until_jobs(services, key, 1)
    detail = {"bucket": {"name": BUCKET}, "object": {"key": key, "sequencer": "0C"}}
    await asyncio.to_thread(aws.send, {"source": "aws.s3", "detail-type": "Object Created", "detail": detail})
    jobs = await until_jobs(services, key, 2)
    assert {job.state for job in jobs} == {JobState.SUCCEEDED}


async def test_what_is_none_of_our_documents_is_deleted_without_a_job(services: Services, aws: Aws) -> None:
    tenant = services.default_identity.tenant_id
    foreign = event("foreign.md")
    foreign["Records"][0]["s3"]["bucket"]["name"] = "other"
    for body in (
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET},
        {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectTagging:Put"}]},
        {"something": "else"},
        foreign,
        event("folder/"),
        event(".hidden"),
        event("film.mp4"),
        event(f"uploads/{tenant}/{tenant}/a.md"),
    ):
        await asyncio.to_thread(aws.send, body)
    await until_empty(aws)
    for key in ("foreign.md", "folder/", ".hidden", "film.mp4", f"uploads/{tenant}/{tenant}/a.md"):
        assert await jobs_of(services, key) == []


async def test_events_keys_and_a_sync_mean_the_same_document(
    services: Services, aws: Aws, logins: DatabaseLogins, local_models: LocalModels
) -> None:
    by_event, by_key, in_folder = "same/event.md", "same/key.md", "same/folder.md"
    for key in (by_event, by_key, in_folder):
        await asyncio.to_thread(aws.put, key, f"What is said of {key}, and a little more than that.")
        await until_jobs(services, key, 1)
    settings = settings_for(logins, documents_bucket=BUCKET, role="api")
    async with running_service(settings, local_models) as client:
        again = await client.post("/ingest", params={"wait": 60}, json={"s3_key": by_key})
    assert again.json()["unchanged"], again.text

    def synchronizer(prefix: str = "") -> Synchronizer:
        writer = services.default_identity.writer()
        return Synchronizer(services.database, services.queue, writer, SourceLabels(prefix))

    whole = await synchronizer().plan(S3Source(BUCKET, "", max_bytes=1000))
    same = {entry.name for entry in whole.unchanged}
    assert {by_event, by_key, in_folder} <= same
    assert (whole.added, whole.changed, whole.removed) == ((), (), ())

    source = S3Source(BUCKET, "same", max_bytes=1000)
    outcomes: list[Synced] = []
    await synchronizer("same/").apply(source, await synchronizer("same/").plan(source), done=outcomes.append)
    assert {outcome.outcome for outcome in outcomes} == {"unchanged"}
    await asyncio.to_thread(aws.delete, in_folder)
    removed, *_ = await until_jobs(services, in_folder, 3)
    assert result_of(removed)["removed"]


async def test_a_closed_document_is_followed_and_stays_closed(services: Services, aws: Aws) -> None:
    key = "closed.md"
    writer = services.default_identity.writer()
    await asyncio.to_thread(aws.put, key, "The safe is opened by two people at a time.")
    await until_jobs(services, key, 1)
    async with services.database.tenant(writer.tenant_id) as connection:
        await connection.execute(
            "UPDATE source_documents SET acl = '{board}' WHERE source_document_id = $1", key
        )
    await asyncio.to_thread(aws.put, key, "The safe is opened by three people at a time.")
    second, _ = await until_jobs(services, key, 2)
    assert second.state is JobState.SUCCEEDED, second.error
    async with services.database.tenant(writer.tenant_id) as connection:
        acl = "SELECT acl FROM source_documents WHERE source_document_id = $1"
        assert await connection.fetchval(acl, key) == ["board"]
        await asyncio.to_thread(aws.delete, key)
    third, *_ = await until_jobs(services, key, 3)
    assert result_of(third)["removed"]


async def test_a_document_of_another_origin_is_left_alone(services: Services, aws: Aws) -> None:
    name, writer = "wiki.md", services.default_identity.writer()
    async with services.database.tenant(writer.tenant_id) as connection:
        await connection.execute(FOREIGN, writer.tenant_id, name)
    await asyncio.to_thread(aws.put, name, "Something else of the same name.")
    (job,) = await until_jobs(services, name, 1)
    assert (job.state, job.error_code) == (JobState.FAILED, "conflict")
    assert "git+https://host/wiki" in (job.error or "")
    await asyncio.to_thread(aws.delete, name)
    job, _ = await until_jobs(services, name, 2)
    assert not result_of(job)["removed"]
    async with services.database.tenant(writer.tenant_id) as connection:
        known = "SELECT count(*) FROM source_documents WHERE source_document_id = $1"
        assert await connection.fetchval(known, name) == 1


async def test_a_message_that_can_not_be_read_ends_among_the_dead_and_blocks_nobody(
    services: Services, aws: Aws
) -> None:
    own = await queue_of(aws, "poison")
    await asyncio.to_thread(aws.put, "beside-poison.md", "The well is cleaned before the summer.")
    await until_jobs(services, "beside-poison.md", 1)
    bodies: list[object] = ["{", {"Records": [{}]}, event("beside-poison.md", sequencer="0D")]
    for body in bodies:
        await asyncio.to_thread(aws.send, body, own)
    async with following(consumer_of(services, own)):
        await until_jobs(services, "beside-poison.md", 2)

        async def dead() -> bool:
            return await asyncio.to_thread(aws.waiting, aws.dead_url) == 2

        await until(dead)
        assert await asyncio.to_thread(aws.waiting, own) == 0


async def test_a_consumer_that_polls_is_stopped_at_once(services: Services, aws: Aws) -> None:
    own = await queue_of(aws, "silent")
    async with following(consumer_of(services, EventQueue(own))):
        await asyncio.sleep(1)  # in the middle of its twenty seconds
        began = time.monotonic()
    assert time.monotonic() - began < 10
    # What the abandoned poll still receives is given back to others, not kept for a minute.
    await asyncio.to_thread(aws.send, event("a.md"), own)
    await asyncio.sleep(1)
    events = EventQueue(own, poll_s=1)
    received = []

    async def comes() -> bool:
        received.extend(await events.receive())
        return bool(received)

    await until(comes)
    await events.delete(received)


class FullQueue(IngestionQueue):
    """Has no room for a while."""

    full = 3

    async def submit(self, *args: Any, **more: Any) -> list[Job]:
        if self.full:
            self.full -= 1
            raise UnavailableError("100000 documents wait to be taken in: try again later")
        return await super().submit(*args, **more)


async def test_a_message_stays_ours_until_there_is_room_for_its_job(services: Services, aws: Aws) -> None:
    own = await queue_of(aws, "full")
    await asyncio.to_thread(aws.send, event("no-such.md", sequencer="0E"), own)
    async with following(consumer_of(services, own, queue=FullQueue(services.database))):
        await asyncio.sleep(SECOND)
        assert await EventQueue(own, poll_s=1).receive() == []
        await until_jobs(services, "no-such.md", 1)
    assert await asyncio.to_thread(aws.waiting, own) == 0


@pytest.mark.parametrize("trouble", ["gone", "denied", "down"])
async def test_without_its_queue_the_service_goes_on(
    aws: Aws, logins: DatabaseLogins, local_models: LocalModels, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    with failing_s3() as server:
        url = f"{aws.queue_url}-none"
        if trouble == "denied":
            server.fail(403, "AccessDenied")
            monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.url)
        elif trouble == "down":
            monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")
        settings = settings_for(logins, documents_bucket=BUCKET, events_queue_url=url)
        async with running_service(settings, local_models) as client:
            await asyncio.sleep(1)
            ready: httpx.Response = await client.get("/health/ready")
            assert ready.status_code == 200, ready.text


async def test_trouble_is_logged_when_it_begins_and_when_it_is_over(services: Services, aws: Aws) -> None:
    own = f"{aws.queue_url}-later"
    with capture_logs() as logs:
        async with following(consumer_of(services, own)):
            await asyncio.sleep(3)  # it is tried several times
            await queue_of(aws, "events-later")

            async def over() -> bool:
                return any(entry["event"] == "events_available" for entry in logs)

            await until(over)
    told = [entry["event"] for entry in logs if entry["event"].startswith("events_")]
    assert told == ["events_unavailable", "events_available"]
