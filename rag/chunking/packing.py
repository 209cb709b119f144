"""Packing units into chunks: as many as fit, the end of one repeated at the start of the next."""

from collections.abc import Iterator

from rag.chunking.measure import Span
from rag.chunking.units import Unit
from rag.sections import TINY_SHARE


class Packer:
    """Packs the units of one group.

    Args:
        units: In text order. One that leads is not the end of a chunk, unless all before it lead too.
        target: Most tokens of a chunk.
        overlap: Most tokens that a chunk repeats from the one before.
        max_characters: Most characters of a chunk.
    """

    def __init__(self, units: list[Unit], *, target: int, overlap: int, max_characters: int) -> None:
        self._units = units
        self._target = target
        self._overlap = overlap
        self._max_characters = max_characters

    def spans(self) -> Iterator[Span]:
        """The chunks as `[start, end)`; a tiny last one is evened out with the one before."""
        packed = list(self._packed())
        if len(packed) > 1:
            settled = max((end for _, end in packed[:-2]), default=0)
            packed[-2:] = self._evened(settled, packed[-2], packed[-1])
        for first, end in packed:
            yield self._units[first].start, self._units[end - 1].end

    def _evened(self, settled: int, previous: Span, last: Span) -> tuple[Span, Span]:
        first, end = previous[0], last[1]
        fresh = self._tokens(previous[1], end)
        middle = self._middle(first, end)
        left, right = self._tokens(first, middle), self._tokens(middle, end)
        long = self._units[end - 1].end - self._units[middle].start > self._max_characters
        unfit = right > self._target or long or middle <= settled or self._units[middle - 1].leads
        if fresh >= self._target // TINY_SHARE or min(left, right) <= fresh or unfit:
            return previous, last
        return (first, middle), (self._overlap_start(first, middle, end - 1), end)

    def _packed(self) -> Iterator[Span]:
        """Ranges of indices that fill chunks, each next one beginning with the overlap."""
        first = tokens = 0
        for here, unit in enumerate(self._units):
            if here > first and not self._fits(first, here, tokens):
                last = self._without_trailing_leads(first, here)
                yield first, last
                first = self._overlap_start(first, last, here)
                tokens = self._tokens(first, here)
                if first < here and not self._fits(first, here, tokens):
                    # Only headings are left in front: more of them than fit with what follows.
                    yield first, here
                    first, tokens = here, 0
            tokens += unit.tokens
        if first < len(self._units):
            yield first, len(self._units)

    def _fits(self, first: int, here: int, tokens: int) -> bool:
        """Whether unit `here` fits into the chunk that begins with unit `first` and has `tokens` so far."""
        units = self._units
        long = units[here].end - units[first].start > self._max_characters
        return tokens + units[here].tokens <= self._target and not long

    def _overlap_start(self, first: int, last: int, here: int) -> int:
        """The first unit of the chunk after `units[first:last]`, which must have room for `units[here]`."""
        units = self._units
        start, repeated = last, 0
        needed = self._tokens(last, here + 1)
        if units[last].leads:
            return last
        while start - 1 > first and not units[start - 1].leads:
            repeated += units[start - 1].tokens
            long = units[here].end - units[start - 1].start > self._max_characters
            if repeated > self._overlap or repeated + needed > self._target or long:
                break
            start -= 1
        return start

    def _middle(self, first: int, end: int) -> int:
        """Where to part `units[first:end]` so that the halves are even and no heading ends the first."""
        half = self._tokens(first, end) / 2
        middle, tokens = first, 0
        while middle < end - 1 and tokens + self._units[middle].tokens <= half:
            tokens += self._units[middle].tokens
            middle += 1
        return self._without_trailing_leads(first, max(middle, first + 1))

    def _without_trailing_leads(self, first: int, here: int) -> int:
        """One past the last unit of `units[first:here]` that leads nothing; `here` if all of them lead."""
        last = here
        while last > first and self._units[last - 1].leads:
            last -= 1
        return last if last > first else here

    def _tokens(self, first: int, end: int) -> int:
        return sum(unit.tokens for unit in self._units[first:end])
