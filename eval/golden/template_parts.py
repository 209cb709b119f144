"""What the templates share: what they make, and which parts of a sentence can stand in a question."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from eval.golden.subjects import is_name, is_subject_of_the_page, subject_of, topic_of
from eval.golden.types import Intent
from eval.golden.wording import lower_first, points_elsewhere
from rag.ports import Passage
from rag.words import content_words

MIN_WORDS, MAX_WORDS = 2, 15  # of a part of a sentence that becomes a question's
MAX_ANSWER = 45  # words
SPECIFIC_WORDS = 3  # content words
NUMBER = r"(?:\d[\d,.]*|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty)"
UNIT = r"(?:(?:working |business |calendar )?(?:second|minute|hour|day|week|month|year)s?)"
_NO_ANSWER = re.compile(
    r"^\W*(?:see|refer|for more|for example|follow|complete|do the|perform|read|go to|repeat|proceed|"
    r"continue|skip|return to|make sure|note|remember|and|or|including|such|as|with|which|but|it|they|its|"
    r"their|he|she|we|[a-z]+ing|that)\b|:$|"
    r"\b(?:this|these|those|following|above|below|here|previous|next step)\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(r"\b(?:\w+n't|cannot)\b")
VAGUE = re.compile(r"\b(?:each|some|any|several|different|custom|more|finished|done|solution)\b")
_REFERENCE = re.compile(r",? \(?see [^()]*\)?$")


@dataclass(frozen=True, slots=True)
class Found:
    """What a template made of a sentence."""

    intent: Intent
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sentence stands."""

    title: str
    headings: tuple[str, ...]

    @classmethod
    def of(cls, passage: Passage) -> "Place":
        return cls(passage.title, passage.heading_path)

    @property
    def topic(self) -> str | None:
        return topic_of(self.title, self.headings)


Template = Callable[[str, Place], Found | None]


def is_fit(found: Found) -> bool:
    """Whether its answer is understood alone, and says something."""
    is_short = len(found.answer.split()) <= MAX_ANSWER
    return is_short and _is_balanced(found.answer) and not _NO_ANSWER.search(found.answer)


def fits(part: str, most: int = MAX_WORDS) -> bool:
    """Whether a part of a sentence can stand in a question."""
    is_short = MIN_WORDS <= len(part.split()) <= most
    return is_short and _is_balanced(part) and is_specific(part) and not points_elsewhere(part)


def is_specific(part: str) -> bool:
    """Whether it says enough to be understood alone: "the test is successful" is true of any test."""
    words = set(content_words(_NEGATION.sub("", part)))
    return not VAGUE.search(part) and (len(words) >= SPECIFIC_WORDS or is_name(part))


def standing_subject(text: str, place: Place) -> str | None:
    """A subject that is understood without the document."""
    subject = subject_of(text)
    if subject is None:
        return None
    is_general = re.match(r"an? ", subject, re.IGNORECASE)
    known = is_general or is_name(subject) or is_subject_of_the_page(subject, place.title, place.headings)
    return lower_first(subject) if known else None


def without_reference(text: str) -> str:
    """The sentence without a pointer to somewhere else at its end."""
    end = "." if text.endswith(".") else ""
    return _REFERENCE.sub("", text.removesuffix(".")) + end


def _is_balanced(text: str) -> bool:
    return text.count("(") == text.count(")") and text.count('"') % 2 == 0
