import asyncio
import math

import pytest
from langchain_core.embeddings import Embeddings

from rag.errors import ModelError
from rag.models.batching import BatchedEmbeddings, mean_direction


class CountingEmbeddings(Embeddings):
    """Two numbers for a text: its length, and the code of its first letter. Fails at the text "bad"."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.running = 0
        self.most_running = 0
        self.cancelled = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.calls.append(texts)
        return [[float(len(text)), float(ord(text[0]) if text else 0)] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            # The first calls take longest, so that the answers come in another order.
            await asyncio.sleep(0.001 * (10 - len(self.calls)) if "bad" not in texts else 0)
            if "bad" in texts:
                raise ModelError("bad text")
            return self.embed_documents(texts)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)


def batched(inner: Embeddings, *, texts_per_call: int = 2, concurrency: int = 3) -> BatchedEmbeddings:
    return BatchedEmbeddings(inner, texts_per_call=texts_per_call, characters=10, concurrency=concurrency)


async def test_texts_are_divided_into_calls_and_vectors_keep_their_order() -> None:
    inner = CountingEmbeddings()
    texts = [chr(97 + n) * (n + 1) for n in range(7)]
    assert await batched(inner).aembed_documents(texts) == [[n + 1, 97 + n] for n in range(7)]
    assert sorted(map(len, inner.calls)) == [1, 2, 2, 2]
    assert inner.most_running == 3


async def test_no_texts_need_no_call() -> None:
    inner = CountingEmbeddings()
    assert await batched(inner).aembed_documents([]) == []
    assert inner.calls == []


async def test_when_a_call_fails_the_others_are_given_up() -> None:
    inner = CountingEmbeddings()
    with pytest.raises(ModelError, match="bad text"):
        await batched(inner, texts_per_call=1).aembed_documents(["slow", "slow", "bad", *["late"] * 20])
    await asyncio.sleep(0)
    assert inner.cancelled >= 2  # a third may just have begun
    assert inner.running == 0
    assert ["late"] not in inner.calls


async def test_a_question_longer_than_a_call_takes_is_embedded_in_pieces() -> None:
    inner = CountingEmbeddings()
    question = "a" * 10 + "b" * 10
    vector = await batched(inner).aembed_query(question)
    assert inner.calls == [["a" * 10], ["b" * 10]]
    assert math.hypot(*vector) == pytest.approx(1)
    assert vector == pytest.approx(mean_direction([[10, 97], [10, 98]]))
    assert batched(inner).embed_query(question) == vector


async def test_a_short_or_empty_question_is_embedded_as_it_is() -> None:
    assert await batched(CountingEmbeddings()).aembed_query("abc") == [3, 97]
    assert await batched(CountingEmbeddings()).aembed_query("") == [0, 0]


def test_the_mean_weighs_directions_not_lengths() -> None:
    assert mean_direction([[3, 0], [0, 100]]) == pytest.approx([math.sqrt(0.5), math.sqrt(0.5)])
    assert mean_direction([[0, 0], [0, 2]]) == pytest.approx([0, 1])
