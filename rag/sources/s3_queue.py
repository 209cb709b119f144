"""The SQS queue that a bucket's events come to. boto3 blocks, so every call runs in a thread."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any, TypeVar

from rag.aws.clients import aws_client
from rag.errors import UnavailableError

T = TypeVar("T")

POLL_S = 20  # SQS's longest wait for a message: the fewest calls that cost
AT_ONCE = 10  # SQS's limit for a call
_SLACK_S = 10.0  # of an answer, after the longest wait


@dataclass(frozen=True, slots=True)
class Message:
    """A message in our hands until its visibility timeout ends.

    Attributes:
        receipt: Names it, for this time that it came.
        received: How often it has come.
    """

    id: str
    receipt: str
    body: str
    received: int


class EventQueue:
    """A queue.

    Args:
        url: Its address.
        visible_after_s: Messages that were received and not deleted come again after so many seconds.
        poll_s: Longest wait for a message.
    """

    def __init__(self, url: str, *, visible_after_s: int = 60, poll_s: int = POLL_S) -> None:
        self.visible_after_s = visible_after_s
        self._url = url
        self._poll_s = poll_s
        self._made: Any = None

    async def receive(self) -> list[Message]:
        """The next messages, none if none came in time. A cancelled caller doesn't wait for the answer.

        Raises:
            UnavailableError: The queue can't be reached, isn't there, or may not be read.
        """
        answer: Future[list[Message]] = Future()
        return await _detached(lambda: self._receive(answer), answer)

    async def delete(self, messages: Sequence[Message]) -> None:
        """Say that the messages, at most ten, have been dealt with.

        Raises:
            UnavailableError: It may be that they come again.
        """
        entries = [{"Id": str(at), "ReceiptHandle": item.receipt} for at, item in enumerate(messages)]
        if entries:
            await self._call(lambda sqs: sqs.delete_message_batch(QueueUrl=self._url, Entries=entries))

    async def keep(self, messages: Sequence[Message]) -> None:
        """Let the messages, at most ten, not come again for another `visible_after_s` from now.

        Raises:
            UnavailableError: It may be that they come again.
        """
        await self._call(lambda sqs: self._show_after(sqs, messages, self.visible_after_s))

    def _receive(self, answer: "Future[list[Message]]") -> list[Message]:
        with _sqs_errors():
            sqs = self._client()
            said = sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=AT_ONCE,
                WaitTimeSeconds=self._poll_s,
                VisibilityTimeout=self.visible_after_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
            messages = [_message(item) for item in said.get("Messages", ())]
            if messages and answer.cancelled():
                self._show_after(sqs, messages, 0)  # nobody waits for them any more: others may have them
        return messages

    def _show_after(self, sqs: Any, messages: Sequence[Message], seconds: int) -> None:
        entries = [
            {"Id": str(at), "ReceiptHandle": item.receipt, "VisibilityTimeout": seconds}
            for at, item in enumerate(messages)
        ]
        sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    async def _call(self, work: Callable[[Any], object]) -> None:
        def call() -> None:
            with _sqs_errors():
                work(self._client())

        await asyncio.to_thread(call)

    def _client(self) -> Any:
        if self._made is None:
            self._made = aws_client(
                "sqs", needed_by="EVENTS_QUEUE_URL", read_timeout_s=self._poll_s + _SLACK_S
            )
        return self._made


async def _detached(work: Callable[[], T], answer: "Future[T]") -> T:
    """The result of `work`, in a thread that nobody waits for when the caller is cancelled."""

    def run() -> None:
        with suppress(InvalidStateError):  # the caller has gone
            try:
                answer.set_result(work())
            except Exception as exc:  # noqa: BLE001 - the boundary of a thread
                answer.set_exception(exc)

    Thread(target=run, name="events", daemon=True).start()
    return await asyncio.wrap_future(answer)


@contextmanager
def _sqs_errors() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - for those who have a queue

    try:
        yield
    except ClientError as exc:
        code = exc.response.get("Error", {}).get("Code", "an error")
        raise UnavailableError(f"the queue of events can't be used: SQS answers {code}") from exc
    except BotoCoreError as exc:
        raise UnavailableError("the queue of events can't be reached") from exc


def _message(item: Any) -> Message:
    received = int(item.get("Attributes", {}).get("ApproximateReceiveCount", 1))
    return Message(item["MessageId"], item["ReceiptHandle"], item["Body"], received)
