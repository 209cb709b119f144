"""What is done with personal data before a document is chunked."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import accumulate, pairwise

from rag.documents import Heading, PageSpan, ParsedDocument, RecordSpan, TableSpan
from rag.privacy.entities import DEFAULT_KINDS, EntityKind, Finding, without_overlaps
from rag.privacy.examine import DocumentFindings

_CELL_TEXT = re.compile(r"(?:\\\||[^|\n])+")
_RULE_TEXT = re.compile(r"[\s:-]*")


class PrivacyMode(StrEnum):
    """What to do with what was found."""

    OFF = "off"  # nothing
    TAG = "tag"  # keep the text, and say what is in it
    REDACT = "redact"  # put [EMAIL] and the like in its place
    SKIP = "skip"  # keep the text, but leave out chunks that touch it


@dataclass(frozen=True, slots=True)
class Treated:
    """A document after its personal data was dealt with.

    Attributes:
        document: To be chunked.
        findings: What was acted on, at its place in `document.text`; in redacted text, the placeholders.
        counts: How often each kind was found, in the text and the title.
    """

    document: ParsedDocument
    findings: tuple[Finding, ...] = ()
    counts: Mapping[EntityKind, int] = field(default_factory=dict)


def apply(
    document: ParsedDocument,
    findings: DocumentFindings,
    mode: PrivacyMode,
    *,
    kinds: Collection[EntityKind] = DEFAULT_KINDS,
) -> Treated:
    """The document as `mode` asks for; only `kinds` are acted on.

    `skip` leaves the text, for `rag.privacy.chunks.chunks_without` to drop what touches a finding, but
    redacts the titles: those of headings go with every chunk below them.
    """
    if mode is PrivacyMode.OFF:
        return Treated(document)
    text = _of_kinds(findings.text, kinds)
    title = _of_kinds(findings.title, kinds)
    counts = Counter(finding.kind for finding in (*text, *title))
    if mode is PrivacyMode.TAG:
        return Treated(document, tuple(text), counts)
    if document.title is not None:
        document = replace(document, title=redact_text(document.title, title))
    document = _with_redacted_headings(document, findings.headings, kinds)
    if mode is PrivacyMode.SKIP:
        return Treated(document, tuple(text), counts)
    edits = _Edits.of(document, text)
    return Treated(edits.applied_to(document), edits.placeholders(), counts)


def redact_text(
    text: str, findings: Iterable[Finding], *, kinds: Collection[EntityKind] = frozenset(EntityKind)
) -> str:
    """A text of its own, such as a title, with placeholders for what was found in it."""
    parts, at = [], 0
    for finding in _of_kinds(findings, kinds):
        parts += [text[at : finding.start], placeholder(finding.kind)]
        at = finding.end
    return "".join([*parts, text[at:]])


def placeholder(kind: EntityKind) -> str:
    """What stands in redacted text: `[EMAIL]`."""
    return f"[{kind.upper()}]"


def _of_kinds(findings: Iterable[Finding], kinds: Collection[EntityKind]) -> list[Finding]:
    return without_overlaps(finding for finding in findings if finding.kind in kinds)


def _with_redacted_headings(
    document: ParsedDocument, findings: Sequence[Sequence[Finding]], kinds: Collection[EntityKind]
) -> ParsedDocument:
    if not findings:
        return document
    headings = tuple(
        replace(heading, title=redact_text(heading.title, found, kinds=kinds))
        for heading, found in zip(document.headings, findings, strict=True)
    )
    return replace(document, headings=headings)


@dataclass(frozen=True, slots=True)
class _Edits:
    """Pieces of a text to be replaced, in text order, none across the edge of a span or of a table's cell.

    Attributes:
        pieces: What is replaced.
        ends: Where each ends.
        shifts: By how much what follows moves: at `n`, behind the first `n` pieces.
    """

    pieces: tuple[Finding, ...]
    ends: tuple[int, ...]
    shifts: tuple[int, ...]

    @classmethod
    def of(cls, document: ParsedDocument, findings: Sequence[Finding]) -> "_Edits":
        edges = _edges(document)
        pieces = tuple(piece for finding in findings for piece in _pieces(document, finding, edges))
        grown = (len(placeholder(piece.kind)) - (piece.end - piece.start) for piece in pieces)
        return cls(pieces, tuple(piece.end for piece in pieces), tuple(accumulate(grown, initial=0)))

    def moved(self, offset: int) -> int:
        """Where a place of the old text is in the new one."""
        return offset + self.shifts[bisect_right(self.ends, offset)]

    def placeholders(self) -> tuple[Finding, ...]:
        return tuple(replace(p, start=self.moved(p.start), end=self.moved(p.end)) for p in self.pieces)

    def applied_to(self, document: ParsedDocument) -> ParsedDocument:
        move = self.moved
        return replace(
            document,
            text=redact_text(document.text, self.pieces),
            headings=tuple(replace(h, start=move(h.start), end=move(h.end)) for h in document.headings),
            pages=tuple(replace(p, start=move(p.start), end=move(p.end)) for p in document.pages),
            tables=tuple(TableSpan(move(t.start), move(t.header_end), move(t.end)) for t in document.tables),
            records=tuple(replace(r, start=move(r.start), end=move(r.end)) for r in document.records),
        )


def _edges(document: ParsedDocument) -> list[int]:
    """Offsets that no replacement may lie across; inside tables `_cells` sees to it."""
    spans: list[Heading | PageSpan | TableSpan | RecordSpan] = [
        *document.headings,
        *document.pages,
        *document.tables,
        *document.records,
    ]
    return sorted({edge for span in spans for edge in (span.start, span.end)})


def _pieces(document: ParsedDocument, finding: Finding, edges: Sequence[int]) -> Iterator[Finding]:
    """The finding cut at every edge inside it, and in a table at cells; white space at the cuts is left."""
    first, last = bisect_right(edges, finding.start), bisect_left(edges, finding.end)
    for start, end in pairwise([finding.start, *edges[first:last], finding.end]):
        for piece_start, piece_end in _cells(document, start, end):
            piece = document.text[piece_start:piece_end]
            lead = len(piece) - len(piece.lstrip())
            if lead < len(piece):
                start_of_words = piece_start + lead
                yield replace(finding, start=start_of_words, end=piece_start + len(piece.rstrip()))


def _cells(document: ParsedDocument, start: int, end: int) -> Iterator[tuple[int, int]]:
    """`[start, end)` itself, or if it is in a table the parts of it that are in cells."""
    at = bisect_right(document.tables, start, key=lambda table: table.start) - 1
    if at < 0 or start >= document.tables[at].end:
        yield start, end
        return
    for found in _CELL_TEXT.finditer(document.text, start, end):
        if not _RULE_TEXT.fullmatch(found[0]):
            yield found.span()
