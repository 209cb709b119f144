"""What stands around a number: the words that say what it is.

A ten-digit number is a telephone number after "call me on" and is none after "order". The nearest word that
says something decides. In a table's row it is the cell itself, else the column's header, else the row's first
cell; the other cells don't count.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

_BEFORE = 40  # characters: half a line, a short clause
_AFTER = 16  # characters: room for " (office"
_LONG_ROW = 10_000  # characters; beyond, what column a cell is in is not worth counting
_LONG_URL = 200  # characters; IDs far behind are in queries, and mostly beside their names
_WORD = re.compile(r"[^\W\d_]+")
_RULE = re.compile(r"^\|(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*$", re.MULTILINE)
_BLANK = re.compile(r"\n\n")
_CELL = re.compile(r"(?<!\\)\|")
_NEXT_WORD = re.compile(r"[\s\-–—,;:(\\/]*([^\W\d_]+)")

STRONG = 0.35  # "phone", "IBAN": the number's own name
WEAK = 0.25  # "contact", "my number": words that go with it
LOWERING = -0.3  # "order", "invoice": the name of something else

_ZEROS = (0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xE50, 0xFF10)
_PLAIN = {
    **{zero + digit: str(digit) for zero in _ZEROS for digit in range(10)},
    **dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u200a\u202f\u3000"), " "),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2212\uff0d"), "-"),
    0xFF08: "(",
    0xFF09: ")",
    0xFF0B: "+",
    0xFF0E: ".",
    0xFF20: "@",
}


def normalise(text: str) -> str:
    """The text with plain digits, spaces and hyphens for their typographic kin; every offset stays."""
    return text if text.isascii() else text.translate(_PLAIN)


class Context:
    """A text whose surroundings can be asked for."""

    def __init__(self, text: str) -> None:
        self._text = text

    def before(self, start: int) -> str:
        """Up to 40 characters in front of `start`: of the same paragraph, and in a table of the same cell."""
        window = self._text[max(0, start - _BEFORE) : start]
        if self._row(start) is not None:
            return window[max(window.rfind("|"), window.rfind("\n")) + 1 :]
        return window[window.rfind("\n\n") + 1 :]

    def word_after(self, end: int) -> str:
        """The word that follows, in lower case, if nothing but white space or punctuation lies between."""
        found = _NEXT_WORD.match(self._text, end, end + _AFTER)
        return found[1].lower() if found else ""

    def header(self, start: int) -> str:
        """The header of the table column that `start` is in; empty outside of tables."""
        row = self._row(start)
        if row is None:
            return ""
        at = bisect_right(self._tables, start, key=lambda table: table[0]) - 1
        if at < 0 or start >= self._tables[at][1]:
            return ""
        cells = self._tables[at][2]
        number = len(_CELL.findall(self._text, row, start))
        return cells[number] if number < len(cells) else ""

    def row_name(self, start: int) -> str:
        """The first cell of the table row that `start` is in; empty if that is it, and outside of tables."""
        row = self._row(start)
        if row is None:
            return ""
        cells = _CELL.split(self._text[row:start], maxsplit=2)
        return cells[1] if len(cells) > 2 else ""  # noqa: PLR2004 - nothing, the first cell, the rest

    def is_in_url(self, start: int) -> bool:
        """Whether the word that `start` is in begins as a URL."""
        words = self._text[max(0, start - _LONG_URL) : start].split()
        inside = start > 0 and not self._text[start - 1].isspace()
        return inside and bool(words) and ("://" in words[-1] or "www." in words[-1])

    def _row(self, start: int) -> int | None:
        """Where the table row begins that `start` is in; None outside of tables."""
        lowest = max(0, start - _LONG_ROW)
        line = self._text.rfind("\n", lowest, start) + 1
        is_row = (line > 0 or lowest == 0) and self._text.startswith("|", line)
        return line if is_row else None

    @cached_property
    def _tables(self) -> list[tuple[int, int, list[str]]]:
        """Each Markdown table's first row, its end, and its header split at the bars."""
        blanks = [*(found.start() for found in _BLANK.finditer(self._text)), len(self._text)]
        tables = []
        for rule in _RULE.finditer(self._text):
            header = self._row(max(0, rule.start() - 1)) or 0
            end = blanks[bisect_left(blanks, rule.end())]
            cells = (
                _CELL.split(self._text[header : rule.start()]) if rule.start() - header < _LONG_ROW else []
            )
            tables.append((rule.end(), end, cells))
        return tables


@dataclass(frozen=True, slots=True)
class Cues:
    """Words that raise or lower the chance that a number nearby is of a kind.

    Attributes:
        words: Whole words, or two with a space between, in lower case; what each adds to the score.
        stems: The same for what may be a part of a word: "customerPhone", "Telefonnummer".
        vague: Words that raise it if no other word of the same surroundings says anything: "number".
        after: Words that raise it when they follow directly.
    """

    words: Mapping[str, float]
    stems: Mapping[str, float] = field(default_factory=dict)
    vague: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()

    def weight(self, context: Context, start: int, end: int) -> float:
        """What to add to the score of the characters `[start, end)`; 0 when nothing is said."""
        heard = (
            self._nearest(context.before(start))
            or self._nearest(context.header(start))
            or self._nearest(context.row_name(start))
        )
        if heard <= 0 and self.after and context.word_after(end) in self.after:
            return STRONG
        return heard

    def _nearest(self, text: str) -> float:
        """What the last word of `text` that says anything adds."""
        words = _WORD.findall(text.lower())
        for at in range(len(words) - 1, -1, -1):
            weight = self.words.get(words[at], 0.0)
            weight = weight or (self.words.get(f"{words[at - 1]} {words[at]}", 0.0) if at else 0.0)
            weight = weight or next((self.stems[stem] for stem in self.stems if stem in words[at]), 0.0)
            if weight:
                return weight
        return WEAK if not self.vague.isdisjoint(words) else 0.0


def cues(*, strong: str, weak: str = "", lowering: str = "", vague: str = "", after: str = "") -> Cues:
    """Cues of words separated by white space: `*word*` may be part of another, `_` joins two words."""
    words: dict[str, float] = {}
    stems: dict[str, float] = {}
    for group, weight in ((strong, STRONG), (weak, WEAK), (lowering, LOWERING)):
        for word in group.split():
            (stems if word.startswith("*") else words)[word.strip("*").replace("_", " ")] = weight
    return Cues(words, stems, frozenset(vague.split()), frozenset(after.split()))
