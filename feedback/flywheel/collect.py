"""Sessions of one tenant, from its traces, events and verdicts. Nothing but numbers and ids leaves here.

Positive is what was clicked, copied or bought (`clicked`), and what is cited in an answer that was rated good
or is gold of a promoted case (`approved`). An event names a document: it counts for the first of its passages
that was shown. Everything else that was shown is a negative, and the hardest that there is: the search put it
at the top, and nobody wanted it.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np

from db.pool import Database
from db.repositories import training, triage
from db.repositories.triage import KeptChunk
from feedback.flywheel.sessions import Session
from feedback.triage.reading import Row, Unseal
from feedback.triage.redact import Redact
from rag.models.rerank_features import RerankCandidate, feature_matrix
from rag.ports import SearchScope

Gold = Mapping[UUID, frozenset[UUID]]
"""Chunks that hold the answer, by the trace that a promoted case comes from."""


@dataclass(frozen=True, slots=True)
class Collected:
    """Sessions, and why others are none.

    Attributes:
        read: Answers that were looked at.
        closed: Of these, left out because the groups can't read a passage that was shown.
        gone: Left out because such a passage is no longer stored.
    """

    sessions: tuple[Session, ...]
    read: int
    closed: int
    gone: int


@dataclass(frozen=True, slots=True)
class _Answer:
    """A stored answer with what was done with it."""

    row: Row
    clicked: frozenset[UUID]
    approved: frozenset[UUID]

    @property
    def shown(self) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = self.row["retrieved"]
        return records

    @property
    def found(self) -> list[dict[str, Any]]:
        """All that the search had found, best first."""
        left: list[dict[str, Any]] = self.row["diagnostics"].get("left_out", [])
        return sorted([*self.shown, *left], key=lambda record: record["fused"]["rank"])


class SessionReader:
    """Reads sessions.

    Args:
        database: Where they are.
        unseal: Opens stored texts; it is not awaited while a connection is held.
        redact: Takes personal data out of questions.
    """

    def __init__(self, database: Database, unseal: Unseal, redact: Redact) -> None:
        self._database = database
        self._unseal = unseal
        self._redact = redact

    async def collect(self, scope: SearchScope, within: timedelta, *, gold: Gold) -> Collected:
        """Sessions of the tenant's answers of that time.

        Args:
            scope: The tenant, and the groups whose documents may be read.
            within: How far back to look.
            gold: Of promoted cases.

        Raises:
            UnavailableError: The database can't be reached, or a text can't be opened.
        """
        async with self._database.tenant(scope.tenant_id) as connection:
            rows = await training.answered(connection, scope.tenant_id, within=within)
            ids = [row["id"] for row in rows]
            clicked = await training.clicked(connection, scope.tenant_id, ids)
            approved = await training.approved(connection, scope.tenant_id, ids)
            wanted = {UUID(chunk) for row in rows for chunk in _chunks(row)}
            kept = await triage.chunks(connection, scope.tenant_id, scope.groups, wanted)
        opened = await self._unseal(scope.tenant_id, "traces", rows)
        answers = [
            _Answer(row, clicked.get(row["id"], frozenset()), _approved(row, approved, gold))
            for row in opened
        ]
        return await asyncio.to_thread(self._sessions, answers, kept)

    def _sessions(self, answers: Sequence[_Answer], kept: Mapping[UUID, KeptChunk]) -> Collected:
        sessions, closed, gone = [], 0, 0
        for answer in answers:
            shown = [kept.get(UUID(record["chunk_id"])) for record in answer.shown]
            if any(chunk is not None and not chunk.is_open for chunk in shown):
                closed += 1
            elif None in shown:
                gone += 1
            else:
                sessions.append(self._session(answer, kept))
        return Collected(tuple(sessions), len(answers), closed, gone)

    def _session(self, answer: _Answer, kept: Mapping[UUID, KeptChunk]) -> Session:
        question = self._redact(answer.row["query"])
        found = [record for record in answer.found if _is_open(record, kept)]
        candidates = [_candidate(record, kept[UUID(record["chunk_id"])]) for record in found]
        features = feature_matrix(question, candidates)
        places = {record["chunk_id"]: at for at, record in enumerate(found)}
        shown = [record["chunk_id"] for record in answer.shown]
        later = [chunk for chunk in places if chunk not in shown and UUID(chunk) in answer.approved]
        names = [*shown, *later]
        return Session(
            question=question,
            passages=tuple(names),
            shown=len(shown),
            features=features[[places[name] for name in names]],
            clicked=np.array([*_clicked(answer), *(False for _ in later)], bool),
            approved=np.array([UUID(name) in answer.approved for name in names], bool),
        )


def _chunks(row: Row) -> Iterator[str]:
    for record in (*row["retrieved"], *row["diagnostics"].get("left_out", ())):
        yield record["chunk_id"]


def _approved(row: Row, good: Collection[UUID], gold: Gold) -> frozenset[UUID]:
    cited = {UUID(each["chunk_id"]) for each in row["citations"]} if row["id"] in good else set()
    return frozenset(cited) | gold.get(row["id"], frozenset())


def _is_open(record: Mapping[str, Any], kept: Mapping[UUID, KeptChunk]) -> bool:
    chunk = kept.get(UUID(record["chunk_id"]))
    return chunk is not None and chunk.is_open


def _clicked(answer: _Answer) -> Iterator[bool]:
    """Of each passage that was shown, whether it is the first of a document that was used."""
    before: set[str] = set()
    for record in answer.shown:
        yield UUID(record["document_id"]) in answer.clicked and record["document_id"] not in before
        before.add(record["document_id"])


def _candidate(record: Mapping[str, Any], chunk: KeptChunk) -> RerankCandidate:
    passage = chunk.passage
    return RerankCandidate(
        text=passage.text,
        title=passage.title,
        heading_path=passage.heading_path,
        chunk_index=passage.chunk_index,
        vector_rank=record["vector"]["rank"],
        vector_score=record["vector"]["score"],
        lexical_rank=record["lexical"]["rank"],
        lexical_score=record["lexical"]["score"],
        fused_score=record["fused"]["score"],
    )
