"""From chunks to checked cases, chunk by chunk."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from db.repositories.golden_set import ChunkPlace, StoredChunk
from eval.cases import EvaluationCase
from eval.golden.answerability import AnswerabilityCheck
from eval.golden.filters import (
    Rejection,
    answers_too,
    holds_evidence,
    is_duplicate,
    wording_rejection,
)
from eval.golden.progress import TRAFFIC, Done, Progress
from eval.golden.types import Draft, Intent, QuestionWriter
from rag.ports import Passage

WRITTEN, KEPT = "written", "kept"
OTHERS = 8  # chunks looked at that may answer as well, or be compared with

FindPassages = Callable[[str, int], Awaitable[list[Passage]]]
ReadChunk = Callable[[ChunkPlace], Awaitable[StoredChunk | None]]


@dataclass(frozen=True, slots=True)
class Tools:
    """What generation works with.

    Attributes:
        find: The passages nearest to a question, best first; of the same documents always the same.
        read: A chunk's text, None if it is gone.
        embeddings: Tell questions that say the same.
    """

    writer: QuestionWriter
    check: AnswerabilityCheck
    find: FindPassages
    read: ReadChunk
    embeddings: Embeddings


class Generator:
    """Makes cases.

    Args:
        tools: What it works with.
        intents: Questions that are wanted, at most one of each for a chunk.
        seed: Of the sample, for the record.
    """

    def __init__(self, tools: Tools, intents: Collection[Intent], *, seed: int) -> None:
        self._tools = tools
        self._intents = tuple(intents)
        self._seed = seed
        self._vectors: list[NDArray[np.float32]] = []

    async def generate(
        self,
        places: Sequence[ChunkPlace],
        progress: Progress,
        *,
        samples: int,
        traffic: Sequence[EvaluationCase] = (),
    ) -> AsyncIterator[Done]:
        """What becomes of each chunk in turn, until there are `samples` cases; first what was done before.

        Args:
            places: The chunks to use, in this order.
            progress: Where each is written down.
            samples: Most cases from chunks.
            traffic: Cases that go in front, on top of these, unless there is progress already.

        Raises:
            GroundworkError: A model or the database failed; what was done until then is in `progress`.
        """
        for done in progress.done:
            await self._remember(done.cases)
            yield done
        if traffic and not progress.done:
            done = Done(TRAFFIC, await self._new_ones(traffic))
            progress.add(done)
            yield done
        missing = samples - sum(len(done.cases) for done in progress.done if done.at != TRAFFIC)
        first = max((done.at for done in progress.done), default=TRAFFIC) + 1
        for at in range(first, len(places)):
            if missing <= 0:
                return
            done = await self._make(at, places[at], most=missing)
            progress.add(done)
            missing -= len(done.cases)
            yield done

    async def _new_ones(self, cases: Sequence[EvaluationCase]) -> list[EvaluationCase]:
        """Those of the cases that ask something new; from now on they are known."""
        kept = []
        for case in cases:
            vector = await self._vector(case.query)
            if not is_duplicate(vector, self._vectors):
                self._vectors.append(vector)
                kept.append(case)
        return kept

    async def _remember(self, cases: Sequence[EvaluationCase]) -> None:
        self._vectors.extend([await self._vector(case.query) for case in cases])

    async def _make(self, at: int, place: ChunkPlace, *, most: int) -> Done:
        chunk = await self._tools.read(place)
        if chunk is None:
            return Done(at)
        written = await self._tools.writer.write(chunk, await self._others(chunk), self._intents)
        counts = Counter({WRITTEN: len(written.drafts) + written.invalid})
        if written.invalid:
            counts[Rejection.INVALID] = written.invalid
        kept: dict[Intent, EvaluationCase] = {}
        for draft in written.drafts:
            if draft.intent in kept or len(kept) >= most:
                counts[WRITTEN] -= 1  # a spare one, which nothing was decided of
            elif reason := await self._rejection(draft, chunk.passage):
                counts[reason] += 1
            else:
                kept[draft.intent] = self._case(draft, chunk)
        counts[KEPT] = len(kept)
        return Done(at, list(kept.values()), {str(name): count for name, count in counts.items()})

    async def _others(self, chunk: StoredChunk) -> list[Passage]:
        """Chunks on a like subject, of other documents or sections."""
        wanted = self._tools.writer.looks_for(chunk) if Intent.COMPARATIVE in self._intents else ""
        if not wanted:
            return []
        passage = chunk.passage
        found = await self._tools.find(wanted, OTHERS)
        place = (passage.source_document_id, passage.heading_path)
        return [other for other in found if (other.source_document_id, other.heading_path) != place]

    async def _rejection(self, draft: Draft, passage: Passage) -> Rejection | None:
        """The first reason to leave the question out; None if there is none, and then it is known."""
        if reason := wording_rejection(draft, passage):
            return reason
        if not await asyncio.to_thread(self._tools.check.is_answered, draft, passage):
            return Rejection.NOT_ANSWERABLE
        if await self._is_answered_elsewhere(draft, passage):
            return Rejection.ANSWERED_ELSEWHERE
        vector = await self._vector(draft.question)
        if is_duplicate(vector, self._vectors):
            return Rejection.DUPLICATE
        self._vectors.append(vector)
        return None

    async def _is_answered_elsewhere(self, draft: Draft, passage: Passage) -> bool:
        found = await self._tools.find(draft.question, OTHERS)
        others = [other for other in found if not holds_evidence(draft, passage, other)]
        return any(answers_too(draft.question, draft.answer, other) for other in others)

    async def _vector(self, question: str) -> NDArray[np.float32]:
        vector = np.array(await self._tools.embeddings.aembed_query(question), np.float32)
        length = np.linalg.norm(vector)
        return vector / np.float32(length) if length else vector

    def _case(self, draft: Draft, chunk: StoredChunk) -> EvaluationCase:
        passage, writer = chunk.passage, self._tools.writer
        names = [passage.source_document_id, *([draft.other.source_document_id] if draft.other else [])]
        start = passage.start + passage.text.index(draft.evidence)
        metadata = {
            "chunk_id": str(passage.chunk_id),
            "version": passage.version,
            "content_sha256": chunk.content_sha256,
            "evidence": draft.evidence,
            "start": start,
            "end": start + len(draft.evidence),
            "generator": writer.name,
            "prompt_version": writer.version,
            "seed": self._seed,
            **_other(draft),
        }
        return EvaluationCase(
            query=draft.question,
            expected_answer=draft.answer,
            ground_truth_docs=list(dict.fromkeys(names)),
            metadata=metadata,
            tags=[draft.intent.value],
            source=f"generated: {writer.name}",
        )


def _other(draft: Draft) -> dict[str, str]:
    if draft.other is None:
        return {}
    return {"other_chunk_id": str(draft.other.chunk_id), "other_evidence": draft.other_evidence}
