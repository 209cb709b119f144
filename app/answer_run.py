"""A question on its way to an answer, and what is known of it so far."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from app.access.identity import Identity
from app.experiments.running import Assigned
from app.experiments.setups import AnswerSetup
from app.privacy.person import digests
from app.schemas.chat import ChatRequest
from graph.events import Released
from rag.cite import Citation
from rag.encryption.sealing import Keyring
from rag.models.usage import Meter
from rag.ports import RetrievedPassage
from rag.privacy.questions import Question


@dataclass(slots=True)
class Run:
    """A question that is being answered, and what is known of it so far.

    Attributes:
        question: The request's, with personal data taken out as the tenant wants it.
        ring: Seals what is stored.
        began_at: By the database's clock.
        accept_ms: From the call of `begin` to its end.
        degraded: What failed before the answer graph began.
        curated_id: The curated answer that was given, if one was.
        setup: How it is answered.
        assigned: The variant of an experiment that it is, if it is one.
    """

    identity: Identity
    request: ChatRequest
    request_id: str
    conversation_id: UUID
    subject: str
    corpus_version: int
    question: Question
    ring: Keyring
    began_at: datetime
    setup: AnswerSetup
    assigned: Assigned | None = None
    suppressed: tuple[str, ...] = ()
    accept_ms: float = 0.0
    began: float = field(default_factory=time.perf_counter)
    sources: list[RetrievedPassage] = field(default_factory=list)
    released: list[Released] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    curated_id: UUID | None = None
    meter: Meter = field(default_factory=Meter)

    @property
    def variant(self) -> str | None:
        """As the answer and its trace name it."""
        return self.assigned.label if self.assigned else None

    @property
    def answer(self) -> str:
        return "".join(piece.text for piece in self.released)

    @property
    def citations(self) -> list[Citation]:
        return [citation for piece in self.released for citation in piece.citations]

    @property
    def people(self) -> list[str]:
        """Digests of those whose question it is."""
        return digests(self.identity.tenant_id, self.subject, self.request.user_id)
