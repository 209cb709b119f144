"""Stand-in tokenizers whose tokens can be counted by eye."""

import re

_WORD = re.compile(r"\w+|[^\w\s]")
_PIECE = re.compile(r"\w{1,4}|[^\w\s]")


class WordTokenizer:
    """One token for each word and each punctuation mark."""

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return [found.span() for found in _WORD.finditer(text)]


class PieceTokenizer:
    """Words in pieces of four characters: a word cut apart may have more pieces than whole."""

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return [found.span() for found in _PIECE.finditer(text)]
