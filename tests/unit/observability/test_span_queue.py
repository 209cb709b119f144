import threading
import time
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan

from observability.span_queue import BATCH, SpanQueue


class Receiver:
    """Takes spans when it is let; counts what is lost on the way."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.open = threading.Event()
        self.lost = 0
        self.fails = 0

    def deliver(self, spans: Sequence[ReadableSpan]) -> bool:
        self.open.wait(10)
        if self.fails:
            self.fails -= 1
            raise ConnectionError("gone")
        self.taken += [span.name for span in spans]
        return True

    def lose(self, count: int) -> None:
        self.lost += count


def test_what_is_put_in_arrives_in_order() -> None:
    receiver = Receiver()
    receiver.open.set()
    queue = SpanQueue("test", receiver.deliver, lost=receiver.lose)
    names = [f"span {number}" for number in range(2 * BATCH + 1)]
    for name in names:
        queue.on_end(ReadableSpan(name))
    queue.stop(5)
    assert receiver.taken == names
    assert receiver.lost == 0


def test_a_receiver_that_hangs_holds_nobody_up_and_little_is_kept_for_it() -> None:
    receiver = Receiver()
    queue = SpanQueue("test", receiver.deliver, lost=receiver.lose, size=100)
    for number in range(5000):
        queue.on_end(ReadableSpan(str(number)))
    assert len(queue) <= 100
    assert receiver.lost >= 5000 - 100 - BATCH
    queue.stop(0.1)
    assert receiver.taken == []
    receiver.open.set()


def test_a_batch_that_fails_is_lost_and_the_next_one_arrives() -> None:
    receiver = Receiver()
    receiver.fails = 1
    receiver.open.set()
    queue = SpanQueue("test", receiver.deliver, lost=receiver.lose)
    for number in range(BATCH + 7):
        queue.on_end(ReadableSpan(str(number)))
    queue._wake.set()
    while receiver.lost == 0:
        time.sleep(0.01)
    queue.stop(5)
    assert receiver.lost == BATCH
    assert len(receiver.taken) == 7
