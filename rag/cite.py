"""Citations: `[n]` in an answer, checked against the passage that it names.

A citation holds if the sentence stands in the passage word for word, or if the passage has at least half of
the sentence's content words and all of its numbers (word recall: the plainest measure of groundedness, and a
strong one; see the benchmark of citation checks).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from rag.ports import Passage
from rag.sentences import sentence_spans
from rag.words import content_words

_MARKER = r"\[\d{1,4}(?:\s*,\s*\d{1,4})*\]"
_MARKERS = rf"([ \t]*)({_MARKER}(?:[ \t]*{_MARKER})*)"  # one or several in a row, and the space before
MARKERS = re.compile(_MARKERS)
LAST_MARKERS = re.compile(rf"{_MARKERS}(?=[.!?…。！？]?\s*$)")
# Share of content words. On one third of the citation benchmark every value from 0.5 to 0.7 does alike; the
# lowest of them is kindest to paraphrases.
SUPPORT_THRESHOLD = 0.5
NOT_A_CLAIM = frozenset({"yes", "ja", "si", "oui"})  # an answer that the next sentence gives the ground for


@dataclass(frozen=True, slots=True)
class Citation:
    """A checked citation. `quote` is the source's stored text at `[start, end)`, character by character."""

    index: int
    chunk_id: UUID
    document_id: UUID
    source_document_id: str
    title: str
    quote: str
    start: int
    end: int
    page: int | None
    uri: str | None


@dataclass(frozen=True, slots=True)
class VerifiedSentence:
    """A sentence of the answer as it may be shown.

    Attributes:
        text: With only those markers that hold; empty if no source supports what it claims.
        citations: What the markers point at.
        removed: Markers that did not hold.
    """

    text: str
    citations: tuple[Citation, ...]
    removed: int


def verify_sentence(sentence: str, sources: Sequence[Passage]) -> VerifiedSentence:
    """Check each `[n]` of a sentence against `sources[n - 1]` and take out those that don't hold.

    A claim without a marker that holds is given to the source that supports it best; if none does, the
    sentence goes.
    """
    quoted = _checked(sentence, LAST_MARKERS, sources, only_verbatim=True)
    if quoted.citations:  # markers further ahead are the document's own
        return quoted
    checked = _checked(sentence, MARKERS, sources)
    if checked.citations or not _claims(MARKERS.sub("", sentence)):
        return checked
    return _attributed(checked, sources)


def _checked(
    sentence: str, markers: re.Pattern[str], sources: Sequence[Passage], *, only_verbatim: bool = False
) -> VerifiedSentence:
    statement = markers.sub("", sentence).strip()
    named = [index for found in markers.finditer(sentence) for index in _indexes(found)]
    checked = {
        index: _check(statement, index, sources, only_verbatim=only_verbatim)
        for index in dict.fromkeys(named)
    }

    def only_valid(found: re.Match[str]) -> str:
        kept = "".join(f"[{index}]" for index in _indexes(found) if checked[index])
        return found.group(1) + kept if kept else ""

    return VerifiedSentence(
        text=markers.sub(only_valid, sentence),
        citations=tuple(citation for citation in checked.values() if citation),
        removed=sum(checked[index] is None for index in named),
    )


def _indexes(found: re.Match[str]) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", found.group(2))]


def _claims(statement: str) -> bool:
    return not set(content_words(statement)) <= NOT_A_CLAIM


def _attributed(sentence: VerifiedSentence, sources: Sequence[Passage]) -> VerifiedSentence:
    """The sentence with a marker of the source that supports it best; without text where none does."""
    statement = sentence.text.strip()
    best = max(sources, key=lambda source: support(statement, _context(source)), default=None)
    citation = _check(statement, sources.index(best) + 1, sources) if best else None
    if citation is None:
        return VerifiedSentence("", (), sentence.removed)
    end = len(sentence.text.rstrip())
    text = f"{sentence.text[:end]} [{citation.index}]{sentence.text[end:]}"
    return VerifiedSentence(text, (citation,), sentence.removed)


def support(statement: str, passage: str) -> float:
    """How much of a statement a passage holds, 0 to 1; 0 as soon as a number of it is missing there."""
    wanted = set(content_words(statement))
    found = set(content_words(passage))
    if not wanted or any(word.isdigit() and word not in found for word in wanted):
        return 0.0
    return len(wanted & found) / len(wanted)


def _check(
    statement: str, index: int, sources: Sequence[Passage], *, only_verbatim: bool = False
) -> Citation | None:
    if not 1 <= index <= len(sources):
        return None
    passage = sources[index - 1]
    span = _verbatim(statement, passage.text)
    if span is None:
        if only_verbatim or support(statement, _context(passage)) < SUPPORT_THRESHOLD:
            return None
        span = _best_span(statement, passage.text)
    start, end = span
    return Citation(
        index=index,
        chunk_id=passage.chunk_id,
        document_id=passage.document_id,
        source_document_id=passage.source_document_id,
        title=passage.title,
        quote=passage.text[start:end],
        start=passage.start + start,
        end=passage.start + end,
        page=passage.page,
        uri=passage.uri,
    )


def _context(passage: Passage) -> str:
    return f"{passage.title} {' '.join(passage.heading_path)} {passage.text}"


def _verbatim(statement: str, text: str) -> tuple[int, int] | None:
    """Where the statement stands in the text as whole words; a statement without content stands nowhere."""
    found = re.search(rf"(?<!\w){re.escape(statement)}(?!\w)", text) if _claims(statement) else None
    return found.span() if found else None


def _best_span(statement: str, text: str) -> tuple[int, int]:
    """The one or two sentences of `text` that hold most of the statement's words, the shorter on a tie."""
    wanted = set(content_words(statement))
    spans = sentence_spans(text)
    windows = spans + [(spans[i][0], spans[i + 1][1]) for i in range(len(spans) - 1)]

    def quality(window: tuple[int, int]) -> tuple[int, int]:
        start, end = window
        return len(wanted & set(content_words(text[start:end]))), start - end

    return max(windows, key=quality, default=(0, len(text)))
