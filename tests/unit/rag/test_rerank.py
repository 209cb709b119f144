import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from pydantic import Field

from rag.ports import RetrievedPassage
from rag.rerank import DEPTH, Reranked, rerank, retrieval_depth
from tests.unit.rag.passages import make_passage

TEXTS = ["short", "a little longer", "the longest of them all", "middling long"]
BY_LENGTH = ["the longest of them all", "a little longer", "middling long", "short"]


class Compressor(BaseDocumentCompressor):
    """Subclasses say what they return for the documents."""

    def choose(self, documents: Sequence[Document]) -> Sequence[Document]:
        raise NotImplementedError

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> Sequence[Document]:
        return self.choose(documents)


class Longest(Compressor):
    """Longer is better; the score is the length."""

    def choose(self, documents: Sequence[Document]) -> Sequence[Document]:
        scored = [
            Document(d.page_content, metadata=d.metadata | {"relevance_score": len(d.page_content)})
            for d in documents
        ]
        return sorted(scored, key=lambda d: -len(d.page_content))


class OnlyLong(Longest):
    def choose(self, documents: Sequence[Document]) -> Sequence[Document]:
        return [d for d in super().choose(documents) if len(d.page_content) > 13]


class Unscored(Compressor):
    def choose(self, documents: Sequence[Document]) -> Sequence[Document]:
        return documents[::-1]


class Twice(Longest):
    """Gives every document, and all of them once more."""

    def choose(self, documents: Sequence[Document]) -> Sequence[Document]:
        return [*super().choose(documents), *super().choose(documents)]


class Nothing(Compressor):
    def choose(self, documents: Sequence[Document]) -> Sequence[Document]:
        return []


class Broken(Compressor):
    def choose(self, documents: Sequence[Document]) -> Sequence[Document]:
        raise ConnectionError("no route to the reranker")


class Strangers(Compressor):
    """Returns documents that nobody gave it."""

    def choose(self, documents: Sequence[Document]) -> Sequence[Document]:
        return [Document("never seen", metadata={"relevance_score": 1.0})]


class BeyondTheEnd(Compressor):
    def choose(self, documents: Sequence[Document]) -> Sequence[Document]:
        return [Document("", metadata={"position": len(documents)})]


class WordyScore(Compressor):
    def choose(self, documents: Sequence[Document]) -> Sequence[Document]:
        return [Document("", metadata=d.metadata | {"relevance_score": "high"}) for d in documents]


def fused() -> list[RetrievedPassage]:
    return [
        RetrievedPassage(
            make_passage(text, number=rank), score=1 / rank, fused_rank=rank, fused_score=1 / rank
        )
        for rank, text in enumerate(TEXTS, start=1)
    ]


async def reranked(reranker: BaseDocumentCompressor | None, *, top_k: int = 4) -> Reranked:
    return await rerank(reranker, "question", fused(), top_k=top_k)


def texts(result: Reranked) -> list[str]:
    return [found.passage.text for found in result.passages]


async def test_the_reranker_decides_the_order_and_the_score() -> None:
    result = await reranked(Longest())
    assert texts(result) == BY_LENGTH
    assert result.degraded == []
    assert [found.rerank_rank for found in result.passages] == [1, 2, 3, 4]
    assert [found.rerank_score for found in result.passages] == [23.0, 15.0, 13.0, 5.0]
    assert [found.score for found in result.passages] == [23.0, 15.0, 13.0, 5.0]


async def test_how_a_passage_was_retrieved_stays_known() -> None:
    best = (await reranked(Longest())).passages[0]
    assert (best.fused_rank, best.fused_score) == (3, 1 / 3)


async def test_no_more_than_asked_for_is_returned() -> None:
    assert texts(await reranked(Longest(), top_k=2)) == BY_LENGTH[:2]


async def test_what_the_reranker_leaves_out_follows_in_its_old_order() -> None:
    result = await reranked(OnlyLong())
    assert texts(result) == ["the longest of them all", "a little longer", "short", "middling long"]
    assert [found.rerank_rank for found in result.passages] == [1, 2, None, None]
    assert [found.rerank_score for found in result.passages] == [23.0, 15.0, None, None]
    assert result.degraded == []


async def test_a_reranker_that_only_orders_leaves_the_scores_alone() -> None:
    result = await reranked(Unscored())
    assert texts(result) == TEXTS[::-1]
    assert [found.rerank_rank for found in result.passages] == [1, 2, 3, 4]
    assert [found.rerank_score for found in result.passages] == [None] * 4
    assert [found.score for found in result.passages] == [1 / 4, 1 / 3, 1 / 2, 1 / 1]


async def test_a_passage_that_comes_twice_is_returned_once() -> None:
    result = await reranked(Twice(), top_k=8)
    assert texts(result) == BY_LENGTH
    assert [found.rerank_rank for found in result.passages] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "reranker",
    [Broken(), Nothing(), Strangers(), BeyondTheEnd(), WordyScore()],
    ids=lambda r: type(r).__name__,
)
async def test_the_fused_order_stays_when_the_reranker_fails(reranker: BaseDocumentCompressor) -> None:
    result = await reranked(reranker, top_k=3)
    assert result.passages == fused()[:3]
    assert result.degraded == ["rerank"]


async def test_without_a_reranker_the_fused_order_is_no_failure() -> None:
    assert await reranked(None, top_k=3) == Reranked(fused()[:3], [])


async def test_nothing_found_is_not_sent_to_the_reranker() -> None:
    assert await rerank(Broken(), "question", [], top_k=3) == Reranked([], [])


class Remembering(Compressor):
    seen: list[Document] = Field(default_factory=list)

    def choose(self, documents: Sequence[Document]) -> Sequence[Document]:
        self.seen = list(documents)
        return documents


async def test_a_reranker_sees_what_retrieval_knows() -> None:
    reranker = Remembering()
    passage = replace(make_passage("text", title="Title"), metadata={"year": 2026})
    found = replace(fused()[0], passage=passage, vector_rank=2, vector_score=0.5, lexical_score=3.0)
    await rerank(reranker, "question", [found], top_k=1)
    document = reranker.seen[0]
    assert document.page_content == "text"
    known = (
        "title",
        "vector_rank",
        "vector_score",
        "lexical_rank",
        "lexical_score",
        "fused_score",
        "metadata",
    )
    assert [document.metadata[name] for name in known] == ["Title", 2, 0.5, None, 3.0, 1.0, {"year": 2026}]


class Waiting(Compressor):
    """Blocks its thread until it is let go."""

    go: Any

    def choose(self, documents: Sequence[Document]) -> Sequence[Document]:
        assert self.go.wait(10), "the event loop never got to run"
        return documents[::-1]


async def test_a_blocking_reranker_does_not_block_the_event_loop() -> None:
    go = threading.Event()
    running = asyncio.create_task(reranked(Waiting(go=go)))
    await asyncio.sleep(0.05)
    assert not running.done()
    go.set()  # by the event loop, which is free meanwhile
    assert texts(await running) == TEXTS[::-1]


@pytest.mark.parametrize(("top_k", "depth"), [(8, DEPTH), (DEPTH, DEPTH), (DEPTH + 1, DEPTH + 1)])
def test_a_reranker_chooses_among_more_than_are_returned(top_k: int, depth: int) -> None:
    assert retrieval_depth(Longest(), top_k) == depth
    assert retrieval_depth(None, top_k) == top_k
