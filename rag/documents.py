"""What a document is made of, from parsed text to embedded chunk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the stored text.

    Attributes:
        start: First character of the heading's line in the text.
        end: One past the last character of the heading's line.
        level: 1 (outermost) to 6.
        title: The heading's words, without markup.
    """

    start: int
    end: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class PageSpan:
    """The characters `[start, end)` of the text that stand on page `number` (counted from 1)."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TableSpan:
    """A Markdown table: the characters `[start, end)` of the text, whole lines.

    `[start, header_end)` are its header's line and the line of dashes below it; one row a line follows.
    """

    start: int
    header_end: int
    end: int


@dataclass(frozen=True, slots=True)
class RecordSpan:
    """The characters `[start, end)` of the text that are one record, such as an object of JSON."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A file as text. `text` is what is stored; every offset in Groundwork counts its characters.

    Headings, pages, tables and records are each in text order and don't overlap among themselves. `pages` are
    pages, slides or sheets, and empty for formats without them; those of the files in an archive or message
    count from 1 in each. `warnings` say, in words for the uploader, what could not be read of a file that was
    read otherwise.
    """

    text: str
    mime_type: str
    title: str | None = None
    headings: tuple[Heading, ...] = ()
    pages: tuple[PageSpan, ...] = ()
    tables: tuple[TableSpan, ...] = ()
    records: tuple[RecordSpan, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: `text == document.text[start:end]`, always, character by character.

    Attributes:
        index: Position among the document's chunks, from 0.
        heading_path: Titles of the headings above the chunk, outermost first.
        page: Page on which the chunk starts, from 1; None where there are no pages.
        token_count: Tokens of `text` in the embedder's own tokenizer, special tokens not counted.
        metadata: What is known of the chunk itself, such as the kinds of personal data in it.
    """

    index: int
    text: str
    start: int
    end: int
    token_count: int
    heading_path: tuple[str, ...] = field(default=())
    page: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
