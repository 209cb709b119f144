"""Spans on their way to a receiver that may be slow, or gone: a bounded queue, and a thread that empties it.

A request only ever appends to the queue. What doesn't fit, and what the receiver doesn't take, is counted and
forgotten.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import structlog
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

log = structlog.get_logger(__name__)

MOST_SPANS = 2048  # about 4 MB; some 250 requests
BATCH = 256
PAUSE_S = 1.0  # between two deliveries; the receiver is asked no more often while it fails either
SAY_EVERY_S = 60.0

Deliver = Callable[[Sequence[ReadableSpan]], bool]


class SpanQueue(SpanProcessor):
    """Hands ended spans to `deliver`, in a thread of its own.

    Args:
        name: The receiver's, for logs.
        deliver: Sends spans and says whether they have arrived; it may take its time, and raise.
        lost: Told how many spans were lost.
        size: Most spans that wait.
    """

    def __init__(
        self, name: str, deliver: Deliver, *, lost: Callable[[int], None], size: int = MOST_SPANS
    ) -> None:
        self._name = name
        self._deliver = deliver
        self._lost = lost
        self._size = size
        self._waiting: deque[ReadableSpan] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._said_at = 0.0
        self._thread = threading.Thread(target=self._run, name=f"spans-{name}", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._waiting)

    def on_end(self, span: ReadableSpan) -> None:
        if self._stopping or len(self._waiting) >= self._size:
            self._lost(1)
            return
        self._waiting.append(span)

    def stop(self, timeout_s: float) -> None:
        """Deliver what waits, but no longer than that."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(PAUSE_S)
            self._empty()
        self._empty()

    def _empty(self) -> None:
        """Deliver all that waits; a batch that fails is lost, and ends it until the next time."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if not self._has_delivered(batch):
                self._lost(len(batch))
                return

    def _has_delivered(self, batch: Sequence[ReadableSpan]) -> bool:
        try:
            delivered = self._deliver(batch)
        except Exception as exc:  # noqa: BLE001 - the boundary of a thread; clients share no base class
            self._say(type(exc).__name__)
            return False
        if not delivered:
            self._say("refused or unreachable")
        return delivered

    def _say(self, why: str) -> None:
        if time.monotonic() - self._said_at >= SAY_EVERY_S or not self._said_at:
            self._said_at = time.monotonic()
            log.warning("spans_not_delivered", receiver=self._name, why=why)
