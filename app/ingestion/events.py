"""Documents follow their bucket: its events become jobs.

An event says no more than that an object changed. The job asks the bucket what it holds now and makes the
document that, or removes it. Jobs on one document run one after the other, so an event that comes twice,
late, or behind a newer one does no harm. A message is deleted once its jobs are in the database.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from app.ingestion.queue import IdempotencyKey, IngestionQueue, Upload
from app.settings import Settings
from rag.errors import GroundworkError, InvalidInputError, UnavailableError
from rag.ports import SourceLabels, Writer
from rag.sources.object_keys import why_not_followed
from rag.sources.s3_events import ObjectChange, parse_event
from rag.sources.s3_queue import EventQueue, Message

log = structlog.get_logger(__name__)

LONGEST_BACKOFF_S = 60.0
BEATS = 3  # in a visibility timeout: messages stay ours though one is lost


class ObjectEventConsumer:
    """Follows a bucket until it is cancelled.

    Args:
        events: Where the bucket's events come in.
        queue: Where jobs go.
        writer: Whose documents they are.
        bucket: Events of others are left out.
    """

    def __init__(self, events: EventQueue, queue: IngestionQueue, writer: Writer, *, bucket: str) -> None:
        self._events = events
        self._queue = queue
        self._writer = writer
        self._bucket = bucket
        self._trouble: str | None = None
        self._failures = 0

    async def run(self) -> None:
        while True:
            try:
                messages = await self._events.receive()
                self._recovered()
                if messages:
                    await self._take_in(messages)
            except Exception as exc:  # noqa: BLE001 - whatever it was, the service goes on
                await self._back_off(exc)

    async def _take_in(self, messages: Sequence[Message]) -> None:
        """Deal with the messages, however long that takes; what can't be dealt with stays in the queue."""
        heart = asyncio.create_task(self._beat(messages))
        try:
            done = [message for message in messages if await self._handled(message)]
            await self._events.delete(done)
        finally:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)

    async def _handled(self, message: Message) -> bool:
        """Whether the message was dealt with; if not, the queue sends it again and then puts it aside."""
        try:
            found = parse_event(message.body)
            if found.others:
                log.info("event_ignored", message_id=message.id, events=found.others)
            for change in found.changes:
                await self._follow(change)
        except InvalidInputError as exc:
            log.warning("event_refused", message_id=message.id, received=message.received, reason=str(exc))
            return False
        except Exception:
            log.exception("event_failed", message_id=message.id, received=message.received)
            return False
        return True

    async def _follow(self, change: ObjectChange) -> None:
        reason = "it is another bucket's" if change.bucket != self._bucket else why_not_followed(change.key)
        if reason is not None:
            log.info("object_ignored", bucket=change.bucket, reason=reason)
            return
        upload = Upload(
            SourceLabels(change.key),
            filename=change.key,
            s3_key=change.key,
            follows=True,
            priority=-1,  # a single upload that somebody waits for comes first
        )
        while True:
            try:
                await self._queue.submit(self._writer, [upload], idempotency=_once(change))
            except UnavailableError as exc:
                await self._back_off(exc)  # the message stays ours: that it failed is not its fault
            else:
                self._recovered()
                return

    async def _beat(self, messages: Sequence[Message]) -> None:
        while True:
            await asyncio.sleep(self._events.visible_after_s / BEATS)
            try:
                await self._events.keep(messages)
            except UnavailableError as exc:
                log.warning("events_heartbeat_failed", reason=str(exc))

    async def _back_off(self, exc: Exception) -> None:
        """Wait, longer each time; say so when what is wrong is new."""
        trouble = str(exc) if isinstance(exc, GroundworkError) else type(exc).__name__
        if trouble != self._trouble:
            known = isinstance(exc, GroundworkError)
            log.warning("events_unavailable", reason=trouble, exc_info=None if known else exc)
        self._trouble = trouble
        self._failures += 1
        seconds = min(2.0 ** min(self._failures - 1, 10), LONGEST_BACKOFF_S)
        await asyncio.sleep(seconds * random.uniform(0.5, 1))  # noqa: S311 - not a secret

    def _recovered(self) -> None:
        if self._trouble is not None:
            log.info("events_available")
        self._trouble, self._failures = None, 0


def _once(change: ObjectChange) -> IdempotencyKey | None:
    """Names a change: told twice, it makes one job. No caller's own key begins with a blank."""
    if change.sequencer is None:
        return None
    return IdempotencyKey(f" s3 {change.sequencer} {change.bucket}/{change.key}", b"")


@asynccontextmanager
async def following_bucket(settings: Settings, queue: IngestionQueue, writer: Writer) -> AsyncIterator[None]:
    """Follow the documents bucket beside what else the process does, if its events come to a queue."""
    if settings.events_queue_url is None or settings.documents_bucket is None:
        yield
        return
    events = EventQueue(settings.events_queue_url)
    async with following(ObjectEventConsumer(events, queue, writer, bucket=settings.documents_bucket)):
        yield


@asynccontextmanager
async def following(consumer: ObjectEventConsumer) -> AsyncIterator[None]:
    """Let the consumer work until the block ends."""
    task = asyncio.create_task(consumer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
