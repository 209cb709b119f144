"""What is kept of a question: the conversation's messages, a trace, and what it used."""

import time
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import structlog

from app.answer_run import Run
from app.asked import asked_record
from app.debugging.records import answer_record, failure_record, request_record
from app.privacy.presence import are_gone
from app.privacy.sealed import sealed_citations, sealed_message, sealed_trace
from app.schemas.chat import ChatResponse
from app.trace_records import citation_records, retrieved_records, usage_record
from db.pool import Connection, Database
from db.repositories import conversations, exposures, sources, traces, usage
from db.repositories.exposures import Exposure
from db.repositories.usage import Origin, RequestKind
from graph.state import AnswerState
from rag.errors import GroundworkError

log = structlog.get_logger(__name__)


class AnswerStore:
    """Stores how questions ended.

    Args:
        database: Where.
        embedding_model: Gives the name of the model that searches use now.
        store_text: Whether question and answer may be stored.
    """

    def __init__(self, database: Database, *, embedding_model: Callable[[], str], store_text: bool) -> None:
        self._database = database
        self._embedding_model = embedding_model
        self.keeps_text = store_text

    def trace(self, run: Run, response: ChatResponse, state: AnswerState) -> traces.Trace:
        """What will be stored of an answer."""
        blank = self._blank_trace(run)
        return replace(
            blank,
            diagnostics=blank.diagnostics | answer_record(state, run.sources),
            answer=response.answer if self.keeps_text else None,
            models={"chat": response.model_name, "embedding": self._embedding_model()},
            timings_ms={**response.timings_ms, "total": response.latency_ms},
            degraded=response.degraded,
            abstained=response.abstained,
        )

    def _blank_trace(self, run: Run) -> traces.Trace:
        return traces.Trace(
            request_id=run.request_id,
            conversation_id=run.conversation_id,
            subject=run.subject,
            user_id=run.request.user_id,
            strategy=run.request.strategy,
            query=run.question.stored if self.keeps_text else None,
            answer=None,
            retrieved=retrieved_records(run.sources),
            citations=citation_records(run.citations),
            prompt_version=run.setup.context.prompt.version,
            corpus_version=run.corpus_version,
            models={"embedding": self._embedding_model()},
            usage=usage_record(run.meter.uses),
            timings_ms={},
            degraded=[],
            abstained=False,
            error=None,
            metadata=dict(run.request.metadata),
            redacted=list(run.question.redacted),
            curated_id=run.curated_id,
            variant=run.variant if run.curated_id is None else None,
            diagnostics={
                **request_record(
                    accept_ms=run.accept_ms,
                    waited_s=run.meter.waited_s,
                    floor=run.setup.context.relevance_floor,
                ),
                "asked": asked_record(run.request, run.identity.groups, with_text=self.keeps_text),
            },
        )

    async def store(self, run: Run, trace: traces.Trace) -> None:
        """Messages, trace, exposure and usage, in one transaction; usage alone if who asked was erased."""
        tenant_id = run.identity.tenant_id
        async with self._database.tenant(tenant_id) as connection:
            if await self._is_gone(connection, run):
                return
            cited = {citation.document_id for citation in run.citations}
            gone = cited - await sources.still_there(connection, list(cited))
            trace_id = await traces.add(connection, tenant_id, sealed_trace(run.ring, trace))
            await _expose(connection, run)
            for role, content, citations in (
                ("user", trace.query, []),
                ("assistant", trace.answer, self._stored_citations(run)),
            ):
                message_id = uuid4()
                await conversations.add_message(
                    connection,
                    tenant_id,
                    message_id=message_id,
                    conversation_id=run.conversation_id,
                    trace_id=trace_id,
                    role=role,
                    content=sealed_message(run.ring, message_id, content),
                    citations=sealed_citations(run.ring, message_id, citations),
                )
            for document_id in gone:  # deleted while the answer was being written
                await conversations.blank_quotes(connection, tenant_id, document_id)
            await usage.add(connection, tenant_id, RequestKind.CHAT, run.meter.uses, _origin(run, trace_id))

    async def _is_gone(self, connection: Connection, run: Run) -> bool:
        """Whether whoever asked was erased since; then nothing but what was used is written down."""
        tenant_id = run.identity.tenant_id
        gone = await are_gone(connection, tenant_id, run.people, began_at=run.began_at)
        if gone:
            await usage.add(connection, tenant_id, RequestKind.CHAT, run.meter.uses)
        return gone

    def _stored_citations(self, run: Run) -> list[conversations.StoredCitation]:
        return [
            conversations.StoredCitation(
                citation_index=citation.index,
                chunk_id=citation.chunk_id,
                document_id=citation.document_id,
                statement=piece.text.strip() if self.keeps_text else None,
                quote=citation.quote if self.keeps_text else None,
                start=citation.start,
                end=citation.end,
            )
            for piece in run.released
            for citation in piece.citations
        ]

    async def store_failure(self, run: Run, error: str) -> None:
        """That it was asked, and how it failed. What can't be stored is logged."""
        elapsed = round((time.perf_counter() - run.began) * 1000, 2)
        tenant_id = run.identity.tenant_id
        try:
            async with self._database.tenant(tenant_id) as connection:
                if await self._is_gone(connection, run):
                    return
                blank = self._blank_trace(run)
                trace = replace(
                    blank,
                    timings_ms={"total": elapsed},
                    error=error,
                    diagnostics=blank.diagnostics | failure_record(run.sources, run.released),
                )
                trace_id = await traces.add(connection, tenant_id, sealed_trace(run.ring, trace))
                await _expose(connection, run)
                await usage.add(
                    connection, tenant_id, RequestKind.CHAT, run.meter.uses, _origin(run, trace_id)
                )
        except GroundworkError:
            log.exception("trace_lost", error=error)


def _origin(run: Run, trace_id: UUID) -> Origin:
    return Origin(request_id=run.request_id, trace_id=trace_id, subject=run.subject)


async def _expose(connection: Connection, run: Run) -> None:
    """Note that whoever asked met a variant. A curated answer is the same in each."""
    if run.assigned is None or run.curated_id is not None:
        return
    exposure = Exposure(
        run.assigned.experiment_id, run.subject, run.request.user_id, run.assigned.variant, run.began_at
    )
    await exposures.expose(connection, run.identity.tenant_id, exposure)
