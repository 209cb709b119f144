"""Tidies the text of pages: words that were split at line ends, characters that can't be shown."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

HYPHEN = "\ufffe"  # pdfium's mark of a hyphen at a line end
_HYPHENATED = re.compile(r"(\w+)[\ufffe\xad\x02]\s?(\w+)")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff\ufffd]")
# What a font without a character map leaves of its text, but for hyphens' marks and white space. The same one
# again and again is a row of dots.
_GLYPH_NUMBERS = re.compile("([\x01\x03-\x08\x0b\x0c\x0e-\x1f\x7f])\\1*")
_INK = re.compile(r"[^\s\x00-\x1f\x7f]")
_HYPHENS = str.maketrans(dict.fromkeys("\xad\x02", HYPHEN))
_WORD = re.compile(r"\w+(?:-\w+)?")
_MIN_HALF = 4  # letters; a shorter half is rarely a word of its own


def without_controls(text: str) -> str:
    """Control characters (glyph numbers of fonts without a character map) as spaces."""
    return _CONTROL.sub(" ", text)


def is_unmapped(text: str) -> bool:
    """Whether a page's text is numbers of glyphs for the most part, which say nothing."""
    numbers = len(_GLYPH_NUMBERS.findall(text))
    return numbers > 0 and numbers > len(_INK.findall(text))


@dataclass(frozen=True, slots=True)
class PageText:
    """Puts words together that were split at a line end, as the rest of the document writes them."""

    words: frozenset[str]

    @classmethod
    def of(cls, pages: Iterable[str]) -> "PageText":
        """Learn the words of a document from its pages' raw text."""
        normalised = [_normalise(page) for page in pages]
        if not any(HYPHEN in page for page in normalised):
            return cls(frozenset())
        whole = (_HYPHENATED.sub(" ", page) for page in normalised)
        return cls(frozenset(word.lower() for page in whole for word in _WORD.findall(page)))

    def tidy(self, raw: str) -> str:
        r"""Part of a page's text with `\n` line ends, words put together; empty if it is blank."""
        text = _normalise(raw)
        if HYPHEN in text:
            text = _HYPHENATED.sub(self._joined, text).replace(HYPHEN + "\n", "-\n")
        text = without_controls(text)
        return "" if text.isspace() else text.rstrip()

    def _joined(self, found: re.Match[str]) -> str:
        left, right = found[1], found[2]
        joined, hyphenated = (left + right), f"{left}-{right}"
        if joined.lower() in self.words:
            return joined
        both_words = (
            min(len(left), len(right)) >= _MIN_HALF
            and left.lower() in self.words
            and right.lower() in self.words
        )
        keep = hyphenated.lower() in self.words or both_words or left[-1].isdigit() or right[0].isdigit()
        return hyphenated if keep else joined


def _normalise(raw: str) -> str:
    return raw.replace("\r\n", "\n").replace("\r", "\n").translate(_HYPHENS)
