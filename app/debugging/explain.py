"""Tells the whole story of one request, and what was the cause where it went wrong."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from app.access.identity import Identity
from app.asked import narrowed
from app.debugging.causes import Facts, Finding, Place, Reading, find_causes
from app.debugging.reading import PlacedPassage, read_passages
from app.debugging.stored import StoredRequest, StoredRequests
from app.metering import metered
from app.schemas.traces import (
    Candidate,
    FindingOut,
    KeptCitation,
    LegResult,
    StageTime,
    TraceOut,
    VerdictOut,
)
from db.pool import Database
from db.repositories import triage
from db.repositories.usage import RequestKind
from rag.models.answer_selection import AnswerSelector
from rag.models.minilm import MiniLMEmbeddings
from rag.ports import SearchScope
from rag.retrieve import PassageRetriever, Strategy

SAME_SCORE = 1e-4  # vectors of the same text differ by less, and those of others hardly ever
REPLAYED = 8  # passages that a replayed search is looked at for


class Explainer:
    """Explains requests.

    Args:
        database: Where they are stored.
        requests: Reads them.
        retriever: Searches today's documents.
        encoder: Gives the local model's encoder.
    """

    def __init__(
        self,
        database: Database,
        requests: StoredRequests,
        retriever: PassageRetriever,
        encoder: Callable[[], MiniLMEmbeddings],
    ) -> None:
        self._database = database
        self._requests = requests
        self._retriever = retriever
        self._encoder = encoder

    async def explain(self, identity: Identity, request_id: str, *, replay: bool = False) -> TraceOut:
        """The newest request of that id.

        Args:
            identity: Who wants to know: what is closed to them stays closed.
            request_id: Of their tenant.
            replay: Whether to search today's documents again, comparing every passage, for what was missed.

        Raises:
            NotFoundError: There is no such request.
            UnavailableError: The database can't be reached, or a text can't be opened.
            GroundworkError: The search failed that was asked for.
        """
        stored = await self._requests.read(identity, request_id)
        passages = _stored_passages(stored)
        if replay and stored.trace.query is not None:
            passages += await self._search_again(identity, stored)
        reading = await asyncio.to_thread(self._read, stored, passages)
        return _story(stored, find_causes(_facts(stored, reading, passages)))

    def _read(self, stored: StoredRequest, passages: Sequence[PlacedPassage]) -> Reading | None:
        trace = stored.trace
        if trace.query is None or trace.curated_id is not None or trace.error is not None:
            return None
        cited = [citation["chunk_id"] for citation in trace.citations]
        answer = "" if trace.abstained else trace.answer or ""
        return read_passages(AnswerSelector(self._encoder()), trace.query, answer, cited, passages)

    async def _search_again(self, identity: Identity, stored: StoredRequest) -> list[PlacedPassage]:
        """What the search gives today, to the groups of both who asked and who wants to know."""
        trace, tenant_id = stored.trace, identity.tenant_id
        groups = tuple(sorted(set(identity.groups) & set(stored.asked.get("groups", []))))
        async with metered(self._database, tenant_id, RequestKind.SEARCH):
            found = await self._retriever.retrieve(
                trace.query or "",
                narrowed(SearchScope(tenant_id, groups), stored.asked.get("filters", {})),
                strategy=Strategy(trace.strategy),
                top_k=REPLAYED,
                exact=True,
            )
        known = {record["chunk_id"] for record in (*trace.retrieved, *stored.left_out)}
        ids = [each.passage.chunk_id for each in found.passages]
        async with self._database.tenant(tenant_id) as connection:
            chunks = await triage.chunks(connection, tenant_id, groups, ids)
        return [
            PlacedPassage(
                each.passage,
                Place.NOT_FOUND
                if chunks[each.passage.chunk_id].added_at <= trace.created_at
                else Place.ADDED_SINCE,
                rank,
                score=each.vector_score,
            )
            for rank, each in enumerate(found.passages, start=1)
            if each.passage.chunk_id in chunks and str(each.passage.chunk_id) not in known
        ]


def _stored_passages(stored: StoredRequest) -> list[PlacedPassage]:
    """What was found, as far as it is still stored and open to the caller."""
    left = sorted(stored.left_out, key=lambda record: record["fused"]["rank"])
    records = [(record, Place.PROMPT) for record in stored.trace.retrieved]
    records += [(record, Place.LEFT_OUT) for record in left]
    found = [(record, place, stored.chunks.get(UUID(record["chunk_id"]))) for record, place in records]
    return [
        PlacedPassage(chunk.passage, place, record["fused"]["rank"], record.get("left_out_by"))
        for record, place, chunk in found
        if chunk is not None and chunk.is_open
    ]


def _facts(stored: StoredRequest, reading: Reading | None, passages: Sequence[PlacedPassage]) -> Facts:
    trace = stored.trace
    return Facts(
        timings_ms=stored.timings_ms,
        usual_ms=stored.usual_ms,
        high_ms=stored.high_ms,
        error=trace.error,
        failed_stage=trace.diagnostics.get("failed_stage"),
        degraded=tuple(trace.degraded),
        abstained=trace.abstained,
        curated=trace.curated_id is not None,
        model=trace.models.get("chat"),
        removed_citations=trace.diagnostics.get("removed_citations", 0),
        gone=_gone(stored, [each.score for each in passages if each.score is not None]),
        reading=reading,
    )


def _gone(stored: StoredRequest, again: Sequence[float]) -> tuple[str, ...]:
    """Documents once cited for the same question that are gone, and were nearer to it than what is cited now.

    Not those whose text is found again under another id: it has the same similarity to the same question.
    `again` are the similarities of what a search finds today.
    """
    cited = {record["chunk_id"] for record in stored.trace.citations}
    records = [*stored.trace.retrieved, *stored.left_out]
    found = [*again, *(_similarity(record) for record in records)]
    nearest = max((_similarity(record) for record in records if record["chunk_id"] in cited), default=-1.0)
    gone = {each: score for each, score in stored.cited_before.items() if each not in stored.documents}
    return tuple(
        sorted(
            str(each)
            for each, score in gone.items()
            if score is None or (score > nearest and all(abs(score - other) >= SAME_SCORE for other in found))
        )
    )


def _similarity(record: Mapping[str, Any]) -> float:
    score = record["vector"]["score"]
    return -1.0 if score is None else float(score)


def _story(stored: StoredRequest, findings: Sequence[Finding]) -> TraceOut:
    trace, kept = stored.trace, stored.trace.diagnostics
    records = [*trace.retrieved, *stored.left_out]
    shown = [record for record in records if stored.is_open(record)]
    withheld = not all(stored.is_open(record) for record in trace.retrieved)
    visible = {record["chunk_id"] for record in shown}
    return TraceOut(
        request_id=trace.request_id,
        trace_id=trace.id,
        conversation_id=trace.conversation_id,
        created_at=trace.created_at,
        subject=trace.subject,
        user_id=trace.user_id,
        primary_cause=findings[0].cause,
        causes=[FindingOut.model_validate(finding) for finding in findings],
        timeline=_timeline(stored),
        search_ms=kept.get("search_ms", {}),
        first_token_ms=kept.get("first_token_ms"),
        query=trace.query,
        redacted=trace.redacted,
        answer=None if withheld else trace.answer,
        withheld=withheld,
        strategy=trace.strategy,
        filtered=bool(stored.asked.get("filters")),
        candidates=[_candidate(stored, record) for record in shown],
        hidden_candidates=len(records) - len(shown),
        citations=[KeptCitation(**each) for each in trace.citations if each["chunk_id"] in visible],
        removed_citations=kept.get("removed_citations", 0),
        prompt_version=trace.prompt_version,
        corpus_version=trace.corpus_version,
        models=trace.models,
        usage=trace.usage,
        degraded=trace.degraded,
        abstained=trace.abstained,
        error=trace.error,
        failed_stage=kept.get("failed_stage"),
        variant=trace.variant,
        curated_id=trace.curated_id,
        feedback=[_verdict(row, withheld=withheld) for row in stored.verdicts],
        events=dict(stored.events),
    )


def _timeline(stored: StoredRequest) -> list[StageTime]:
    """In the order in which the stages ran."""
    order = ("accept", "wait", "retrieve", "rerank", "assemble", "generate", "verify", "abstain", "total")
    took = stored.timings_ms
    return [
        StageTime(stage=stage, ms=took[stage], usual_ms=stored.usual_ms.get(stage))
        for stage in order
        if stage in took
    ]


def _candidate(stored: StoredRequest, record: Mapping[str, Any]) -> Candidate:
    chunk = stored.chunks.get(UUID(record["chunk_id"]))
    document = stored.documents.get(UUID(record["document_id"]))
    number = record.get("rank")
    return Candidate(
        chunk_id=record["chunk_id"],
        document_id=record["document_id"],
        source_document_id=document.source_document_id if document else None,
        title=document.title if document else None,
        in_prompt=number is not None,
        prompt_number=number,
        left_out_by=record.get("left_out_by"),
        is_cited=record["chunk_id"] in {each["chunk_id"] for each in stored.trace.citations},
        is_stored=chunk is not None,
        vector=LegResult(**record["vector"]),
        lexical=LegResult(**record["lexical"]),
        fused=LegResult(**record["fused"]),
        rerank=LegResult(**record["rerank"]) if "rerank" in record else None,
        text=chunk.passage.text if chunk and chunk.is_open else None,
    )


def _verdict(row: Mapping[str, Any], *, withheld: bool) -> VerdictOut:
    return VerdictOut(
        rating=row["rating"],
        labels=row["labels"],
        comment=None if withheld else row["comment"],
        correction=None if withheld else row["correction"],
        created_at=row["created_at"],
    )
