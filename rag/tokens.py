"""Counting tokens of any part of a document after tokenising it once."""

from bisect import bisect_left, bisect_right
from typing import Protocol


class Tokenizer(Protocol):
    """The embedder's own tokenizer."""

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character offsets of each token of the whole text, in order, special tokens left out."""
        ...


class TokenIndex:
    """The tokens of one text, by offset."""

    def __init__(self, text: str, tokenizer: Tokenizer) -> None:
        spans = tokenizer.token_spans(text)
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]

    def count(self, start: int, end: int) -> int:
        """Tokens that touch `[start, end)`: exact when neither edge is inside a word."""
        return max(0, bisect_left(self._starts, end) - bisect_right(self._ends, start))

    def offset_after(self, start: int, tokens: int) -> int | None:
        """Where the token begins that is `tokens` after the first one at `start`; None past the last."""
        following = bisect_right(self._ends, start) + tokens
        return self._starts[following] if following < len(self._starts) else None
