"""What five tenants do with one database, each of them looking for what the others left there."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.ingestion.queue import IdempotencyKey, IngestionQueue, Upload, delete_document, part_of
from app.privacy.field_keys import FieldKeys
from db.repositories import conversations, jobs, sources, tenants, traces, uploads, usage
from db.repositories.conversations import StoredCitation
from db.repositories.jobs import JobState
from db.repositories.traces import Trace
from db.repositories.usage import Grouping, RequestKind
from db.stores import PostgresChunkSearch, PostgresSourceStore
from feedback.collect import FeedbackCollector, Rating
from rag.analysis import analyse
from rag.errors import ConflictError, NotFoundError
from rag.models.catalog import Operation as ModelOperation
from rag.models.usage import ModelUse
from rag.ports import SearchQuery, SearchScope, SourceLabels
from tests.integration.db.corpus import new_version, unit_vector
from tests.integration.db.tenant_world import Call, Kind


async def ingest(call: Call) -> object:
    canary = call.tenant.canary
    store = PostgresSourceStore(call.database, call.world.space)
    new = new_version(
        f"shared-name-{call.pick % 4}",
        [f"carry over vacation days {canary}", f"remote work abroad {canary} {call.pick}"],
        title=f"Handbook {canary}",
        metadata={"owner": canary},
        seed=call.pick,
    )
    known = await store.known_vectors(call.tenant.writer, new.text_digests)
    stored = await store.add_version(call.tenant.writer, new)
    call.add(Kind.DOCUMENT, stored.document_id)
    return [known, await store.find(call.tenant.writer, new.labels.source_document_id)]


async def search_words(call: Call) -> object:
    """By a word that all share and one that only the other tenant has."""
    query = SearchQuery(vector=None, words=analyse(f"vacation {call.other.canary}"), limit=50)
    found = await PostgresChunkSearch(call.database, call.world.space).search(
        SearchScope(call.tenant.id), query
    )
    return [passage.passage for passage in found.passages]


async def search_vector(call: Call) -> object:
    """By the very vector that another tenant may have stored."""
    query = SearchQuery(vector=unit_vector(call.pick), words=analyse("remote work"), limit=50)
    found = await PostgresChunkSearch(call.database, call.world.space).search(
        SearchScope(call.tenant.id), query
    )
    return [passage.passage for passage in found.passages]


async def list_documents(call: Call) -> object:
    async with call.database.tenant(call.tenant.id) as connection:
        by_name = await sources.by_name(connection, call.tenant.id, (), f"shared-name-{call.pick % 4}")
        return [by_name, await sources.page(connection, call.tenant.id, (), limit=200)]


async def list_anothers_documents(call: Call) -> object:
    """The tenant's connection with another's id, as a mistake in a route would ask."""
    async with call.database.tenant(call.tenant.id) as connection:
        return await sources.page(connection, call.other.id, (), limit=200)


async def get_document(call: Call) -> object:
    own, document_id = call.any_of(Kind.DOCUMENT)
    async with call.database.tenant(call.tenant.id) as connection:
        row = await sources.get(connection, call.tenant.id, (), document_id)
        text = await sources.text(connection, (), document_id)
    assert own or (row, text) == (None, None)
    return [row, text]


async def change_document(call: Call) -> object:
    own, document_id = call.any_of(Kind.DOCUMENT)
    async with call.database.tenant(call.tenant.id) as connection:
        row = await sources.change(
            connection,
            call.tenant.id,
            (),
            document_id,
            metadata={"by": call.tenant.canary},
            acl=None,
            uri=None,
        )
    assert own or row is None
    return row


async def remove_document(call: Call) -> object:
    own, document_id = call.any_of(Kind.DOCUMENT)
    if own:
        with suppress(NotFoundError):  # deleted a moment ago
            await delete_document(call.database, call.tenant.id, (), document_id)
    else:
        with pytest.raises(NotFoundError):
            await delete_document(call.database, call.tenant.id, (), document_id)
    return None


async def converse(call: Call) -> object:
    """A question and its answer, under a request id that other tenants use too."""
    tenant_id, canary = call.tenant.id, call.tenant.canary
    own, document_id = call.any_of(Kind.DOCUMENT)
    async with call.database.tenant(tenant_id) as connection:
        conversation = await conversations.start(connection, tenant_id, subject=f"key:{canary}")
        trace_id = await traces.add(connection, tenant_id, _trace(call, conversation))
        citation = StoredCitation(1, call.tenant.id, document_id, f"Yes {canary}.", canary, 0, 5)
        await conversations.add_message(
            connection,
            tenant_id,
            message_id=uuid4(),
            conversation_id=conversation,
            trace_id=trace_id,
            role="assistant",
            content=f"Yes {canary}.",
            citations=[citation] if own else [],
        )
    call.add(Kind.CONVERSATION, conversation)
    return None


def _trace(call: Call, conversation: UUID) -> Trace:
    canary = call.tenant.canary
    return Trace(
        request_id=f"request-{call.pick % 4}",
        conversation_id=conversation,
        subject=f"key:{canary}",
        user_id=None,
        strategy="auto",
        query=f"May I carry days over? {canary}",
        answer=f"Yes {canary}.",
        retrieved=[],
        citations=[{"quote": canary}],
        prompt_version="1",
        corpus_version=1,
        models={},
        usage={},
        timings_ms={},
        degraded=[],
        abstained=False,
        error=None,
    )


async def look_into_conversation(call: Call) -> object:
    own, conversation = call.any_of(Kind.CONVERSATION)
    async with call.database.tenant(call.tenant.id) as connection:
        subject = await conversations.subject_of(connection, conversation)
    assert own or subject is None
    return subject


async def find_traces(call: Call) -> object:
    async with call.database.tenant(call.tenant.id) as connection:
        return await traces.of_request(connection, call.tenant.id, f"request-{call.pick % 4}")


async def rate(call: Call) -> object:
    """Whatever answer comes first, so that nothing but the wall is between the caller and another's."""
    rating = Rating(f"request-{call.pick % 4}", rating=1, comment=call.tenant.canary)
    with suppress(NotFoundError):
        collector = FeedbackCollector(call.database, FieldKeys(call.database, {}, None))
        await collector.collect(call.tenant.id, rating, is_own=lambda subject: True)
    return None


async def submit_job(call: Call) -> object:
    canary = call.tenant.canary
    labels = SourceLabels(f"shared-name-{call.pick % 4}", title=canary)
    upload = Upload(labels, parts=part_of(canary.encode()), filename=f"{canary}.txt", is_text=True)
    once = IdempotencyKey(f"key-{call.pick % 8}", b"the same request")
    with suppress(ConflictError):  # the job of that key was deleted
        (job,) = await IngestionQueue(call.database).submit(call.tenant.writer, [upload], idempotency=once)
        call.add(Kind.JOB, job.id)
        return job
    return None


async def list_jobs(call: Call) -> object:
    queue = IngestionQueue(call.database)
    await queue.counts(call.tenant.id)
    return await queue.page(call.tenant.id, limit=200)


async def change_job(call: Call) -> object:
    own, job_id = call.any_of(Kind.JOB)
    queue = IngestionQueue(call.database)
    action = (queue.get, queue.cancel, queue.retry, queue.delete)[call.pick % 4]
    if own:
        with suppress(NotFoundError, ConflictError):
            await action(call.tenant.id, job_id)
    else:
        with pytest.raises(NotFoundError):
            await action(call.tenant.id, job_id)
    return None


async def work(call: Call) -> object:
    """A worker takes any tenant's job, then works as that tenant."""
    async with call.database.system() as connection:
        claim = await jobs.claim(connection, kinds=["ingest"], worker="test", lease=timedelta(minutes=5))
    if claim is None:
        return None
    owner = next((tenant for tenant in call.world.tenants if tenant.id == claim.tenant_id), None)
    if owner is None:  # what another test of this database left
        return None
    assert owner.canary in str(claim.payload)
    with suppress(jobs.LeaseLostError):
        async with call.database.tenant(claim.tenant_id) as connection:
            await jobs.hold(connection, claim)
            await jobs.end(connection, claim, JobState.SUCCEEDED, result={"owner": owner.canary})
    return None


async def note_upload(call: Call) -> object:
    async with call.database.tenant(call.tenant.id) as connection:
        upload_id = await uploads.add(connection, call.tenant.id, {"filename": call.tenant.canary})
    call.add(Kind.UPLOAD, upload_id)
    return None


async def look_into_upload(call: Call) -> object:
    own, upload_id = call.any_of(Kind.UPLOAD)
    async with call.database.tenant(call.tenant.id) as connection:
        found = await uploads.find(connection, call.tenant.id, upload_id)
        await uploads.complete(connection, call.tenant.id, upload_id, upload_id)
    assert own or found is None
    return found


async def enter_usage(call: Call) -> object:
    use = ModelUse(f"test:{call.tenant.canary}", ModelOperation.CHAT, input_tokens=call.pick)
    async with call.database.tenant(call.tenant.id) as connection:
        await usage.add(connection, call.tenant.id, RequestKind.CHAT, [use])
    return None


async def report_usage(call: Call) -> object:
    today = datetime.now(UTC).date()
    async with call.database.tenant(call.tenant.id) as connection:
        return [
            await usage.report(
                connection,
                tenant_id,
                first=today - timedelta(days=1),
                last=today + timedelta(days=1),
                grouping=Grouping.MODEL,
            )
            for tenant_id in (call.tenant.id, call.other.id)
        ]


async def change_settings(call: Call) -> object:
    async with call.database.tenant(call.tenant.id) as connection:
        for tenant in {call.tenant, call.other}:
            await tenants.set_ingestion(connection, tenant.id, {"owner": call.tenant.canary})
        return [await tenants.ingestion(connection, tenant.id) for tenant in (call.tenant, call.other)]


async def write_for_another(call: Call) -> object:
    if call.other is not call.tenant:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with call.database.tenant(call.tenant.id) as connection:
                await conversations.start(connection, call.other.id, subject=call.tenant.canary)
    return None


OPERATIONS: tuple[Callable[[Call], Awaitable[object]], ...] = (
    ingest,
    search_words,
    search_vector,
    list_documents,
    list_anothers_documents,
    get_document,
    change_document,
    remove_document,
    converse,
    look_into_conversation,
    find_traces,
    rate,
    submit_job,
    list_jobs,
    change_job,
    work,
    note_upload,
    look_into_upload,
    enter_usage,
    report_usage,
    change_settings,
    write_for_another,
)
