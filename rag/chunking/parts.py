"""Chunks by the document's own parts: a record, a page or a slide is one chunk."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from rag.chunking.heading import heading_spans_within
from rag.chunking.measure import Span
from rag.chunking.source import Source
from rag.documents import ParsedDocument, RecordSpan


def record_spans(source: Source) -> Iterator[Span]:
    """One chunk a record, however short; what stands outside records, tables too, is packed by heading."""
    return _part_spans(source, ((r.start, r.end) for r in records_beside_tables(source.document)))


def page_spans(source: Source) -> Iterator[Span]:
    """One chunk a page or slide, never across two of them; a document without pages is packed by heading."""
    return _part_spans(source, ((page.start, page.end) for page in source.document.pages))


def records_beside_tables(document: ParsedDocument) -> list[RecordSpan]:
    """The document's records that are not rows of a table."""
    starts = [table.start for table in document.tables]
    ends = [0, *(table.end for table in document.tables)]
    return [
        record for record in document.records if record.start >= ends[bisect_right(starts, record.start - 1)]
    ]


def _part_spans(source: Source, parts: Iterable[Span]) -> Iterator[Span]:
    """One chunk a part; a part that is too long is packed by heading, like the text between parts.

    Headings with nothing but a part below them are in the part's chunk if there is room.
    """
    at = 0
    for part_start, part_end in parts:
        if any(section.has_text for section in source.sections(at, part_start)):
            yield from heading_spans_within(source, at, part_start)
            at = part_start
        start, end = source.measure.stripped(at, part_end)
        if start < end and source.measure.fits(start, end):
            yield start, end
        else:
            yield from heading_spans_within(source, start, end)
        at = part_end
    yield from heading_spans_within(source, at, len(source.document.text))
