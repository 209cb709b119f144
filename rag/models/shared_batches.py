"""Texts that a model works through in the background, in batches that callers at the same time share."""

import asyncio
import os
import sys
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

BATCH_TOKENS = 512  # largest batch whose activations (3 MB at the widest) stay in a core's L2 cache
RUN_COST = 8  # in pieces: a run takes 1.2 ms and then 0.15 ms a piece (measured on a Xeon with AVX-512)
BACKGROUND_NICE = 10  # a thread of a query gets nine times the time of such a one

Pieces = list[int]  # of a text: their numbers in the vocabulary
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Call(Generic[T]):
    """The texts of one caller.

    Attributes:
        texts: The pieces of each.
        waiting: Indices of those that no batch has taken, shortest first.
        results: Of those that are done, by index.
        ended: Set when all are done, or with what went wrong.
    """

    texts: Sequence[Pieces]
    waiting: list[int] = field(init=False)
    results: dict[int, T] = field(default_factory=dict)
    ended: Future[None] = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.waiting = sorted(range(len(self.texts)), key=self.length)

    def length(self, index: int) -> int:
        return len(self.texts[index])

    def in_order(self) -> list[T]:
        """The result of each text, once it has ended."""
        return [self.results[index] for index in range(len(self.texts))]

    def nearest(self, size: int) -> list[int]:
        """Waiting texts about as long as `size`: more than a batch can take with it."""
        at, room = bisect_left(self.waiting, size, key=self.length), BATCH_TOKENS // size
        return self.waiting[max(at - room, 0) : at + room]


class SharedBatches(Generic[T]):
    """Runs the texts of all callers on threads of low priority.

    Callers take turns: each batch has the longest text of whoever's turn it is, and texts of anyone that are
    about as long. So a short document never waits behind a long one, and a text that is like no other of its
    document shares its run all the same.

    Args:
        run: Gives the result of each text of a batch.
        threads: Batches that run at once.
    """

    def __init__(self, run: Callable[[Sequence[Pieces]], Sequence[T]], *, threads: int) -> None:
        self._run = run
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="background", initializer=_lower_priority)
        self._lock = threading.Lock()
        self._calls: deque[_Call[T]] = deque()  # those with texts that wait, in the order of their turns
        self._working = 0

    def results(self, texts: Sequence[Pieces]) -> list[T]:
        """The result of each text. Waits for them.

        Raises:
            Exception: What `run` raised for a batch with one of these texts.
        """
        if not texts:
            return []
        call = self._begin(texts)
        call.ended.result()
        return call.in_order()

    async def aresults(self, texts: Sequence[Pieces]) -> list[T]:
        """As `results`, without a thread that waits. Of a call that is cancelled no more texts are run."""
        if not texts:
            return []
        call = self._begin(texts)
        try:
            await asyncio.shield(asyncio.wrap_future(call.ended))
        except asyncio.CancelledError:
            self._forget(call)
            raise
        return call.in_order()

    def _begin(self, texts: Sequence[Pieces]) -> _Call[T]:
        call = _Call[T](texts)
        with self._lock:
            self._calls.append(call)
            while self._working < self._threads:
                self._working += 1
                self._pool.submit(self._work)
        return call

    def _forget(self, call: _Call[T]) -> None:
        with self._lock:
            self._calls = deque(other for other in self._calls if other is not call)
            call.ended.cancel()

    def _work(self) -> None:
        """Run batches until nothing waits."""
        while True:
            with self._lock:
                batch = self._take()
                if not batch:
                    self._working -= 1
                    return
            try:
                self._note(batch, self._run([call.texts[index] for call, index in batch]))
            except Exception as exc:  # noqa: BLE001 - it is raised where the result was asked for
                self._fail({call for call, _ in batch}, exc)

    def _take(self) -> list[tuple[_Call[T], int]]:
        """The next batch: calls, and indices of their texts. Empty if nothing waits."""
        if not self._calls:
            return []
        self._calls.rotate(-1)
        turn = self._calls[-1]
        first = turn.waiting.pop()
        shortest = longest = size = len(turn.texts[first])
        batch = [(turn, first)]
        near = [(call, index) for call in self._calls for index in call.nearest(size)]
        for call, index in sorted(near, key=lambda item: abs(item[0].length(item[1]) - size)):
            low, high = min(shortest, call.length(index)), max(longest, call.length(index))
            if high - low <= RUN_COST and high * (len(batch) + 1) <= BATCH_TOKENS:
                shortest, longest = low, high
                batch.append((call, index))
                call.waiting.remove(index)
        self._calls = deque(call for call in self._calls if call.waiting)
        return batch

    def _note(self, batch: Sequence[tuple[_Call[T], int]], done: Sequence[T]) -> None:
        with self._lock:
            for (call, index), result in zip(batch, done, strict=True):
                call.results[index] = result
                if len(call.results) == len(call.texts) and not call.ended.done():
                    call.ended.set_result(None)

    def _fail(self, calls: set[_Call[T]], reason: Exception) -> None:
        """Their other texts are not run for nothing."""
        with self._lock:
            self._calls = deque(call for call in self._calls if call not in calls)
            for call in calls:
                if not call.ended.done():
                    call.ended.set_exception(reason)


def _lower_priority() -> None:
    """Make way for other threads. On Linux the number is this thread's own; elsewhere nothing is done."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND_NICE)
