"""The parts of a document that stay whole in a chunk: tables and records that fit into one."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rag.chunking.measure import CHARACTERS_PER_TOKEN, Measure
from rag.documents import ParsedDocument, RecordSpan
from rag.sections import TINY_SHARE, Section

_LINE = re.compile(r"[^\n]+")


@dataclass(frozen=True, slots=True)
class Block:
    """The characters `[start, end)`, a table's or a record's, without white space at the ends."""

    start: int
    end: int
    is_table: bool


class Blocks:
    """A document's blocks: tables and records that fit into a chunk, and short lines of longer records.

    All stand below one heading. Of a table and the record that it is in, the outer one counts if it fits,
    else the inner one.
    """

    def __init__(self, document: ParsedDocument, sections: Sequence[Section], measure: Measure) -> None:
        self._blocks: list[Block] = []
        starts = [section.start for section in sections]
        found = [(table.start, -table.end, True) for table in document.tables]
        for record in document.records:
            found.append((record.start, -record.end, False))
            if not measure.fits(*measure.stripped(record.start, record.end)):
                found += _short_lines(record, measure)
        for raw_start, minus_end, is_table in sorted(found):
            start, end = measure.stripped(raw_start, -minus_end)
            above = bisect_right(starts, start) - 1
            free = not self._blocks or self._blocks[-1].end <= start
            if start < end and above >= 0 and free:
                section = sections[above]
                if section.body <= start and end <= section.end and measure.fits(start, end):
                    self._blocks.append(Block(start, end, is_table))
        self._starts = [block.start for block in self._blocks]

    def within(self, start: int, end: int) -> list[Block]:
        """The blocks that begin in `[start, end)` and end there too."""
        found = self._blocks[bisect_left(self._starts, start) : bisect_left(self._starts, end)]
        return [block for block in found if block.end <= end]


def _short_lines(record: RecordSpan, measure: Measure) -> Iterator[tuple[int, int, bool]]:
    """The lines of a record, such as `key: value`, that are not worth cutting."""
    for line in _LINE.finditer(measure.text, record.start, record.end):
        if measure.count(line.start(), line.end()) <= measure.target // TINY_SHARE:
            yield line.start(), -line.end(), False


def caption_start(
    text: str, start: int, table: int, *, count: Callable[[int, int], int], target_tokens: int
) -> int:
    """Where the paragraph of one short line begins that stands right above a table; `table` without one.

    Args:
        text: The document's.
        start: Where the text begins that may hold the caption, such as after the heading.
        table: Where the table begins.
        count: Tokens of `[start, end)`; a caption has at most a quarter of `target_tokens`.
        target_tokens: Most tokens of a chunk.
    """
    most = target_tokens // TINY_SHARE
    # Two characters more than the longest caption, to see the blank line above it.
    earliest = max(start, table - most * CHARACTERS_PER_TOKEN - 2)
    page = text.rfind("\f", earliest, table)
    floor = page + 1 if page >= 0 else earliest
    before = text[floor:table].rstrip()
    *above, line = before.rsplit("\n", 2)
    in_sight = len(above) > 1 or floor == start or page >= 0  # the beginning of the line, that is
    if not in_sight or (above and above[-1].strip()) or not any(map(str.isalnum, line)):
        return table
    end = floor + len(before)
    first = end - len(line.lstrip())
    return first if count(first, end) <= most else table
