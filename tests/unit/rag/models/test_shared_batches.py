import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.models.shared_batches import BATCH_TOKENS, RUN_COST, Pieces, SharedBatches

PATIENCE_S = 60

texts = st.lists(
    st.integers(1, 300).flatmap(lambda size: st.lists(st.just(size), min_size=size, max_size=size)),
    max_size=12,
)


class Held:
    """Batches of a single thread, noted, which wait until all callers have handed over their texts."""

    def __init__(self) -> None:
        self.lengths: list[list[int]] = []
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self.shared = SharedBatches(self._run, threads=1)

    def _run(self, batch: Sequence[Pieces]) -> list[int]:
        self.lengths.append([len(text) for text in batch])
        self.begun.set()
        assert self.may_go_on.wait(PATIENCE_S)
        if any(text[0] < 0 for text in batch):
            raise ValueError("refused")
        return [text[0] for text in batch]


@contextmanager
def callers(held: Held) -> Iterator[Callable[[list[Pieces]], "Future[list[int]]"]]:
    """Callers at the same time; they are served when the block ends. The first batch is taken by then."""
    with ThreadPoolExecutor(8) as pool:

        def ask(given_texts: list[Pieces]) -> "Future[list[int]]":
            before = len(held.shared._calls)
            asked = pool.submit(held.shared.results, given_texts)
            if not held.begun.is_set():
                assert held.begun.wait(PATIENCE_S)
            else:
                while len(held.shared._calls) == before:
                    pass
            return asked

        try:
            yield ask
        finally:
            held.may_go_on.set()


def of_length(*lengths: int) -> list[Pieces]:
    return [[length] * length for length in lengths]


@given(st.lists(texts, min_size=1, max_size=4))
def test_everyone_gets_the_results_of_their_own_texts(calls: list[list[Pieces]]) -> None:
    batches: list[list[int]] = []

    def run(batch: Sequence[Pieces]) -> list[int]:
        batches.append([len(text) for text in batch])
        return [text[0] for text in batch]

    shared = SharedBatches(run, threads=2)
    with ThreadPoolExecutor(4) as pool:
        for call, results in zip(calls, pool.map(shared.results, calls), strict=True):
            assert results == [len(text) for text in call]
    assert sorted(n for batch in batches for n in batch) == sorted(
        len(text) for call in calls for text in call
    )
    for batch in batches:
        assert len(batch) == 1 or max(batch) * len(batch) <= BATCH_TOKENS
        assert max(batch) - min(batch) <= RUN_COST


def test_texts_of_different_callers_share_a_run() -> None:
    held = Held()
    with callers(held) as ask:
        first = ask(of_length(300))
        others = [ask(of_length(100, 40)), ask(of_length(104, 47)), ask(of_length(200, 43))]
    assert first.result() == [300]
    assert [other.result() for other in others] == [[100, 40], [104, 47], [200, 43]]
    assert [sorted(batch) for batch in held.lengths] == [[300], [100, 104], [40, 43, 47], [200]]


def test_a_short_document_takes_its_turn_among_the_batches_of_a_long_one() -> None:
    held = Held()
    with callers(held) as ask:
        long, short = ask(of_length(*[256] * 10)), ask(of_length(3))
    assert (len(long.result()), short.result()) == (10, [3])
    assert held.lengths.index([3]) <= 2


def test_a_run_that_leaves_a_text_out_is_an_error_and_keeps_nobody_waiting() -> None:
    shared = SharedBatches(lambda batch: [len(text) for text in batch if len(text) != 13], threads=1)
    with pytest.raises(ValueError, match="shorter"):
        shared.results(of_length(13))
    assert shared.results(of_length(8)) == [8]


def test_who_has_a_text_in_a_failed_batch_is_told_and_nobody_else() -> None:
    held = Held()
    with callers(held) as ask:
        first = ask(of_length(300))
        fails, is_near, is_not = ask([[-1] * 50, [7] * 200]), ask(of_length(51)), ask(of_length(90))
    for told in (fails, is_near):
        with pytest.raises(ValueError, match="refused"):
            told.result()
    assert (first.result(), is_not.result()) == ([300], [90])
    assert held.shared.results(of_length(8, 9)) == [8, 9], "the threads go on"


async def test_results_are_awaited_as_they_are_waited_for() -> None:
    held = Held()
    asked = asyncio.create_task(held.shared.aresults([*of_length(30, 256, 30)]))
    await asyncio.to_thread(held.begun.wait, PATIENCE_S)
    held.may_go_on.set()
    assert await asked == [30, 256, 30]
    assert await held.shared.aresults([]) == []
    with pytest.raises(ValueError, match="refused"):
        await held.shared.aresults([[-1] * 50])


async def test_of_a_call_that_is_cancelled_no_more_texts_are_run_and_others_go_on() -> None:
    held = Held()
    first, cancelled, stays = (
        asyncio.create_task(held.shared.aresults(of_length(*lengths))) for lengths in ([300], [90] * 20, [40])
    )
    await asyncio.to_thread(held.begun.wait, PATIENCE_S)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    held.may_go_on.set()
    assert (await first, await stays) == ([300], [40])
    assert held.lengths == [[300], [40]]


async def test_a_call_may_be_cancelled_while_its_texts_are_run() -> None:
    held = Held()
    cancelled = asyncio.create_task(held.shared.aresults(of_length(300)))
    await asyncio.to_thread(held.begun.wait, PATIENCE_S)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    held.may_go_on.set()
    assert await held.shared.aresults(of_length(8, 9)) == [8, 9], "the thread goes on"
