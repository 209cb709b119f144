"""Counting tokens of any part of a document after tokenising it once."""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Protocol

WINDOW = 65_536  # characters; a tokenizer's own list takes some 500 bytes a token, so 10 MB for this many

# White space that parts tokens: without the control characters that Python calls white space too, for BERT's
# normaliser takes those out and joins what stands on either side.
_SPACE = r"[^\S\x0b\x0c\x1c-\x1f\x85]"
# Up to the last place to cut, the best kind of place first: a blank line, a line's end, white space. The cut
# comes before the white space, because byte-pair encodings join a space to the word after it.
_CUTS = tuple(re.compile(rf".+(?={space})", re.DOTALL) for space in (r"\n\n", r"\n", _SPACE))


class Tokenizer(Protocol):
    """The embedder's own tokenizer."""

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character offsets of each token of the whole text, in order, special tokens left out."""
        ...


class TokenIndex:
    """The tokens of one text, by offset: eight bytes a token.

    The text is tokenised in windows, so that a long one takes no more memory than its offsets. That gives the
    tokens of the whole text as long as no token reaches across white space and no word is longer than a
    window; a longer one is cut.
    """

    def __init__(self, text: str, tokenizer: Tokenizer, *, window: int = WINDOW) -> None:
        self._starts = array("I")
        self._ends = array("I")
        for first, last in windows(text, window):
            spans = tokenizer.token_spans(text[first:last])
            self._starts.extend([first + start for start, _ in spans])
            self._ends.extend([first + end for _, end in spans])

    def count(self, start: int, end: int) -> int:
        """Tokens that touch `[start, end)`: exact when neither edge is inside a word."""
        return max(0, bisect_left(self._starts, end) - bisect_right(self._ends, start))

    def offset_after(self, start: int, tokens: int) -> int | None:
        """Where the token begins that is `tokens` after the first one at `start`; None past the last."""
        following = bisect_right(self._ends, start) + tokens
        return self._starts[following] if following < len(self._starts) else None


def windows(text: str, size: int) -> Iterator[tuple[int, int]]:
    """The text in ranges of at most `size` characters, in order, cut at white space if there is any."""
    start = 0
    while len(text) - start > size:
        end = start + size
        # One character more is looked at: white space right after the window is a place to cut as well.
        found = (pattern.match(text, start, end + 1) for pattern in _CUTS)
        end = next((match.end() for match in found if match), end)
        yield start, end
        start = end
    if start < len(text):
        yield start, len(text)
