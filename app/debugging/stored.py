"""A request as it is stored, with what surrounds it, read for one caller and with its texts opened."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from app.access.identity import Identity
from app.debugging.causes import FEW
from app.privacy.field_keys import FieldKeys
from app.privacy.sealed import key_versions, unsealed_row
from db.pool import Database
from db.repositories import stories, triage
from db.repositories.stories import KnownDocument, StoredTrace
from db.repositories.triage import KeptChunk
from rag.errors import NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRequest:
    """All that is stored of a request.

    Attributes:
        trace: With its texts opened.
        documents: Those of its passages, and of `cited_before`, that are still there.
        chunks: Those of its passages that are still stored, closed ones too.
        cited_before: Documents that earlier answers to the same question cited, with the similarity of what
            was cited.
        usual_ms: Medians of earlier requests by stage, where there are enough.
        high_ms: What one in ten of these exceeds.
        verdicts: What users said, opened.
        events: How often people did what with the answer.
    """

    trace: StoredTrace
    documents: Mapping[UUID, KnownDocument]
    chunks: Mapping[UUID, KeptChunk]
    cited_before: Mapping[UUID, float | None]
    usual_ms: Mapping[str, float]
    high_ms: Mapping[str, float]
    verdicts: Sequence[Mapping[str, Any]]
    events: Mapping[str, int]

    @property
    def timings_ms(self) -> dict[str, float]:
        """By stage, with what lies before and within them."""
        kept = self.trace.diagnostics
        extra = {"accept": kept.get("accept_ms", 0.0), "wait": kept.get("model_wait_ms", 0.0)}
        return {**self.trace.timings_ms, **extra}

    @property
    def asked(self) -> Mapping[str, Any]:
        """What was asked for besides the question, by whom; empty for requests of earlier versions."""
        found: Mapping[str, Any] = self.trace.diagnostics.get("asked", {})
        return found

    @property
    def left_out(self) -> list[dict[str, Any]]:
        """What was found and not in the prompt."""
        found: list[dict[str, Any]] = self.trace.diagnostics.get("left_out", [])
        return found

    def is_open(self, record: Mapping[str, Any]) -> bool:
        """Whether the caller may see a passage: not of a closed document; one that is gone has no text."""
        known = self.documents.get(UUID(record["document_id"]))
        return known is None or known.is_open


class StoredRequests:
    """Reads requests.

    Args:
        database: Where they are.
        keys: Open sealed texts.
    """

    def __init__(self, database: Database, keys: FieldKeys) -> None:
        self._database = database
        self._keys = keys

    async def read(self, identity: Identity, request_id: str) -> StoredRequest:
        """The newest request of that id of the caller's tenant.

        Raises:
            NotFoundError: There is none.
            UnavailableError: The database can't be reached, or a text can't be opened.
        """
        tenant_id, groups = identity.tenant_id, identity.groups
        async with self._database.tenant(tenant_id) as connection:
            trace = await stories.find(connection, tenant_id, request_id)
            if trace is None:
                raise NotFoundError(f"there is no request {request_id}")
            before = await stories.cited_before(connection, tenant_id, trace)
            records = [*trace.retrieved, *trace.diagnostics.get("left_out", [])]
            ids = {UUID(record["document_id"]) for record in records} | set(before)
            documents = await stories.documents(connection, tenant_id, groups, ids)
            chunk_ids = [UUID(record["chunk_id"]) for record in records]
            chunks = await triage.chunks(connection, tenant_id, groups, chunk_ids)
            timings = await stories.timings_before(connection, tenant_id, trace)
            verdicts = await stories.verdicts(connection, tenant_id, trace.id)
            events = await stories.events(connection, tenant_id, trace.id)
        return StoredRequest(
            trace=StoredTrace(**(await self._opened(tenant_id, "traces", [asdict(trace)]))[0]),
            documents=documents,
            chunks=chunks,
            cited_before=before,
            usual_ms=usual_timings(timings, share=0.5),
            high_ms=usual_timings(timings, share=0.9),
            verdicts=await self._opened(tenant_id, "feedback", verdicts),
            events=events,
        )

    async def _opened(
        self, tenant_id: UUID, table: str, rows: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        ring = await self._keys.ring(tenant_id, reading=key_versions(table, rows))
        return [unsealed_row(ring, table, row) for row in rows]


def usual_timings(timings: Sequence[Mapping[str, float]], *, share: float) -> dict[str, float]:
    """What that share of requests takes at most, for each stage that at least FEW of them had."""
    stages = {stage for each in timings for stage in each}
    values = {stage: [each[stage] for each in timings if stage in each] for stage in stages}
    return {
        stage: round(sorted(took)[int(share * (len(took) - 1))], 2)
        for stage, took in values.items()
        if len(took) >= FEW
    }
