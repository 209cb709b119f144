"""A document on its way to chunks: its text measured, its sections, and what stays whole in it."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from rag.chunking.blocks import Blocks
from rag.chunking.measure import Measure
from rag.documents import Chunk, PageSpan, ParsedDocument
from rag.sections import Section, sections_within, shared_path, split_sections
from rag.tokens import Tokenizer


class Source:
    """What every strategy is given.

    Attributes:
        document: What is cut up.
        measure: Its text, with the target.
        overlap: Most tokens that a chunk repeats from the one before.
        blocks: Its tables and records that stay whole.
    """

    def __init__(
        self,
        document: ParsedDocument,
        tokenizer: Tokenizer,
        *,
        target: int,
        overlap: int,
        by_slide: bool = False,
    ) -> None:
        """With `by_slide` a heading holds for its own slide only, not for the untitled one after it."""
        self.document = document
        self.measure = Measure(document.text, tokenizer, target)
        self.overlap = overlap
        breaks = [page.start for page in document.pages] if by_slide else []
        self._sections = split_sections(document, breaks=breaks)
        self._section_starts = [section.start for section in self._sections]
        self.blocks = Blocks(document, self._sections, self.measure)
        self._pages = _Pages(document.pages)

    def sections(self, start: int, end: int) -> list[Section]:
        """The sections that touch `[start, end)`, cut to it."""
        return sections_within(self.document.text, self._touching(start, end), start, end)

    def chunk(self, index: int, start: int, end: int) -> Chunk:
        return Chunk(
            index=index,
            text=self.document.text[start:end],
            start=start,
            end=end,
            token_count=self.measure.count(start, end),
            heading_path=_path(self._touching(start, end), start, end),
            page=self._pages.number_at(start),
        )

    def _touching(self, start: int, end: int) -> list[Section]:
        first = max(0, bisect_right(self._section_starts, start) - 1)
        return self._sections[first : bisect_left(self._section_starts, end)]


class _Pages:
    def __init__(self, spans: Sequence[PageSpan]) -> None:
        self._numbers = [span.number for span in spans]
        self._starts = [span.start for span in spans]
        self._ends = [span.end for span in spans]

    def number_at(self, offset: int) -> int | None:
        """None outside of pages: in an archive, a file without them stands beside one that has some."""
        at = bisect_right(self._starts, offset) - 1
        return self._numbers[at] if at >= 0 and offset < self._ends[at] else None


def _path(sections: list[Section], start: int, end: int) -> tuple[str, ...]:
    """What the sections have in common whose text, not only whose heading, the chunk holds."""
    with_text = [s for s in sections if s.has_text and start < s.end and s.body < end]
    return shared_path(tuple(with_text or sections))
