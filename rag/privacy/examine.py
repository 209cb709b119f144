"""Personal data of a whole document: of its text, its title, and the titles of its headings."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rag.documents import ParsedDocument
from rag.privacy.entities import EntityKind, Finding, PersonalDataDetector, without_overlaps

_BETWEEN = "\n\n"  # between titles that are looked through in one call
_SHORTEST = 5  # characters of a value that is also looked for in the title; an age would be found anywhere


@dataclass(frozen=True, slots=True)
class DocumentFindings:
    """Where personal data is.

    Attributes:
        text: In the document's text.
        title: In its title; offsets count the title's characters.
        headings: For each heading, in its `title`; empty if there are none in any.
    """

    text: tuple[Finding, ...] = ()
    title: tuple[Finding, ...] = ()
    headings: tuple[tuple[Finding, ...], ...] = ()


def examine(
    document: ParsedDocument, detector: PersonalDataDetector, *, language: str | None
) -> DocumentFindings:
    """What the detector finds in a document.

    Titles are looked through as well, and what the text shows to be personal is found in them even where
    their own few words would not tell.

    Raises:
        UnavailableError: The detector cannot be reached now.
        ModelError: The detector failed.
    """
    text = tuple(detector.detect(document.text, language)) if document.text else ()
    title, *titles = _in_titles(
        [document.title or "", *(heading.title for heading in document.headings)], detector, language
    )
    values = dict.fromkeys(
        (f.kind, document.text[f.start : f.end]) for f in text if f.end - f.start >= _SHORTEST
    )
    headings = [
        _with_known(heading.title, found, _values_in(document.text, text, heading.start, heading.end))
        for heading, found in zip(document.headings, titles, strict=True)
    ]
    return DocumentFindings(
        text=text,
        title=_with_known(document.title or "", title, values),
        headings=tuple(headings) if any(headings) else (),
    )


def _in_titles(
    titles: Sequence[str], detector: PersonalDataDetector, language: str | None
) -> list[list[Finding]]:
    """Findings of each title, from one call."""
    found: list[list[Finding]] = [[] for _ in titles]
    if not any(titles):
        return found
    starts = [0]
    for title in titles:
        starts.append(starts[-1] + len(title) + len(_BETWEEN))
    for finding in detector.detect(_BETWEEN.join(titles), language):
        at = bisect_left(starts, finding.start + 1) - 1
        start, end = finding.start - starts[at], min(finding.end - starts[at], len(titles[at]))
        if start < end:
            found[at].append(Finding(finding.kind, start, end, finding.score))
    return found


def _values_in(
    text: str, findings: Sequence[Finding], start: int, end: int
) -> Iterator[tuple[EntityKind, str]]:
    """What was found in `[start, end)` of the text; of what reaches beyond it, the part inside."""
    at = max(0, bisect_left(findings, start, key=lambda finding: finding.start) - 1)
    while at < len(findings) and findings[at].start < end:
        value = text[max(start, findings[at].start) : min(end, findings[at].end)].strip()
        if value:
            yield findings[at].kind, value
        at += 1


def _with_known(
    title: str, found: Iterable[Finding], values: Iterable[tuple[EntityKind, str]]
) -> tuple[Finding, ...]:
    """What was found in a title, and every value that is known already; of two that overlap the longer."""
    certain = [replace(finding, score=1.0) for finding in found]
    known = [
        Finding(kind, at, at + len(value), 1.0) for kind, value in values for at in _places(title, value)
    ]
    return tuple(without_overlaps([*certain, *known]))


def _places(text: str, value: str) -> Iterator[int]:
    at = text.find(value)
    while at >= 0:
        yield at
        at = text.find(value, at + len(value))
