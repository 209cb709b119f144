"""Chunks by meaning: cut where the sentences before and after are about different things.

TextTiling's comparison of neighbouring blocks (Hearst, "TextTiling: Segmenting Text into Multi-paragraph
Subtopic Passages", Computational Linguistics 23(1), 1997), with sentence vectors instead of word counts. The
distance at a gap is `1 - cos(l, r)`, where l and r are the mean vectors of the sentences on either side.
"""

from collections.abc import Callable, Iterator
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from rag.chunking.measure import Measure, Span
from rag.chunking.source import Source
from rag.chunking.units import Unit, read_units
from rag.sections import TINY_SHARE

Embed = Callable[[list[str]], list[list[float]]]

_WINDOW = 3  # sentences on each side of a gap: one alone is often too short to have a subject
_PERCENTILE = 90  # one gap in ten is a break: ten sentences of some 20 tokens fill a chunk of 220
_BATCH = 256  # texts embedded at once; their vectors as Python floats take 3 MB


def semantic_spans(source: Source, embed: Embed) -> Iterator[Span]:
    """Chunks that end where the subject changes most, and before headings; nothing is repeated.

    A chunk has at least a quarter of the target, unless a longer unit follows it or the document is shorter.
    Where the target forces a cut, it is at the largest distance that leaves a quarter of it.

    Args:
        source: What to cut up.
        embed: A vector for each text, in order; the texts are sentences, heading lines and tables.
    """
    measure = source.measure
    sections = source.sections(0, len(measure.text))
    units = list(read_units(source, sections))
    if not units:
        return
    distances = _distances(_vectors([measure.text[u.start : u.end] for u in units], embed))
    threshold = float(np.percentile(distances, _PERCENTILE)) if distances.size else 0.0
    headings = {measure.stripped(s.start, s.body)[0] for s in sections if s.body > s.start}
    for number in range(1, len(units)):
        if units[number - 1].leads:
            distances[number - 1] = -np.inf
        elif units[number].start in headings:
            distances[number - 1] = np.inf
    for first, end in _Segmenter(units, distances.tolist(), threshold, measure).segments():
        yield from measure.fitting(units[first].start, units[end - 1].end)


def _vectors(texts: list[str], embed: Embed) -> NDArray[np.float32]:
    """(n, d): a row for each text."""
    batches = [texts[at : at + _BATCH] for at in range(0, len(texts), _BATCH)]
    return np.concatenate([np.asarray(embed(batch), np.float32) for batch in batches])


def _distances(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n - 1,): the cosine distance at the gap after each row but the last; vectors: (n, d)."""
    sums = np.zeros((len(vectors) + 1, vectors.shape[1]))
    np.cumsum(vectors, axis=0, out=sums[1:])
    gaps = np.arange(1, len(vectors))
    left = sums[gaps] - sums[np.maximum(gaps - _WINDOW, 0)]
    right = sums[np.minimum(gaps + _WINDOW, len(vectors))] - sums[gaps]
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosines: NDArray[np.float64] = (left * right).sum(axis=1) / np.maximum(norms, np.finfo(float).tiny)
    return 1 - cosines


class _Segmenter:
    """Finds segments of units greedily, from the front."""

    def __init__(self, units: list[Unit], distances: list[float], threshold: float, measure: Measure) -> None:
        self._units = units
        self._distances = distances
        self._threshold = threshold
        self._measure = measure
        self._tokens = list(accumulate((unit.tokens for unit in units), initial=0))  # before each unit
        self._least = measure.target // TINY_SHARE

    def segments(self) -> Iterator[tuple[int, int]]:
        """Ranges of indices, in order."""
        first = 0
        while first < len(self._units):
            end = self._cut(first, self._furthest(first))
            yield first, end
            first = end

    def _furthest(self, first: int) -> int:
        """The end of the longest segment from `first` that fits."""
        end = first + 1
        while (
            end < len(self._units)
            and self._tokens[end + 1] - self._tokens[first] <= self._measure.target
            and self._units[end].end - self._units[first].start <= self._measure.max_characters
        ):
            end += 1
        return end

    def _is_break(self, end: int) -> bool:
        """Whether the distance before unit `end` is above the threshold, and not below those next to it."""
        distance = self._distances[end - 1]
        return distance > self._threshold and distance >= max(self._distances[max(0, end - 2) : end + 1])

    def _cut(self, first: int, furthest: int) -> int:
        """Where the segment from `first` is best ended: at the first break, else at the largest distance."""
        cuts = [
            end
            for end in range(first + 1, min(furthest, len(self._units) - 1) + 1)
            if self._tokens[end] - self._tokens[first] >= self._least
            and self._tokens[-1] - self._tokens[end] >= self._least
        ]
        breaks = [end for end in cuts if self._is_break(end)]
        if breaks:
            return breaks[0]
        if furthest == len(self._units) or not cuts:
            return furthest
        return max(cuts, key=lambda end: self._distances[end - 1])
