"""Diagnosing a request: its search runs again, and what it was written from is read again."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from db.repositories.triage import KeptChunk
from eval.case_metrics import SUPPORTED
from eval.groundedness import GroundednessScorer
from feedback.replay import Replayer
from feedback.triage.diagnose import Facts, diagnose
from feedback.triage.evidence import EvidenceFinder
from feedback.triage.reading import TriageReader
from feedback.triage.types import AskedQuestion, Diagnosed, FoundEvidence
from rag.models.answer_selection import AnswerSelector
from rag.models.answer_weights import ANSWER_THRESHOLD
from rag.models.minilm import MiniLMEmbeddings
from rag.ports import Passage, SearchScope

NEAREST = 8  # passages that are read for an answer to a question that got none
READ_WITHOUT_CORRECTION = 12  # where nothing says what to look for, each passage has to be read closely
OF_CORRECTION = 20  # passages of the search for question and correction together


@dataclass(frozen=True, slots=True)
class Examined:
    """A request's diagnosis, the prompt's chunks (None: gone), and what answers the question."""

    diagnosed: Diagnosed
    prompt: tuple[Passage | None, ...]
    evidence: tuple[FoundEvidence, ...]


class TriageExaminer:
    """Examines requests.

    Args:
        reader: Of what is stored.
        replayer: Searches as `/chat` does today.
        encoder: Reads passages.
    """

    def __init__(self, reader: TriageReader, replayer: Replayer, encoder: MiniLMEmbeddings) -> None:
        self._reader = reader
        self._replayer = replayer
        self._encoder = encoder
        self._scorer = GroundednessScorer(encoder)
        self._finder = EvidenceFinder(AnswerSelector(encoder), self._cosine)

    async def examine(
        self, scope: SearchScope, asked: AskedQuestion, kept: Mapping[UUID, KeptChunk]
    ) -> Examined:
        """Diagnose a request.

        Args:
            scope: The tenant, and the groups whose documents are searched.
            asked: The request.
            kept: The chunks of its prompt that are still stored.

        Raises:
            GroundworkError: The search or the model that reads failed.
        """
        scope = self._reader.scope_of(scope, asked)
        corpus_version = await self._reader.corpus_version(scope.tenant_id)
        same_corpus = corpus_version == asked.corpus_version
        search = await self._replayer.search(asked.query, scope, asked.strategy)
        found = [each.passage for each in search]
        known = await self._candidates(scope, asked, found, kept, same_corpus=same_corpus)
        passages = [chunk.passage for chunk in known.values()]
        judged = await asyncio.to_thread(self._finder.find, asked.query, asked.correction, passages)
        facts = Facts(
            prompt=tuple(kept[chunk].passage if chunk in kept else None for chunk in asked.prompt),
            evidence=tuple(_in_time(one, known[one.passage.chunk_id], asked) for one in judged),
            found=frozenset((*asked.found, *(passage.chunk_id for passage in found))),
            same_corpus=same_corpus,
        )
        diagnosed = await asyncio.to_thread(diagnose, asked, facts, self._grounded)
        return Examined(diagnosed, facts.prompt, facts.evidence)

    async def is_answerable(self, scope: SearchScope, asked: AskedQuestion) -> bool:
        """Whether what the search finds today is likely to answer the question."""
        own = self._reader.scope_of(scope, asked)
        found = await self._replayer.search(asked.query, own, asked.strategy, depth=NEAREST)
        passages = [each.passage for each in found]
        likely = await asyncio.to_thread(self._finder.answerable, asked.query, passages)
        return likely >= ANSWER_THRESHOLD

    def is_ungrounded(self, asked: AskedQuestion, kept: Mapping[UUID, KeptChunk]) -> bool:
        """Whether what the answer cites is all still stored and hardly supports it."""
        cited = [kept[one.chunk_id].passage.text for one in asked.citations if one.chunk_id in kept]
        if not cited or len(cited) < len(asked.citations):
            return False
        return self._scorer.score(asked.answer, list(dict.fromkeys(cited))).score < SUPPORTED

    async def _candidates(
        self,
        scope: SearchScope,
        asked: AskedQuestion,
        found: Sequence[Passage],
        kept: Mapping[UUID, KeptChunk],
        *,
        same_corpus: bool,
    ) -> dict[UUID, KeptChunk]:
        """Passages that may answer the question: today's, the prompt's, and what was replaced since."""
        read = list(found[:READ_WITHOUT_CORRECTION])
        replaced: list[KeptChunk] = []
        if asked.correction:
            both = f"{asked.query} {asked.correction}"
            more = await self._replayer.search(both, scope, asked.strategy, depth=OF_CORRECTION)
            read = [*found, *(each.passage for each in more)]
            replaced = [] if same_corpus else await self._reader.replaced_since(scope, asked)
        known = await self._reader.chunks(scope, [passage.chunk_id for passage in read])
        prompt = {chunk: kept[chunk] for chunk in asked.prompt if chunk in kept}
        return {chunk.passage.chunk_id: chunk for chunk in replaced} | known | prompt

    def _grounded(self, statement: str, text: str) -> bool:
        return self._scorer.score(statement, [text]).score >= SUPPORTED

    def _cosine(self, question: str, text: str) -> float:
        vectors = self._encoder.encode([question, text], background=True)
        return float(vectors[0] @ vectors[1])


def _in_time(evidence: FoundEvidence, chunk: KeptChunk, asked: AskedQuestion) -> FoundEvidence:
    was_there = chunk.passage.chunk_id in asked.prompt or chunk.added_at <= asked.asked_at
    return replace(evidence, was_there=was_there, is_current=chunk.is_current)
