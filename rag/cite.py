"""Citations: `[n]` in an answer, checked against the passage that it names.

A citation stands if the passage holds most of the sentence's content words and all of its numbers (word
recall: the plainest measure of groundedness, and a strong one; see the benchmark of citation checks).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from rag.ports import Passage
from rag.sentences import sentence_spans
from rag.words import content_words

_MARKER = r"\[\d{1,4}(?:\s*,\s*\d{1,4})*\]"
MARKERS = re.compile(rf"([ \t]*)({_MARKER}(?:[ \t]*{_MARKER})*)")  # one or several in a row
# Share of content words. On one third of the citation benchmark every value from 0.5 to 0.7 does alike; the
# lowest of them is kindest to paraphrases.
SUPPORT_THRESHOLD = 0.5


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
    """A sentence of the answer with only those markers that hold, and what they point at."""

    text: str
    citations: tuple[Citation, ...]
    removed: int


def verify_sentence(sentence: str, sources: Sequence[Passage]) -> VerifiedSentence:
    """Check each `[n]` of a sentence against `sources[n - 1]` and take out those that don't hold."""
    statement = MARKERS.sub("", sentence).strip()
    named = [int(n) for found in MARKERS.finditer(sentence) for n in re.findall(r"\d+", found.group(2))]
    checked = {index: _check(statement, index, sources) for index in dict.fromkeys(named)}

    def only_valid(markers: re.Match[str]) -> str:
        indexes = map(int, re.findall(r"\d+", markers.group(2)))
        kept = "".join(f"[{index}]" for index in indexes if checked[index])
        return markers.group(1) + kept if kept else ""

    return VerifiedSentence(
        text=MARKERS.sub(only_valid, sentence),
        citations=tuple(citation for citation in checked.values() if citation),
        removed=sum(checked[index] is None for index in named),
    )


def support(statement: str, passage: str) -> float:
    """How much of a statement a passage holds, 0 to 1; 0 as soon as a number of it is missing there."""
    wanted = set(content_words(statement))
    found = set(content_words(passage))
    if not wanted or any(word.isdigit() and word not in found for word in wanted):
        return 0.0
    return len(wanted & found) / len(wanted)


def _check(statement: str, index: int, sources: Sequence[Passage]) -> Citation | None:
    if not 1 <= index <= len(sources):
        return None
    passage = sources[index - 1]
    span = _verbatim(statement, passage.text)
    if span is None:
        context = f"{passage.title} {' '.join(passage.heading_path)} {passage.text}"
        if support(statement, context) < SUPPORT_THRESHOLD:
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


def _verbatim(statement: str, text: str) -> tuple[int, int] | None:
    start = text.find(statement) if statement else -1
    return None if start < 0 else (start, start + len(statement))


def _best_span(statement: str, text: str) -> tuple[int, int]:
    """The one or two sentences of `text` that hold most of the statement's words, the shorter on a tie."""
    wanted = set(content_words(statement))
    spans = sentence_spans(text)
    windows = spans + [(spans[i][0], spans[i + 1][1]) for i in range(len(spans) - 1)]

    def quality(window: tuple[int, int]) -> tuple[int, int]:
        start, end = window
        return len(wanted & set(content_words(text[start:end]))), start - end

    return max(windows, key=quality)
