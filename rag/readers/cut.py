"""A page of a document as a document of its own."""

from dataclasses import replace
from typing import TypeVar

from rag.documents import Heading, PageSpan, ParsedDocument, RecordSpan, TableSpan

Span = TypeVar("Span", Heading, RecordSpan)


def cut_page(document: ParsedDocument, page: PageSpan) -> ParsedDocument:
    """Its text with the headings, tables and records that begin on it; none reaches onto the next."""
    start = page.start

    def moved(spans: tuple[Span, ...]) -> tuple[Span, ...]:
        on_page = (span for span in spans if start <= span.start < page.end)
        return tuple(replace(span, start=span.start - start, end=span.end - start) for span in on_page)

    return ParsedDocument(
        text=document.text[start : page.end],
        mime_type=document.mime_type,
        headings=moved(document.headings),
        tables=tuple(
            TableSpan(table.start - start, table.header_end - start, table.end - start)
            for table in document.tables
            if start <= table.start < page.end
        ),
        records=moved(document.records),
    )
