"""Objects of every kind that a request can name, made for one caller in the state that a route needs."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from app.access.api_keys import ApiKeys, KeyRequest
from app.access.identity import Identity
from app.audit import Audit
from app.evaluation.storage import case_fields, judge, store
from app.ingestion.queue import IdempotencyKey, IngestionQueue, Upload, part_of
from app.ingestion.uploads import NewUpload
from app.privacy.person import Person
from db.pool import Connection, Database
from db.repositories import (
    conversations,
    curated,
    evaluations,
    events,
    experiments,
    exposures,
    feedback,
    jobs,
    schedules,
    shadow_results,
    traces,
    uploads,
    usage,
)
from db.repositories.conversations import StoredCitation
from db.repositories.curated import CuratedFields, Unembedded
from db.repositories.events import EventKind
from db.repositories.experiments import ExperimentKind, Guard, NewExperiment, Variant
from db.repositories.exposures import Exposure
from db.repositories.feedback import FeedbackFilter, Verdict
from db.repositories.jobs import NewJob
from db.repositories.schedules import Schedule
from db.repositories.shadow_results import ShadowResult
from db.repositories.spaces import Space
from db.repositories.traces import Trace
from db.repositories.usage import RequestKind
from db.stores import PostgresSourceStore
from rag.models.catalog import Operation as ModelOperation
from rag.models.usage import ModelUse
from rag.ports import SourceLabels, Writer
from rag.sources.object_keys import upload_key
from tests.integration.app.access import KeyMaker
from tests.integration.app.aws import Aws
from tests.integration.db.corpus import new_version, unit_vector
from tests.unit.eval.runs import HASH, make_case, make_run

# The job that a route works on: its kind and state, by the beginning of the path, longest first.
JOBS = {
    "/admin/quarantine": ("ingest", "quarantined"),
    "/admin/exports/{job_id}/download": ("export", "succeeded"),
    "/me/exports/{job_id}/download": ("export", "succeeded"),
    "/admin/exports": ("export", "queued"),
    "/me/exports": ("export", "queued"),
    "/admin/erasures": ("erase", "queued"),
    "/ingest/{job_id}/retry": ("ingest", "cancelled"),
    "/ingest": ("ingest", "queued"),
}
END_JOB = """
UPDATE jobs SET state = $2, result = $3, finished_at = CASE WHEN $2 = 'queued' THEN NULL ELSE now() END
WHERE id = $1
"""

ADD_SLOT = "INSERT INTO rate_slots (tenant_id, scope, slot, taken) VALUES ($1, $2, 0, 1)"
ADD_ERASURE = "INSERT INTO erasures (tenant_id, person_digest) VALUES ($1, $2)"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an object is to be: a tenant's, and there a subject's. `word` is in all of its texts."""

    tenant_id: UUID
    subject: str
    word: str = "nothing"
    acl: tuple[str, ...] = ()

    @property
    def identity(self) -> Identity:
        return Identity(self.tenant_id, subject=self.subject)


@dataclass(slots=True)
class Objects:
    """Makes objects past HTTP."""

    database: Database
    space: Space
    aws: Aws
    keys: ApiKeys
    makers: dict[str, Callable[[Owner, str], Awaitable[UUID | str]]] = field(init=False)

    def __post_init__(self) -> None:
        self.makers = {
            "document_id": self._document,
            "job_id": self._job,
            "upload_id": self._upload,
            "conversation_id": self._conversation,
            "request_id": self._request,
            "feedback_id": self._feedback,
            "curated_id": self._curated,
            "key_id": self._key,
            "eval_run_id": self._evaluation,
            "experiment_id": self._experiment,
            "tenant_id": self._tenant,
            "subject": self._subject,
        }

    async def make(self, name: str, owner: Owner, *, path: str) -> UUID | str:
        """An object of the kind that a parameter of that name stands for, to be used on that route."""
        assert name in self.makers, f"nothing makes what {name} of {path} names: add it to Objects"
        return await self.makers[name](owner, path)

    async def fill(self, owner: Owner) -> None:
        """Something in every table of a tenant that requests write to."""
        tenant_id, word = owner.tenant_id, owner.word
        for name in set(self.makers) - {"tenant_id", "subject"}:
            await self.make(name, owner, path="/ingest")
        upload = Upload(SourceLabels(word), parts=part_of(word.encode()), filename=word, is_text=True)
        once = IdempotencyKey(word, b"the same request")
        await IngestionQueue(self.database).submit(Writer(tenant_id), [upload], idempotency=once)
        use = ModelUse(word, ModelOperation.CHAT)
        async with self.database.tenant(tenant_id) as connection:
            await usage.add(connection, tenant_id, RequestKind.CHAT, [use])
            await connection.execute(ADD_SLOT, tenant_id, word)
            await connection.execute(ADD_ERASURE, tenant_id, word)
        await Audit(self.database).record(owner.identity, word, object_type=word, object_id=word)
        async with self.database.system() as connection:
            await schedules.ensure(connection, Schedule(name=word, kind=word, every=timedelta(days=1)))

    async def _document(self, owner: Owner, path: str) -> UUID:
        new = new_version(
            f"{owner.word}-{uuid4().hex}",
            [f"{owner.word}: When the sun rises, the heron crosses the river at dawn."],
            title=f"Heron {owner.word}",
            metadata={"owner": owner.word},
            acl=owner.acl,
        )
        store = PostgresSourceStore(self.database, self.space)
        return (await store.add_version(Writer(owner.tenant_id), new)).document_id

    async def _job(self, owner: Owner, path: str) -> UUID:
        beginning = max((known for known in JOBS if path.startswith(known)), key=len)
        kind, state = JOBS[beginning]
        payload: dict[str, Any] = {"owner": owner.word}
        if kind != "ingest":
            payload = Person(owner.subject).payload
        result = {"parts": 0} if state == "succeeded" else None
        async with self.database.tenant(owner.tenant_id) as connection:
            new = NewJob(kind, payload, source_document_id=f"{owner.word}-{uuid4().hex}")
            job_id = await jobs.add(connection, owner.tenant_id, new)
            await connection.execute(END_JOB, job_id, state, result)
        return job_id

    async def _upload(self, owner: Owner, path: str) -> UUID:
        new = NewUpload(SourceLabels(f"{owner.word}-{uuid4().hex}"), f"{owner.word}.txt", byte_size=5)
        async with self.database.tenant(owner.tenant_id) as connection:
            upload_id = await uploads.add(connection, owner.tenant_id, asdict(new))
        self.aws.put(upload_key(owner.tenant_id, upload_id, new.filename), "heron")
        return upload_id

    async def _conversation(self, owner: Owner, path: str) -> UUID:
        async with self.database.tenant(owner.tenant_id) as connection:
            return await conversations.start(connection, owner.tenant_id, subject=owner.subject)

    async def _request(self, owner: Owner, path: str) -> str:
        """An answer that was given and rated, by its request's id."""
        request_id, tenant_id = f"{owner.word}-{uuid4().hex}", owner.tenant_id
        conversation = await self._conversation(owner, path)
        async with self.database.tenant(tenant_id) as connection:
            trace_id = await traces.add(connection, tenant_id, _trace(request_id, conversation, owner))
            citation = StoredCitation(1, uuid4(), uuid4(), owner.word, owner.word, 0, 1)
            await conversations.add_message(
                connection,
                tenant_id,
                message_id=uuid4(),
                conversation_id=conversation,
                trace_id=trace_id,
                role="assistant",
                content=owner.word,
                citations=[citation],
            )
            await _rate(connection, tenant_id, trace_id, owner)
            known = await events.hold(connection, trace_id, owner.word)
            assert not known.has
            await events.add(
                connection, tenant_id, trace_id, owner.word, EventKind.CLICK, document_id=None, value=None
            )
        return request_id

    async def _feedback(self, owner: Owner, path: str) -> UUID:
        request_id = await self._request(owner, path)
        async with self.database.tenant(owner.tenant_id) as connection:
            found = await feedback.page(connection, owner.tenant_id, (), FeedbackFilter(), limit=200)
        return next(row.id for row in found if row.request_id == request_id)

    async def _curated(self, owner: Owner, path: str) -> UUID:
        """A curated answer, by a question that nobody asks."""
        new = CuratedFields(question=f"{owner.word} {uuid4()}?", answer=owner.word, acl=owner.acl)
        async with self.database.tenant(owner.tenant_id) as connection:
            curated_id = await curated.add(connection, owner.tenant_id, new, created_by=owner.subject)
            asked, vector = Unembedded(curated_id, new.question), unit_vector(1)
            await curated.set_vector(connection, owner.tenant_id, asked, self.space.id, vector)
        return curated_id

    async def _key(self, owner: Owner, path: str) -> UUID:
        return (await self.keys.create(owner.identity, KeyRequest(f"Key of {owner.word}"))).key.id

    async def _evaluation(self, owner: Owner, path: str) -> UUID:
        """A run that has ended."""
        tenant_id, case = owner.tenant_id, make_case(1, {"token_f1": 1.0}, answer=owner.word)
        new = evaluations.NewRun(
            created_by=owner.subject,
            groups=owner.acl,
            dataset_path=f"{owner.word}.jsonl",
            dataset_sha256=HASH,
            model_version=owner.word,
        )
        async with self.database.tenant(tenant_id) as connection:
            run_id = await evaluations.add(connection, tenant_id, new)
            await evaluations.keep_case(connection, tenant_id, run_id, case.id, case_fields(case))
            await store(connection, run_id, judge(make_run([case], run_id=owner.word), None))
        return run_id

    async def _experiment(self, owner: Owner, path: str) -> UUID:
        """A draft that somebody was exposed to all the same, with what a candidate said."""
        tenant_id, request_id = owner.tenant_id, await self._request(owner, path)
        variants = (Variant(owner.word), Variant("challenger", settings={"top_k": 3}))
        guard = Guard(min_samples=1)
        new = NewExperiment(f"x{uuid4().hex}", ExperimentKind.SPLIT, variants, 1.0, owner.word, guard)
        async with self.database.tenant(tenant_id) as connection:
            experiment_id = await experiments.add(connection, tenant_id, new, owner.subject)
            assert experiment_id
            moment = datetime.now(UTC)
            exposure = Exposure(experiment_id, owner.subject, None, owner.word, moment)
            await exposures.expose(connection, tenant_id, exposure)
            (trace,) = await traces.of_request(connection, tenant_id, request_id)
            await shadow_results.add(connection, tenant_id, _shadow_result(experiment_id, trace.id, owner))
        return experiment_id

    async def _tenant(self, owner: Owner, path: str) -> UUID:
        """Another one each time: routes delete it. It says that it belongs to nobody."""
        return await KeyMaker(self.database).tenant(f"{owner.word}-{uuid4().hex[:8]}")

    async def _subject(self, owner: Owner, path: str) -> str:
        return owner.subject


async def _rate(connection: Connection, tenant_id: UUID, trace_id: UUID, owner: Owner) -> None:
    """What somebody says, and says again in other words."""
    texts = {"comment": owner.word, "correction": owner.word, "metadata": {"owner": owner.word}}
    said = Verdict(uuid4(), -1, [owner.word], **texts)  # type: ignore[arg-type]
    assert await feedback.add(connection, tenant_id, trace_id, owner.subject, said)
    await feedback.replace(connection, replace(said, rating=1))


def _shadow_result(experiment_id: UUID, trace_id: UUID, owner: Owner) -> ShadowResult:
    return ShadowResult(
        id=uuid4(),
        experiment_id=experiment_id,
        trace_id=trace_id,
        subject=owner.subject,
        user_id=None,
        variant=owner.word,
        answer=owner.word,
        retrieved=[{"title": owner.word}],
        citations=[{"quote": owner.word}],
        prompt_version="1",
        models={},
        usage={},
        timings_ms={},
        degraded=[],
        abstained=False,
        error=None,
        source_overlap=1.0,
        same_answer=True,
    )


def _trace(request_id: str, conversation: UUID, owner: Owner) -> Trace:
    chunk_id, nowhere = str(uuid4()), {"rank": None, "score": None}
    legs = dict.fromkeys(("vector", "lexical", "fused", "rerank"), nowhere)
    found = {"rank": 1, "chunk_id": chunk_id, "document_id": str(uuid4()), "title": owner.word, **legs}
    return Trace(
        request_id=request_id,
        conversation_id=conversation,
        subject=owner.subject,
        user_id=None,
        strategy="auto",
        query=owner.word,
        answer=owner.word,
        retrieved=[found],
        citations=[{"index": 1, "chunk_id": chunk_id, "start": 0, "end": 1, "quote": owner.word}],
        prompt_version="1",
        corpus_version=1,
        models={},
        usage={},
        timings_ms={},
        degraded=[],
        abstained=False,
        error=None,
    )
