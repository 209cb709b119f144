"""What questions are made from, and what is made."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from db.repositories.golden_set import StoredChunk
from rag.ports import Passage


class Intent(StrEnum):
    """What a question is after."""

    ATTRIBUTE = "attribute"  # one fact: a number, a date, a name
    COMPARATIVE = "comparative"  # how two things differ, which two chunks say
    CONCEPTUAL = "conceptual"  # what something is, or is for
    QUESTION = "question"  # what somebody who uses the documents would ask


@dataclass(frozen=True, slots=True)
class Draft:
    """A question that isn't checked yet.

    Attributes:
        evidence: What of the chunk's text says the answer, character by character.
        other: The second chunk of a comparison.
        other_evidence: The same of the second chunk.
    """

    intent: Intent
    question: str
    answer: str
    evidence: str
    other: Passage | None = None
    other_evidence: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What a writer made of a chunk, best first.

    Attributes:
        invalid: Questions that a model gave in a form that can't be used.
    """

    drafts: list[Draft] = field(default_factory=list)
    invalid: int = 0


class QuestionWriter(Protocol):
    """Writes questions that a chunk answers.

    Attributes:
        name: Of the model, or `template`.
        version: Of its prompt or templates; it changes whenever they do.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def looks_for(self, chunk: StoredChunk) -> str:
        """What to search for, to find something that the chunk's subject can be compared with."""
        ...

    async def write(
        self, chunk: StoredChunk, others: Sequence[Passage], intents: Collection[Intent]
    ) -> Written:
        """Questions of these intents; `others` are chunks on a like subject, for comparisons.

        Raises:
            GroundworkError: A model failed.
        """
        ...
