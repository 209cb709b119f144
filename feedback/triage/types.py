"""A question that was asked, as it is stored, and what is found out about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from rag.ports import Passage
from rag.retrieve import Strategy


class Reason(StrEnum):
    """Why an answer is looked at, the strongest first."""

    DOWNVOTED = "downvoted"
    ABSTAINED_BUT_ANSWERABLE = "abstained_but_answerable"
    LOW_GROUNDEDNESS = "low_groundedness"
    REFORMULATED = "reformulated"


class Diagnosis(StrEnum):
    """Where an answer went wrong; `feedback.triage.diagnose` says what evidence decides."""

    NOT_IN_CORPUS = "not_in_corpus"
    RETRIEVAL_MISSED = "retrieval_missed"
    RANKED_OUT = "ranked_out"
    IGNORED_BY_MODEL = "ignored_by_model"
    CITATION_WRONG = "citation_wrong"
    SHOULD_HAVE_ABSTAINED = "should_have_abstained"
    NONE = "none"
    NOT_REPRODUCIBLE = "not_reproducible"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a user said of an answer; rating is -1 or 1."""

    feedback_id: UUID
    rating: int
    labels: tuple[str, ...] = ()
    comment: str | None = None
    correction: str | None = None


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A citation as a trace keeps it: `[index]` names a chunk, and in it `[start, end)` of its source."""

    index: int
    chunk_id: UUID
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedQuestion:
    """A stored request.

    Attributes:
        prompt: Ids of the chunks that the answer was written from, in their order.
        found: Ids of what else the search had found, as far as that is stored.
        top_k: How many passages the request asked for; None for as many as usual.
        groups: Of whoever asked.
        filters: Of the request, as `/chat` takes them.
        verdict: What its user said, if anything.
        was_reformulated: Whether the client says that it was asked again in other words.
    """

    trace_id: UUID
    request_id: str
    conversation_id: UUID | None
    asked_at: datetime
    query: str
    answer: str
    abstained: bool
    strategy: Strategy
    prompt: tuple[UUID, ...]
    citations: tuple[NamedSource, ...]
    prompt_version: str
    corpus_version: int
    model: str | None
    found: tuple[UUID, ...] = ()
    top_k: int | None = None
    groups: tuple[str, ...] = ()
    filters: Mapping[str, Any] = field(default_factory=dict)
    verdict: Verdict | None = None
    was_reformulated: bool = False

    @property
    def is_downvoted(self) -> bool:
        return self.verdict is not None and self.verdict.rating < 0

    @property
    def correction(self) -> str | None:
        """What its user says that a right answer is."""
        text = self.verdict.correction if self.verdict else None
        return text if text and text.strip() else None


@dataclass(frozen=True, slots=True)
class SelectedQuestion:
    """A request that is worth a person's look, and why."""

    asked: AskedQuestion
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class FoundEvidence:
    """A passage that answers the question, as far as can be told without a person.

    Attributes:
        worth: 0 to 1.
        was_there: Whether it could be found when the question was asked.
        is_current: Whether it can be found today.
    """

    passage: Passage
    worth: float
    was_there: bool = True
    is_current: bool = True


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """A diagnosis, and in a sentence what decided it."""

    diagnosis: Diagnosis
    because: str
