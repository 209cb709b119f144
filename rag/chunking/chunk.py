"""From a document to chunks, by one of several strategies.

A chunk is a slice of the stored text. Its heading path is the part that all its text has in common; when a
chunk spans the end of one subsection and the start of the next, that is their parent's.
"""

from collections.abc import Callable, Iterator
from functools import partial

from rag.chunking.fixed import fixed_spans
from rag.chunking.heading import heading_spans
from rag.chunking.measure import Span
from rag.chunking.parts import page_spans, record_spans, records_beside_tables
from rag.chunking.semantic import Embed, semantic_spans
from rag.chunking.source import Source
from rag.chunking.strategy import ChunkStrategy
from rag.documents import Chunk, ParsedDocument
from rag.parse.types import FileType
from rag.tokens import Tokenizer

_OF_RECORDS = frozenset({FileType.JSON, FileType.JSONL, FileType.XML})

# A strategy gives the chunks in text order, within the target, neither empty nor with white space at an end.
Strategy = Callable[[Source], Iterator[Span]]

_STRATEGIES: dict[ChunkStrategy, Strategy] = {
    ChunkStrategy.HEADING: heading_spans,
    ChunkStrategy.FIXED: fixed_spans,
    ChunkStrategy.RECORD: record_spans,
    ChunkStrategy.PAGE: page_spans,
    ChunkStrategy.SLIDE: page_spans,
}


def chunk_document(
    document: ParsedDocument,
    *,
    tokenizer: Tokenizer,
    target_tokens: int = 220,
    overlap_tokens: int = 30,
    strategy: ChunkStrategy = ChunkStrategy.AUTO,
    embed: Embed | None = None,
) -> list[Chunk]:
    """The document's chunks, in text order.

    Each has at most `target_tokens` tokens when tokenised by itself, and every character of the document
    that is not white space is in at least one. No chunk begins or ends inside a table that fits into one:
    `repeat_table_headers` turns longer tables into such.

    Args:
        document: What to cut up.
        tokenizer: The embedder's; it sees the whole text once, and again only pieces cut inside a word.
        target_tokens: Most tokens of a chunk's text, heading prefix and special tokens not counted.
        overlap_tokens: Most tokens that a chunk repeats from the one before.
        strategy: How to cut.
        embed: Vectors for texts; the semantic strategy needs it, the others don't.

    Raises:
        ValueError: `target_tokens` is not positive, `overlap_tokens` is not less, or `embed` is missing.
    """
    if not 0 <= overlap_tokens < target_tokens:
        raise ValueError(f"overlap {overlap_tokens} must be from 0 to below the target {target_tokens}")
    if strategy is ChunkStrategy.AUTO:
        strategy = automatic_strategy(document)
    source = Source(
        document,
        tokenizer,
        target=target_tokens,
        overlap=overlap_tokens,
        by_slide=strategy is ChunkStrategy.SLIDE,
    )
    spans = _spans_by(strategy, embed)(source)
    return [source.chunk(number, start, end) for number, (start, end) in enumerate(spans)]


def automatic_strategy(document: ParsedDocument) -> ChunkStrategy:
    """Slides one by one; records too, in data or where they are most of the text; all else by heading.

    Rows of tables do not count as records: they need the header above them.
    """
    if document.mime_type == FileType.PPTX and document.pages:
        return ChunkStrategy.SLIDE
    records = records_beside_tables(document)
    share = sum(record.end - record.start for record in records) / max(1, len(document.text))
    if records and (document.mime_type in _OF_RECORDS or share > 1 / 2):
        return ChunkStrategy.RECORD
    return ChunkStrategy.HEADING


def _spans_by(strategy: ChunkStrategy, embed: Embed | None) -> Strategy:
    if strategy is not ChunkStrategy.SEMANTIC:
        return _STRATEGIES[strategy]
    if embed is None:
        raise ValueError("the semantic strategy needs embed")
    return partial(semantic_spans, embed=embed)
