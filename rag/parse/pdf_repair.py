"""Where pdfium's text is wrong and the boxes of the characters, or its own marks, say so.

- Letters of a word that is set with wide spaces: pdfium may put a blank between two of them.
- What stands side by side on a line: pdfium may put a line's end between, at a raised figure, at another
  font, or in a file whose glyphs it measures wrongly.
- An Arabic glyph that is lam and alef: pdfium reverses a line glyph by glyph, and so says alef and lam.
- An Arabic vowel sign: fonts give it as a blank and the sign, which then stand before their letter.
- A glyph for which the file has no character: pdfium gives its number as a character, any Chinese one say.
"""

import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

UNKNOWN = "\ufffd"
_BLANK_IN_WORD = re.compile(r"(?<=[^\W\d_]{3}) (?=[^\W\d_])")
_LINE = re.compile(r"[^\r\n]+")
_BLANK = re.compile(r"(?<=\S) (?=\S)")
_PAIR = re.compile(r"(?=\S\S)")
_LINE_END = re.compile(r"(?<=\S)\r\n(?=\S)")
_WORD_BEFORE = re.compile(r"[^\W\d_]+\Z")
_LONGEST = 40  # letters of a word
_SAME_GAP = 1.25  # times the narrowest gap between the letters: rounding in the file
_SET_APART = 0.08  # of a letter's height, between any two letters of a line: its words are set with spaces
_NARROW = 0.6  # of the narrowest true blank
_TOUCHES = 0.15  # of a letter's height; a space is wider
_GOES_ON = 0.6  # of a letter's height; what stands farther away is another column
_OVERLAPS = 0.3  # times a letter's height that it may begin before the one before has ended: kerning, italics
_SAME_LINE = 0.5  # of a letter's height that two on a line share; a raised figure shares that much too
_SAME_BASE = 0.1  # of a letter's height: rounding in the file
_CLOSING = frozenset(",.;:!?)]}")
_ALEF_LAM = re.compile("[\u0622\u0623\u0625\u0627\u0671]\u0644")
_SIGN = re.compile("(?<=[\u0621-\u064a]) [\u064b-\u0652\u0670][\u0621-\u064a]")
_TOUCHING = 0.1  # of a letter's height, between two letters of a word
# Only numbers that are not those of Latin letters: such a number may be the letter's code all the same.
_DOUBTFUL = re.compile("[\u0250-\u1dff\u2c00-\ud7ff\ue000-\uf8ff]")
_MOSTLY_KNOWN = 0.25  # of the page's characters; with more unknown, the numbers may be codes after all

Sides = tuple[float, float, float, float]  # left, bottom, right, top


class Glyphs(Protocol):
    """What pdfium knows of the characters, by their offset in its text."""

    def sides(self, offset: int) -> Sides: ...

    def is_generated(self, offset: int) -> bool:
        """Whether pdfium guessed the character from a gap."""
        ...

    def is_unknown(self, offset: int) -> bool:
        """Whether the file gives no character for the glyph."""
        ...


@dataclass(frozen=True, slots=True)
class Repaired:
    """A page's text, and for each character its offset in pdfium's text; None if it is the same."""

    text: str
    origins: tuple[int, ...] | None = None


def repair(text: str, glyphs: Glyphs) -> Repaired:
    """The text of a page with `UNKNOWN` for glyphs without a character."""
    order = list(range(len(text)))
    for offset in _ligatures(text, glyphs):
        order[offset : offset + 2] = offset + 1, offset
    dropped = {*_blanks_in_words(text, glyphs), *_blanks_in_spaced_lines(text, glyphs)}
    signs: dict[int, str] = {}
    for offset, is_one_word in _ends_within_lines(text, glyphs):
        dropped |= {offset, offset + 1} if is_one_word else {offset + 1}
        signs[offset] = " "
    for offset, is_one_word in _signs(text, glyphs):
        order[offset + 1], order[offset + 2] = order[offset + 2], order[offset + 1]
        if is_one_word:
            dropped.add(offset)
    signs |= dict.fromkeys(_unknown(text, glyphs), UNKNOWN)
    origins = tuple(origin for origin in order if origin not in dropped)
    repaired = "".join(signs.get(origin, text[origin]) for origin in origins)
    return Repaired(text) if repaired == text else Repaired(repaired, origins)


def _ligatures(text: str, glyphs: Glyphs) -> Iterator[int]:
    for found in _ALEF_LAM.finditer(text):
        left, _, right, _ = glyphs.sides(found.start())
        if right > left and glyphs.sides(found.start()) == glyphs.sides(found.start() + 1):
            yield found.start()


def _blanks_in_words(text: str, glyphs: Glyphs) -> Iterator[int]:
    for found in _BLANK_IN_WORD.finditer(text):
        blank = found.start()
        if glyphs.is_generated(blank):
            word = _WORD_BEFORE.search(text, max(0, blank - _LONGEST), blank)
            if word and _is_spaced_alike(glyphs, word.start(), blank):
                yield blank


def _is_spaced_alike(glyphs: Glyphs, start: int, blank: int) -> bool:
    """Whether the letters before a blank stand as far apart as the letters around it."""
    gap = _gap(glyphs, blank - 1, blank + 1)
    letters = range(blank - 1, start, -1)
    return gap > 0 and all(gap <= _SAME_GAP * _gap(glyphs, letter - 1, letter) for letter in letters)


def _blanks_in_spaced_lines(text: str, glyphs: Glyphs) -> Iterator[int]:
    """Guessed blanks that are much narrower than the true ones of a line whose letters are set apart.

    So layers of text that OCR has put behind a scan are set, letter by letter.
    """
    for line in _LINE.finditer(text):
        blanks = [found.start() for found in _BLANK.finditer(text, line.start(), line.end())]
        guessed = [blank for blank in blanks if glyphs.is_generated(blank)]
        true = sorted(set(blanks).difference(guessed))
        if guessed and true and _is_set_apart(text, glyphs, line.start(), line.end()):
            room = _NARROW * min(_gap(glyphs, blank - 1, blank + 1) for blank in true)
            yield from (blank for blank in guessed if 0 < _gap(glyphs, blank - 1, blank + 1) < room)


def _is_set_apart(text: str, glyphs: Glyphs, start: int, end: int) -> bool:
    gaps = [_gap(glyphs, pair.start(), pair.start() + 1) for pair in _PAIR.finditer(text, start, end)]
    _, bottom, _, top = glyphs.sides(start)
    return bool(gaps) and statistics.median(gaps) > _SET_APART * (top - bottom)


def _ends_within_lines(text: str, glyphs: Glyphs) -> Iterator[tuple[int, bool]]:
    """Offsets of line ends within a line, and whether what stands around it is one word.

    It is not where a figure is raised: a word and the number of its footnote are two.
    """
    for found in _LINE_END.finditer(text):
        _, bottom, right, top = glyphs.sides(found.start() - 1)
        left, next_bottom, _, next_top = glyphs.sides(found.end())
        height = min(top - bottom, next_top - next_bottom)
        shared = min(top, next_top) - max(bottom, next_bottom)
        if shared > _SAME_LINE * height > 0 and -_OVERLAPS * height <= left - right <= _GOES_ON * height:
            level = max(abs(top - next_top), abs(bottom - next_bottom)) <= _SAME_BASE * height
            is_one_word = level or text[found.end()] in _CLOSING
            yield found.start(), is_one_word and left - right <= _TOUCHES * height


def _gap(glyphs: Glyphs, one: int, other: int) -> float:
    return glyphs.sides(other)[0] - glyphs.sides(one)[2]


def _signs(text: str, glyphs: Glyphs) -> Iterator[tuple[int, bool]]:
    """Offsets of blanks before a sign before its letter, and whether the letter goes on with the word."""
    for found in _SIGN.finditer(text):
        blank = found.start()
        left, _, right, _ = glyphs.sides(blank + 1)
        letter_left, bottom, letter_right, top = glyphs.sides(blank + 2)
        if letter_left <= (left + right) / 2 <= letter_right:
            before = glyphs.sides(blank - 1)[0]
            yield blank, abs(before - letter_right) <= _TOUCHING * (top - bottom)


def _unknown(text: str, glyphs: Glyphs) -> list[int]:
    doubtful = [found.start() for found in _DOUBTFUL.finditer(text)]
    unknown = [offset for offset in doubtful if glyphs.is_unknown(offset)]
    return unknown if len(unknown) <= _MOSTLY_KNOWN * len(text) else []
