"""What a deployment needs, tried out piece by piece; what fails says what to do about it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import HumanMessage

from app.model_options import model_options
from app.secrets import LiveSettings
from app.settings import Settings
from db.addresses import DatabaseLogins
from db.bootstrap import embedded_database
from db.migrate import is_current
from db.pool import open_database
from db.replica import ReplicaState, open_replicated_database
from db.repositories import spaces
from rag.aws.clients import aws_client
from rag.errors import GroundworkError, InvalidInputError
from rag.guardrail import Side
from rag.models.registry import Models
from rag.models.resilience.faults import FaultKind, classify, describe

CHECK_S = 20.0  # for one check; a model that takes longer is of no use to anybody who waits
AWS_MODELS = "bedrock:"
REPLICA = "read replica"


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a check.

    Attributes:
        check: What was tried, such as "chat model bedrock:…".
        state: Whether it works; WARNING where it does, but not as it should.
        detail: What was found; on failure what to do.
    """

    check: str
    state: State
    detail: str


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to try: gives what it found, or raises."""

    name: str
    run: Callable[[], Awaitable[str | Finding]]


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Try everything that the settings name, one after the other.

    Nothing is changed, but models are asked for a word, which costs a fraction of a cent.
    """
    models = Models(model_options(settings))
    try:
        for check in _checks(settings, models):
            yield await _tried(check)
    finally:
        await models.close()


def _checks(settings: Settings, models: Models) -> Iterator[Check]:
    if settings.references:
        names = ", ".join(settings.references)
        yield Check("secrets", lambda: _said(f"{names} could be read"))
    if _uses_aws(settings):
        yield Check("AWS credentials", _identity)
    yield Check("database", lambda: _check_database(settings))
    if settings.database_read_url or settings.db_read_host:
        yield Check(REPLICA, lambda: _check_replica(settings))
    for name in map(str.strip, settings.chat_model.split(",")):
        yield Check(f"chat model {name}", lambda name=name: _check_chat(models, name))  # type: ignore[misc]
    yield Check(
        f"embedding model {settings.embedding_model}",
        lambda: _check_embeddings(models, settings.embedding_model),
    )
    if settings.rerank_model != "none":
        yield Check(
            f"reranker {settings.rerank_model}", lambda: _check_reranker(models, settings.rerank_model)
        )
    if settings.guardrail_id:
        yield Check(f"guardrail {settings.guardrail_id}", lambda: _check_guardrail(models))
    for setting, bucket in (
        ("DOCUMENTS_BUCKET", settings.documents_bucket),
        ("ARTIFACTS_BUCKET", settings.artifacts_bucket),
    ):
        if bucket:
            yield Check(f"{setting} {bucket}", lambda b=bucket, s=setting: _check_bucket(b, s))  # type: ignore[misc]
    if url := settings.events_queue_url:
        yield Check(f"EVENTS_QUEUE_URL {url}", lambda: _check_queue(url))


async def _tried(check: Check) -> Finding:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(CHECK_S):
            found = await check.run()
    except GroundworkError as exc:
        return Finding(check.name, State.FAILED, str(exc))
    except Exception as exc:  # noqa: BLE001 - a check's boundary: SDKs share no base class
        return Finding(check.name, State.FAILED, _advice(exc))
    if isinstance(found, Finding):
        return found
    return Finding(check.name, State.OK, f"{found} ({(time.perf_counter() - began) * 1000:.0f} ms)")


def _advice(exc: Exception) -> str:
    fault = classify(exc)
    if fault.kind is FaultKind.OTHER:
        return f"{type(exc).__name__}: {exc}"
    return describe(fault, "").removeprefix("the model  failed: ")


def _uses_aws(settings: Settings) -> bool:
    names = f"{settings.chat_model},{settings.embedding_model},{settings.rerank_model}"
    named = (settings.documents_bucket, settings.artifacts_bucket, settings.events_queue_url)
    return AWS_MODELS in names or any((*named, settings.references, settings.guardrail_id))


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[DatabaseLogins]:
    logins = LiveSettings(settings).database_logins()
    if logins is not None:
        yield logins
        return
    async with embedded_database(settings.data_dir) as embedded:
        yield embedded


async def _said(words: str) -> str:
    return words


async def _identity() -> str:
    client = await asyncio.to_thread(aws_client, "sts", needed_by="AWS")
    caller = await asyncio.to_thread(client.get_caller_identity)
    return f"{caller['Arn']} in {client.meta.region_name}"


async def _check_database(settings: Settings) -> str | Finding:
    async with _database(settings) as logins:
        if not await is_current(logins.owner):
            action = "the service will do it" if settings.migrate_on_start else "run `make migrate`"
            return Finding("database", State.WARNING, f"its schema has to be brought up to date: {action}")
        async with open_database(logins, app_connections=1) as database:
            await database.ping()
            async with database.system() as connection:
                active = await spaces.active(connection)
    if active is None:
        return Finding("database", State.WARNING, "no embedding space is active yet: start the service once")
    if active.model != settings.embedding_model:
        advice = f"`python scripts/ingest_documents.py reindex {settings.embedding_model}` moves it"
        return Finding(
            "database", State.WARNING, f"it is indexed by {active.model}, not EMBEDDING_MODEL: {advice}"
        )
    return f"reachable as owner, app and system, indexed by {active.model}"


async def _check_replica(settings: Settings) -> str | Finding:
    async with (
        _database(settings) as logins,
        open_replicated_database(
            logins, app_connections=1, max_lag_s=settings.database_read_max_lag_s
        ) as database,
    ):
        use = database.replica()
    if use is None or use.state != ReplicaState.FRESH:
        state = use.state if use else "not named"
        return Finding(REPLICA, State.WARNING, f"it is {state}, so searches go to the primary")
    return f"{use.lag_s:.1f} s behind"


async def _check_chat(models: Models, name: str) -> str:
    (chat,) = await asyncio.to_thread(models.chat_models, name)
    answer = await chat.model.ainvoke([HumanMessage("Reply with the word ready.")])
    return f"answers with {len(answer.text)} characters"


async def _check_embeddings(models: Models, name: str) -> str:
    model = await asyncio.to_thread(models.embedding_model, name)
    vector = await model.embeddings.aembed_query("ready")
    if len(vector) != model.dimensions:
        raise InvalidInputError(f"its vectors have {len(vector)} dimensions, not {model.dimensions}")
    return f"{len(vector)} dimensions, chunks of up to {model.chunk_tokens} tokens"


async def _check_reranker(models: Models, name: str) -> str:
    reranker = await asyncio.to_thread(models.reranker, name)
    if reranker is None:
        raise InvalidInputError("there is none")
    ranked = await reranker.acompress_documents([Document("a cat"), Document("a dog")], "cats")
    return f"ranks {len(ranked)} of 2 passages"


async def _check_guardrail(models: Models) -> str:
    guardrail = await asyncio.to_thread(models.guardrail)
    if guardrail is None:
        return "applied by Bedrock's chat models themselves"
    await guardrail.check("How many vacation days are there?", Side.QUESTION)
    return "lets a harmless question pass"


async def _check_bucket(bucket: str, setting: str) -> str | Finding:
    client = await asyncio.to_thread(aws_client, "s3", needed_by=setting)
    head = await asyncio.to_thread(client.head_bucket, Bucket=bucket)
    await asyncio.to_thread(client.list_objects_v2, Bucket=bucket, MaxKeys=1)
    region = head.get("BucketRegion") or client.meta.region_name
    if region != client.meta.region_name:
        said = f"it is in {region}, the service in {client.meta.region_name}: that costs time and transfer"
        return Finding(f"{setting} {bucket}", State.WARNING, said)
    return "can be listed"


async def _check_queue(url: str) -> str | Finding:
    client = await asyncio.to_thread(aws_client, "sqs", needed_by="EVENTS_QUEUE_URL")
    answer: dict[str, Any] = await asyncio.to_thread(
        client.get_queue_attributes, QueueUrl=url, AttributeNames=["All"]
    )
    attributes = answer["Attributes"]
    if "RedrivePolicy" not in attributes:
        said = "it has no dead-letter queue: a message that can't be handled comes back for days"
        return Finding(f"EVENTS_QUEUE_URL {url}", State.WARNING, said)
    return f"{attributes['ApproximateNumberOfMessages']} messages wait"
