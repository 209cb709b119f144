"""From a document to chunks: whole sentences packed up to a number of tokens, section by section.

A chunk is a slice of the stored text. It holds whole sentences, list items, table rows and code lines of one
group of sections (`rag.sections` says which share chunks), a heading line together with what follows it. The
next chunk of the group repeats whole sentences from the end of the last one, up to `overlap_tokens`, unless a
heading lies between. A last chunk that is tiny is evened out with the one before. Only a sentence that is too
long by itself, or together with its heading, is cut: at white space, else between tokens.

A chunk's heading path is the part that all its text has in common; when a chunk spans the end of one
subsection and the start of the next, that is their parent's.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from rag.documents import Chunk, PageSpan, ParsedDocument
from rag.sections import TINY_SHARE, Section, SectionGroup, group_sections, shared_path, split_sections
from rag.sentences import sentence_spans
from rag.tokens import TokenIndex, Tokenizer

# Characters a chunk may have for each token of the target (English has 4 to 5). It bounds what tokens do
# not: WordPiece counts a word of over 100 characters, such as base64, as one unknown token, and white space
# as none.
_CHARACTERS_PER_TOKEN = 8


@dataclass(frozen=True, slots=True)
class _Unit:
    """The smallest piece that is not divided: a sentence or heading line, or part of an overlong one."""

    start: int
    end: int
    tokens: int
    is_heading: bool


def chunk_document(
    document: ParsedDocument, *, tokenizer: Tokenizer, target_tokens: int = 220, overlap_tokens: int = 30
) -> list[Chunk]:
    """The document's chunks, in text order.

    Each has at most `target_tokens` tokens when tokenised by itself, and every character of the document
    that is not white space is in at least one.

    Args:
        document: What to cut up.
        tokenizer: The embedder's; it sees the whole text once, and again only pieces cut inside a word.
        target_tokens: Most tokens of a chunk's text, heading prefix and special tokens not counted.
        overlap_tokens: Most tokens that a chunk repeats from the one before.

    Raises:
        ValueError: `target_tokens` is not positive, or `overlap_tokens` is not less than it.
    """
    if not 0 <= overlap_tokens < target_tokens:
        raise ValueError(f"overlap {overlap_tokens} must be from 0 to below the target {target_tokens}")
    return _Chunker(document, tokenizer, target_tokens, overlap_tokens).chunks()


class _Chunker:
    def __init__(self, document: ParsedDocument, tokenizer: Tokenizer, target: int, overlap: int) -> None:
        self._text = document.text
        self._pages = _Pages(document.pages)
        self._tokenizer = tokenizer
        self._index = TokenIndex(document.text, tokenizer)
        self._target = target
        self._overlap = overlap
        self._max_characters = target * _CHARACTERS_PER_TOKEN
        self._sections = split_sections(document)
        self._section_starts = [section.start for section in self._sections]

    def chunks(self) -> list[Chunk]:
        groups = group_sections(self._sections, self._index.count, self._target)
        ranges = [
            fitting
            for group in groups
            for start, end in self._ranges(list(self._units(group)))
            for fitting in self._fitting(start, end)
        ]
        return [self._chunk(number, start, end) for number, (start, end) in enumerate(ranges)]

    def _chunk(self, number: int, start: int, end: int) -> Chunk:
        first = max(0, bisect_right(self._section_starts, start) - 1)
        after = bisect_left(self._section_starts, end)
        return Chunk(
            index=number,
            text=self._text[start:end],
            start=start,
            end=end,
            token_count=self._count(start, end),
            heading_path=_path(self._sections[first:after], start, end),
            page=self._pages.number_at(start),
        )

    def _units(self, group: SectionGroup) -> Iterator[_Unit]:
        held = 0  # tokens of the headings that wait for text
        for section in group.sections:
            for unit in self._divided(*_stripped(self._text, section.start, section.body), is_heading=True):
                held += unit.tokens
                yield unit
            for start, end in sentence_spans(self._text[section.body : section.end]):
                at, room = section.body + start, self._target
                if 0 < held <= self._target // 2:
                    room -= held  # the first piece of a long sentence leaves room for its heading
                yield from self._divided(at, section.body + end, room=room, is_heading=False)
                held = 0

    def _divided(self, start: int, end: int, *, room: int = 0, is_heading: bool) -> Iterator[_Unit]:
        """`[start, end)` as one unit, or as several when it is too long; the first has `room` tokens."""
        room = room or self._target
        while start < end:
            cut = self._cut(start, end, room)
            for piece_start, piece_end in self._fitting(*_stripped(self._text, start, cut)):
                tokens = self._count(piece_start, piece_end)
                yield _Unit(piece_start, piece_end, tokens, is_heading)
            start, _ = _stripped(self._text, cut, end)
            room = self._target

    def _cut(self, start: int, end: int, room: int) -> int:
        """`end`, or where to cut before it so that the first part has at most `room` tokens."""
        limit = min(end, start + room * _CHARACTERS_PER_TOKEN)
        token_limit = self._index.offset_after(start, room)
        if token_limit is not None:
            limit = min(limit, max(token_limit, start + 1))
        if limit == end:
            return end
        return _white_space_before(self._text, start, limit)

    def _ranges(self, units: list[_Unit]) -> Iterator[tuple[int, int]]:
        """The chunks of one group as `[start, end)`; a tiny last one is evened out with the one before."""
        packed = list(self._packed(units))
        if len(packed) > 1:
            settled = max((end for _, end in packed[:-2]), default=0)
            packed[-2:] = self._evened(units, settled, packed[-2], packed[-1])
        for first, end in packed:
            yield units[first].start, units[end - 1].end

    def _evened(
        self, units: list[_Unit], settled: int, previous: tuple[int, int], last: tuple[int, int]
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        first, end = previous[0], last[1]
        fresh = _tokens(units[previous[1] : end])
        middle = _middle(units, first, end)
        left, right = _tokens(units[first:middle]), _tokens(units[middle:end])
        long = units[end - 1].end - units[middle].start > self._max_characters
        unfit = right > self._target or long or middle <= settled or units[middle - 1].is_heading
        if fresh >= self._target // TINY_SHARE or min(left, right) <= fresh or unfit:
            return previous, last
        return (first, middle), (self._overlap_start(units, first, middle, end - 1), end)

    def _packed(self, units: list[_Unit]) -> Iterator[tuple[int, int]]:
        """Ranges of indices that fill chunks, each next one beginning with the overlap."""
        first = tokens = 0
        for here, unit in enumerate(units):
            if here > first and not self._fits(units[first], unit, tokens):
                last = _without_trailing_headings(units, first, here)
                yield first, last
                first = self._overlap_start(units, first, last, here)
                tokens = _tokens(units[first:here])
                if first < here and not self._fits(units[first], unit, tokens):
                    # Only headings are left in front: more of them than fit with what follows.
                    yield first, here
                    first, tokens = here, 0
            tokens += unit.tokens
        if first < len(units):
            yield first, len(units)

    def _fits(self, first: _Unit, unit: _Unit, tokens: int) -> bool:
        return tokens + unit.tokens <= self._target and unit.end - first.start <= self._max_characters

    def _overlap_start(self, units: list[_Unit], first: int, last: int, here: int) -> int:
        """The first unit of the chunk after `units[first:last]`, which must have room for `units[here]`."""
        start, repeated = last, 0
        needed = _tokens(units[last : here + 1])
        if units[last].is_heading:
            return last
        while start - 1 > first and not units[start - 1].is_heading:
            repeated += units[start - 1].tokens
            long = units[here].end - units[start - 1].start > self._max_characters
            if repeated > self._overlap or repeated + needed > self._target or long:
                break
            start -= 1
        return start

    def _fitting(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """`[start, end)`, halved until each part fits: words cut apart may have more tokens than whole."""
        pending = [(start, end)]
        while pending:
            start, end = pending.pop()
            if end - start <= 1 or self._count(start, end) <= self._target:
                if start < end:
                    yield start, end
                continue
            cut = _white_space_before(self._text, start, start + (end - start) // 2)
            pending += [_stripped(self._text, cut, end), _stripped(self._text, start, cut)]

    def _count(self, start: int, end: int) -> int:
        """Tokens of `text[start:end]` by itself."""
        if _inside_word(self._text, start) or _inside_word(self._text, end):
            return len(self._tokenizer.token_spans(self._text[start:end]))
        return self._index.count(start, end)


class _Pages:
    def __init__(self, spans: tuple[PageSpan, ...]) -> None:
        self._numbers = [span.number for span in spans]
        self._starts = [span.start for span in spans]

    def number_at(self, offset: int) -> int | None:
        if not self._numbers:
            return None
        return self._numbers[max(0, bisect_right(self._starts, offset) - 1)]


def _path(sections: list[Section], start: int, end: int) -> tuple[str, ...]:
    """What the sections have in common whose text, not only whose heading, the chunk holds."""
    with_text = [s for s in sections if s.has_text and start < s.end and s.body < end]
    return shared_path(tuple(with_text or sections))


def _without_trailing_headings(units: list[_Unit], first: int, here: int) -> int:
    """One past the last unit of `units[first:here]` that is not a heading; `here` if all are headings."""
    last = here
    while last > first and units[last - 1].is_heading:
        last -= 1
    return last if last > first else here


def _tokens(units: list[_Unit]) -> int:
    return sum(unit.tokens for unit in units)


def _middle(units: list[_Unit], first: int, end: int) -> int:
    """Where to part `units[first:end]` so that the halves are even and the first doesn't end in a heading."""
    half = _tokens(units[first:end]) / 2
    middle, tokens = first, 0
    while middle < end - 1 and tokens + units[middle].tokens <= half:
        tokens += units[middle].tokens
        middle += 1
    return _without_trailing_headings(units, first, max(middle, first + 1))


def _inside_word(text: str, offset: int) -> bool:
    return 0 < offset < len(text) and not text[offset - 1].isspace() and not text[offset].isspace()


def _white_space_before(text: str, start: int, limit: int) -> int:
    """The last white space in the second half of `[start, limit]`, else `limit`."""
    for offset in range(limit, start + (limit - start) // 2, -1):
        if text[offset].isspace():
            return offset
    return max(limit, start + 1)


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """`[start, end)` without white space at its ends."""
    part = text[start:end]
    left = len(part) - len(part.lstrip())
    return start + left, start + max(left, len(part.rstrip()))
