"""Chunks of a fixed number of tokens, whatever the text's structure: windows that overlap."""

import re
from collections.abc import Iterator

from rag.chunking.measure import Measure, Span
from rag.chunking.source import Source

_SPACE = re.compile(r"\s+")
_TEXT = re.compile(r"\S")


def fixed_spans(source: Source) -> Iterator[Span]:
    """Windows of the target's tokens, cut at white space, each beginning with the end of the one before."""
    measure = source.measure
    start = _text_from(measure.text, 0)
    end = len(measure.text.rstrip())
    while start < end:
        cut = measure.cut(start, end, measure.target)
        pieces = list(measure.fitting(*measure.stripped(start, cut)))
        yield from pieces
        last, _ = pieces[-1]
        start = covered = _text_from(measure.text, cut)
        overlap = _overlap_start(measure, last, cut, source.overlap)
        # A window that does not reach beyond the last one would only repeat it.
        if last < overlap < covered < end and measure.cut(overlap, end, measure.target) > covered:
            start = overlap


def _overlap_start(measure: Measure, start: int, end: int, overlap: int) -> int:
    """Where the last `overlap` tokens of `[start, end)` begin, at the start of a word; `end` for none.

    In text that has no words to white space, such as Chinese, it is the start of a token.
    """
    at = measure.offset_after(start, max(0, measure.count(start, end) - overlap))
    if at is None or not overlap or at >= end:
        return end
    if measure.text[at - 1].isspace():
        return at
    space = _SPACE.search(measure.text, at, end)
    if space:
        return space.end()
    return end if measure.text[end : end + 1].isspace() else at


def _text_from(text: str, at: int) -> int:
    """The first character from `at` on that is not white space; the text's end if there is none."""
    found = _TEXT.search(text, at)
    return found.start() if found else len(text)
