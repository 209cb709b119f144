"""Reads text in pictures with the Tesseract program, if it is installed.

Tesseract runs as a program of its own, with a time limit. Its page segmentation mode 4 (lines of various
sizes) keeps the rows of tables together, where the default reads some tables column by column. It does not
see that a page lies on its side; a page that reads badly is tried the other ways round.
"""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from PIL import Image

from rag.parse.page.layout import Box, Drawing, Layout, Line, Rule, Word, joined
from rag.parse.page.text import HYPHEN, PageText
from rag.parse.scan import CleanScan, clean, fitted, is_blank
from rag.parse.tesseract import DEFAULT_LANGUAGES, check_languages, found_program, run_tesseract

DOTS_PER_INCH = 200  # of pages that are drawn for OCR; 300 takes twice as long and reads no better
_SURE = 70.0  # mean confidence of 100; upright print reaches 90, upside down 35
_NOISE = 35.0  # mean confidence below which a line is a smudge or a pattern
_MIN_WORDS = 3
_TURNS = (Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180)
_SMALL = 1500  # pixels of the longer side: a picture from a screen, twice the size reads better
_POINTS = 72 / DOTS_PER_INCH  # a pixel
_WORD_LEVEL = "5"  # of Tesseract's table; 4 is a line
_LINE_LEVEL = "4"
_LINE_END = "\r\n"
_STROKES = " |_"  # what is left of rules
_HYPHEN_AT_END = re.compile(r"(?<=[^\W\d_])-$")


@dataclass(frozen=True, slots=True)
class _Read:
    """A word as Tesseract read it; `line` numbers lines of the page, `top` and `bottom` are the line's."""

    text: str
    confidence: float
    block: int
    line: int
    left: int
    right: int
    top: int
    bottom: int


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What was read with the page one way round."""

    scan: CleanScan
    words: tuple[_Read, ...]

    @property
    def confidence(self) -> float:
        characters = sum(len(word.text) for word in self.words)
        return sum(word.confidence * len(word.text) for word in self.words) / max(characters, 1)

    @property
    def worth(self) -> float:
        """Characters that were read with some certainty."""
        return sum(len(word.text) for word in self.words if word.confidence >= _SURE)


def ocr_image(image: Image.Image, *, languages: str = DEFAULT_LANGUAGES) -> str:
    """The text in a picture; empty if there is none.

    Args:
        image: A page, whichever way round.
        languages: Tesseract's codes joined by `+`, such as `eng+deu`; each adds its time.

    Raises:
        UnsupportedTypeError: Tesseract, or one of the languages, is not installed.
        UnreadableFileError: Tesseract failed or took too long.
    """
    text = ocr_layout(image, languages=languages).text
    return PageText.of([text]).tidy(text)


def ocr_layout(image: Image.Image, *, languages: str = DEFAULT_LANGUAGES) -> Layout:
    """A picture's text and where it stands, in points at 200 dots per inch, y upwards from 0 at the top.

    Paragraphs are parted by a blank line. A hyphen at a line end is marked as pdfium marks it.

    Raises:
        UnsupportedTypeError: Tesseract, or one of the languages, is not installed.
        UnreadableFileError: Tesseract failed or took too long.
    """
    program = found_program()
    check_languages(program, languages)
    grey = fitted(image)
    if is_blank(grey):
        return Layout("", (), (), Drawing())
    if max(grey.size) < _SMALL:
        grey = grey.resize((grey.width * 2, grey.height * 2), Image.Resampling.BICUBIC)
    return _layout(_best(grey, program, languages))


def _best(grey: Image.Image, program: str, languages: str) -> _Attempt:
    """The page as it is, or the way round that reads best."""
    best = _attempt(grey, program, languages)
    if len(best.words) >= _MIN_WORDS and best.confidence >= _SURE:
        return best
    for turn in _TURNS:
        attempt = _attempt(grey.transpose(turn), program, languages)
        if attempt.worth > best.worth:
            best = attempt
        if len(best.words) >= _MIN_WORDS and best.confidence >= _SURE:
            break
    return best


def _attempt(grey: Image.Image, program: str, languages: str) -> _Attempt:
    scan = clean(grey)
    buffer = io.BytesIO()
    scan.image.save(buffer, "PPM")
    arguments = ["stdin", "stdout", "-l", languages, "--psm", "4", "--dpi", str(DOTS_PER_INCH), "tsv"]
    return _Attempt(scan, tuple(_reads(run_tesseract(program, arguments, buffer.getvalue()))))


def _reads(table: str) -> Iterator[_Read]:
    """The words of Tesseract's table, lines that are noise left out."""
    words: list[_Read] = []
    line, top, bottom = 0, 0, 0
    for row in table.split("\n")[1:]:
        fields = row.split("\t")
        if len(fields) < 12:  # noqa: PLR2004  # columns of the table
            continue
        left, upper, width, height = (int(field) for field in fields[6:10])
        if fields[0] == _LINE_LEVEL:
            line, top, bottom = line + 1, upper, upper + height
        elif fields[0] == _WORD_LEVEL and fields[11].strip(_STROKES):
            place = int(fields[2]) * 1000 + int(fields[3])  # block and paragraph
            word = _Read(fields[11], float(fields[10]), place, line, left, left + width, top, bottom)
            words.append(word)
    for _, on_line in groupby(words, key=lambda word: word.line):
        whole = list(on_line)
        if sum(word.confidence for word in whole) / len(whole) >= _NOISE:
            yield from whole


def _layout(attempt: _Attempt) -> Layout:
    """Lines of words as a page; between two blocks stands a blank line."""
    texts: list[str] = []
    words: list[Word] = []
    lines: list[Line] = []
    at = 0
    block = None
    for _, group in groupby(attempt.words, key=lambda word: word.line):
        reads = list(group)
        if block not in {None, reads[0].block}:
            texts.append("")
            lines.append(Line(at, at))
            at += len(_LINE_END)
        block = reads[0].block
        placed = list(_placed(reads, at, len(lines)))
        texts.append(_HYPHEN_AT_END.sub(HYPHEN, " ".join(word.text for word in placed)))
        words += placed
        lines.append(Line(at, placed[-1].end, _union(placed)))
        at = placed[-1].end + len(_LINE_END)
    text = _LINE_END.join(texts)
    if text.endswith(HYPHEN):
        text = text[:-1] + "-"  # nothing follows
    return Layout(text, tuple(lines), tuple(words), _drawing(attempt.scan))


def _placed(reads: Sequence[_Read], start: int, line: int) -> Iterator[Word]:
    for read in reads:
        end = start + len(read.text)
        yield Word(read.text, start, end, line, _box(read))
        start = end + 1


def _union(words: Sequence[Word]) -> Box:
    left, right = min(word.box.left for word in words), max(word.box.right for word in words)
    return replace(words[0].box, left=left, right=right)


def _box(read: _Read) -> Box:
    return Box(read.left * _POINTS, -read.bottom * _POINTS, read.right * _POINTS, -read.top * _POINTS)


def _drawing(scan: CleanScan) -> Drawing:
    def scaled(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        points = [Rule(r.at * _POINTS, r.start * _POINTS, r.end * _POINTS) for r in rules]
        return tuple(joined(points))

    return Drawing(scaled(scan.horizontal), scaled(scan.vertical))
