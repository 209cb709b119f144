"""What pdfium knows of a page besides its text: how lines are set, where words stand.

Coordinates are those of the page as it is shown: its rotation is applied. Callers hold pdfium's lock.
"""

import ctypes
import math
import re
from collections.abc import Iterator
from typing import Any

import pypdfium2.raw

from rag.parse.page.layout import Box, Drawing, Layout, Line, Style, Word
from rag.parse.pdf_drawing import read_drawing, turned
from rag.parse.pdf_repair import Sides, repair

_raw: Any = pypdfium2.raw  # an untyped package
_WORD = re.compile(r"\S+")
# Nimbus calls bold "Medi", Computer Modern "BX"; "Medium" is no bold.
_BOLD_NAME = re.compile(r"bold|black|heavy|demi(?!light)|-medi\b|^(?:\w{6}\+)?cm\w*bx\d", re.IGNORECASE)
_SLANTED_NAME = re.compile(r"ital|obli", re.IGNORECASE)
_BOLD_WEIGHT = 600  # of 100 to 900: semi-bold and up; what pdfium guesses for slanted fonts is no use
_INVISIBLE = 3  # text render mode (ISO 32000-1, 9.3.6)
_SMALLEST = 0.1  # points; text may be set so small that it is a speck, and such a size tells nothing
_SAME_SIZE = 0.05  # of the larger: rounding in the file
_NOWHERE = (0.0, 0.0, 0.0, 0.0)  # of a character that pdfium doesn't place
_WIDE = 0.7  # of a line's height for each character: most words are narrower
_GAP = 0.6  # of a line's height: twice a space
_FIGURE_AT_END = re.compile(r"\d[)%\s]*$", re.MULTILINE)
_MIN_ROWS = 3  # lines with a figure at the end: fewer make no table
_MIN_RULES = 2  # each way; fewer make no grid


def read_layout(page: Any) -> Layout:
    """The layout of an open page.

    Raises:
        pypdfium2.PdfiumError: The page's text cannot be read.
    """
    drawing = read_drawing(page)
    text_page = page.get_textpage()
    try:
        characters = _Characters(text_page, page.get_rotation())
        text = characters.text
        lines = tuple(characters.lines())
        words = tuple(characters.words(lines)) if _hints_at_table(text, drawing) else ()
    finally:
        text_page.close()
    return Layout(text, lines, words, drawing)


def _hints_at_table(text: str, drawing: Drawing) -> bool:
    if len(drawing.horizontal) >= _MIN_RULES and len(drawing.vertical) >= _MIN_RULES:
        return bool(text)
    return sum(1 for _ in _FIGURE_AT_END.finditer(text)) >= _MIN_ROWS


class _Characters:
    """A page's repaired text, and boxes and styles of its characters, by their offset in that."""

    def __init__(self, text_page: Any, turn: int) -> None:
        self._page = text_page
        self._turn = turn
        self._fonts: dict[int, bool] = {}
        self._rect = _raw.FS_RECTF()
        self._matrix = _raw.FS_MATRIX()
        text = str(text_page.get_text_range())
        # pdfium leaves some characters out of the text; then offsets must be translated one by one.
        self._shifted = int(text_page.count_chars()) != len(text)
        self._origins: tuple[int, ...] | None = None
        repaired = repair(text, self)
        self.text, self._origins = repaired.text, repaired.origins

    def is_generated(self, offset: int) -> bool:
        return bool(_raw.FPDFText_IsGenerated(self._page, self._index(offset)) == 1)

    def is_unknown(self, offset: int) -> bool:
        return bool(_raw.FPDFText_HasUnicodeMapError(self._page, self._index(offset)) == 1)

    def lines(self) -> Iterator[Line]:
        start = 0
        for raw in self.text.split("\r\n"):
            end = start + len(raw)
            last = start + len(raw.rstrip()) - 1
            if last < start:
                yield Line(start, end)
            else:
                first = end - len(raw.lstrip())
                style, hidden = self._style(first, last)
                yield Line(start, end, self._box(first, last), style, hidden)
            start = end + 2

    def words(self, lines: tuple[Line, ...]) -> Iterator[Word]:
        for number, line in enumerate(lines):
            for found in _WORD.finditer(self.text, line.start, line.end):
                box = self._box(found.start(), found.end() - 1)
                if box.width <= _WIDE * box.height * len(found[0]):
                    yield Word(found[0], found.start(), found.end(), number, box)
                    continue
                for start, end in self._parts(found.start(), found.end(), _GAP * box.height):
                    yield Word(self.text[start:end], start, end, number, self._box(start, end - 1))

    def _parts(self, start: int, end: int, gap: float) -> Iterator[tuple[int, int]]:
        """`[start, end)`, cut where pdfium put no space between characters that stand far apart."""
        previous = self._box(start, start)
        for offset in range(start + 1, end):
            box = self._box(offset, offset)
            if box.left - previous.right > gap:
                yield start, offset
                start = offset
            previous = box
        yield start, end

    def _box(self, first: int, last: int) -> Box:
        left, bottom, right, top = self.sides(first)
        if last != first:
            left_, bottom_, right_, top_ = self.sides(last)
            left, bottom = min(left, left_), min(bottom, bottom_)
            right, top = max(right, right_), max(top, top_)
        return turned(left, bottom, right, top, self._turn)

    def sides(self, offset: int) -> Sides:
        rect = self._rect
        if not _raw.FPDFText_GetLooseCharBox(self._page, self._index(offset), rect):
            return _NOWHERE
        return rect.left, rect.bottom, rect.right, rect.top

    def _index(self, offset: int) -> int:
        origin = offset if self._origins is None else self._origins[offset]
        return _raw.FPDFText_GetCharIndexFromTextIndex(self._page, origin) if self._shifted else origin

    def _style(self, first: int, last: int) -> tuple[Style | None, bool]:
        """From three characters of a line, and whether it can't be seen."""
        sizes, bolds, hidden = [], [], []
        for offset in {first, self._word_near((first + last) // 2), last}:
            index = self._index(offset)
            text_object = _raw.FPDFText_GetTextObject(self._page, index)
            if text_object:
                sizes.append(self._size(index))
                bolds.append(self._is_bold(text_object))
                hidden.append(_raw.FPDFTextObj_GetTextRenderMode(text_object) == _INVISIBLE)
        if not sizes:
            return None, False
        if max(sizes) < _SMALLEST:
            return None, all(hidden)
        uniform = max(sizes) - min(sizes) <= _SAME_SIZE * max(sizes)
        return Style(max(sizes), all(bolds), uniform), all(hidden)

    def _word_near(self, offset: int) -> int:
        return offset - 1 if self.text[offset].isspace() else offset

    def _size(self, index: int) -> float:
        _raw.FPDFText_GetMatrix(self._page, index, self._matrix)
        size: float = _raw.FPDFText_GetFontSize(self._page, index)
        return abs(size) * math.hypot(self._matrix.c, self._matrix.d)  # negative ones are set upside down

    def _is_bold(self, text_object: Any) -> bool:
        font = _raw.FPDFTextObj_GetFont(text_object)
        address = ctypes.cast(font, ctypes.c_void_p).value or 0
        if address not in self._fonts:
            name = ctypes.create_string_buffer(256)
            _raw.FPDFFont_GetBaseFontName(font, name, len(name))
            self._fonts[address] = _is_bold(name.value.decode("latin-1"), _raw.FPDFFont_GetWeight(font))
        return self._fonts[address]


def _is_bold(font_name: str, weight: int) -> bool:
    if _BOLD_NAME.search(font_name):
        return True
    return weight >= _BOLD_WEIGHT and not _SLANTED_NAME.search(font_name)
