"""How large the parts of a text are, and where to cut those that are too large."""

from collections.abc import Iterator

from rag.tokens import TokenIndex, Tokenizer

Span = tuple[int, int]  # [start, end), in characters

# Characters a chunk may have for each token of the target (English has 4 to 5). It bounds what tokens do
# not: WordPiece counts a word of over 100 characters, such as base64, as one unknown token, and white space
# as none.
CHARACTERS_PER_TOKEN = 8


class Measure:
    """The sizes of one text's parts against a target; the text is tokenised once, when this is made.

    Attributes:
        text: What is measured.
        target: Most tokens of a part.
        max_characters: Most characters of a part.
    """

    def __init__(self, text: str, tokenizer: Tokenizer, target: int) -> None:
        self.text = text
        self.target = target
        self.max_characters = target * CHARACTERS_PER_TOKEN
        self._tokenizer = tokenizer
        self._index = TokenIndex(text, tokenizer)

    def count(self, start: int, end: int) -> int:
        """Tokens of `text[start:end]` by itself."""
        if _inside_word(self.text, start) or _inside_word(self.text, end):
            return len(self._tokenizer.token_spans(self.text[start:end]))
        return self._index.count(start, end)

    def size(self, start: int, end: int) -> int:
        """Tokens, or what the characters are worth if that is more: parts of size `target` fit a chunk."""
        return max(self.count(start, end), -(-(end - start) // CHARACTERS_PER_TOKEN))

    def fits(self, start: int, end: int) -> bool:
        """Whether `[start, end)` can be one chunk."""
        return end - start <= self.max_characters and self.count(start, end) <= self.target

    def offset_after(self, start: int, tokens: int) -> int | None:
        """Where the token begins that is `tokens` after the first one at `start`; None past the last."""
        return self._index.offset_after(start, tokens)

    def cut(self, start: int, end: int, room: int) -> int:
        """`end`, or where to cut before it so that the first part has at most `room` tokens."""
        limit = min(end, start + room * CHARACTERS_PER_TOKEN)
        token_limit = self._index.offset_after(start, room)
        if token_limit is not None:
            limit = min(limit, max(token_limit, start + 1))
        if limit == end:
            return end
        return _white_space_before(self.text, start, limit)

    def pieces(self, start: int, end: int, room: int = 0) -> Iterator[Span]:
        """`[start, end)` whole, or in several parts when it is too long; the first has `room` tokens.

        Neither end is white space.
        """
        room = room or self.target
        if start < end and end - start <= room * CHARACTERS_PER_TOKEN and self.count(start, end) <= room:
            yield start, end  # as nearly always
            return
        while start < end:
            cut = self.cut(start, end, room)
            yield from self.fitting(*self.stripped(start, cut))
            start, _ = self.stripped(cut, end)
            room = self.target

    def fitting(self, start: int, end: int) -> Iterator[Span]:
        """`[start, end)`, halved until each part fits: words cut apart may have more tokens than whole."""
        pending = [(start, end)]
        while pending:
            start, end = pending.pop()
            if end - start <= 1 or self.count(start, end) <= self.target:
                if start < end:
                    yield start, end
                continue
            cut = _white_space_before(self.text, start, start + (end - start) // 2)
            pending += [self.stripped(cut, end), self.stripped(start, cut)]

    def stripped(self, start: int, end: int) -> Span:
        """`[start, end)` without white space at its ends."""
        part = self.text[start:end]
        left = len(part) - len(part.lstrip())
        return start + left, start + max(left, len(part.rstrip()))


def _inside_word(text: str, offset: int) -> bool:
    return 0 < offset < len(text) and not text[offset - 1].isspace() and not text[offset].isspace()


def _white_space_before(text: str, start: int, limit: int) -> int:
    """The last white space in the second half of `[start, limit]`, else `limit`."""
    for offset in range(limit, start + (limit - start) // 2, -1):
        if text[offset].isspace():
            return offset
    return max(limit, start + 1)
