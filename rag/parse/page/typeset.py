"""Lines that are set like headings: larger or bolder than the body.

A wrong heading does more harm than a missing one, so a line must look like one in every way: short, set in
one style, apart from its neighbours, not part of a sentence, not repeated at the same place of other pages,
with text below it.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.parse.page.layout import Line
from rag.parse.page.lines import MAX_CHARACTERS, MAX_LINES, NUMBER, Candidate, Look, PageLines, without_digits

_LARGE = 1.12  # times the body's size
_MAX_WORDS = 25
_MIN_LETTERS = 0.5  # of the characters that are not white space
_MAX_STACK = 3  # headings that follow each other directly; more are a title page or a list
_ROUNDING = 0.3  # points
_GAP_ABOVE = 0.35  # of the type size, between a bold line and what stands above it
_NEXT_COLUMN = -2.0  # type sizes: what stands above in the text stands below on the page
_WRAPPED = 0.6  # of the type size, between two lines of one heading
_OVERLAP = 0.4  # of the type size: fonts may claim more height than the lines have
_UPRIGHT = 3.0  # type sizes: a line as tall as that runs upwards
_PROSE = 40  # characters of a line
_PROSE_SHARE = 0.5  # headings for each line of prose on a page
_CAPITALS = 0.7  # of a line's letters
_STEP = math.log(1.06)  # between two sizes that are meant to differ
_START = re.compile(r"[\"“‘'(\[¿¡]*[^\W_]")
_BULLET = re.compile(r"[•▪◦●○■□–—*·►➢✓-]|\(?[a-z0-9ivx]{1,4}\)\s|[o]\s")
_PART = re.compile(
    r"(?:part|chapter|appendix|book|annex|volume)\s+[\divxlc]+\b(?! (?:of|to)\b)", re.IGNORECASE
)
_ITEM = re.compile(
    r"(?:(?:item|section|article|note|schedule|exhibit)\s+[\divxlc]+[a-z]?\b|§\s*\d+)(?! (?:of|to)\b)",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(r"[,;:\-–—&/]$|\b(?:and|or|of|the|to|in|for|with|a|an|by)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Body:
    """How most of the document is set."""

    size: float
    bold: bool

    def is_large(self, line: Line) -> bool:
        return line.style is not None and line.style.size >= _LARGE * self.size

    def stands_out(self, line: Line) -> bool:
        style = line.style
        bold = style is not None and style.bold and not self.bold and style.size > self.size - _ROUNDING
        return bold or self.is_large(line)


def typeset_headings(pages: Sequence[PageLines], running: frozenset[str]) -> list[Candidate]:
    """Lines of a document that are set like headings, with how prominent each looks."""
    body = _body(pages)
    if body is None:
        return []
    return [
        candidate
        for number, page in enumerate(pages)
        for candidate in _thinned(list(_Finder(number, page, body, running).candidates()), page)
    ]


def _body(pages: Sequence[PageLines]) -> _Body | None:
    """The commonest style, by characters, outside tables."""
    looks: Counter[tuple[float, bool]] = Counter()
    for page in pages:
        for number, line in enumerate(page.layout.lines):
            if line.style is not None and number not in page.in_tables and not line.hidden:
                looks[round(line.style.size, 1), line.style.bold] += line.end - line.start
    if not looks:
        return None
    (size, bold), _ = looks.most_common(1)[0]
    return _Body(size, bold)


@dataclass(frozen=True, slots=True)
class _Finder:
    """Looks for headings on one page."""

    number: int
    page: PageLines
    body: _Body
    running: frozenset[str]

    def candidates(self) -> Iterator[Candidate]:
        """Lines that look like headings; those that run over several lines are one."""
        lines = self.page.layout.lines
        first = 0
        while first < len(lines):
            last = first
            if self._may_be_heading(first):
                while last + 1 < len(lines) and self._goes_on(last):
                    last += 1
                text = self.page.text(first, last)
                if last - first < MAX_LINES and _reads_like_heading(text) and self._has_room(first, last):
                    yield Candidate(self.number, first, last, _look(lines[first], text, self.body))
            first = last + 1

    def _may_be_heading(self, number: int) -> bool:
        line = self.page.layout.lines[number]
        if number in self.page.in_tables or line.style is None or line.box is None or line.hidden:
            return False
        upright = line.box.height < _UPRIGHT * line.style.size
        is_running = without_digits(self.page.text(number)) in self.running
        return upright and line.style.uniform and self.body.stands_out(line) and not is_running

    def _goes_on(self, number: int) -> bool:
        """Whether the next line belongs to the same heading: set alike, close below, without a number."""
        line, below = self.page.layout.lines[number], self.page.layout.lines[number + 1]
        if not self._may_be_heading(number + 1) or not _are_alike(line, below):
            return False
        above_text, text = self.page.text(number), self.page.text(number + 1)
        fresh = NUMBER.match(text) or _ITEM.match(text) or _PART.match(text) or text.startswith("(")
        return not fresh and _is_capital(above_text) == _is_capital(text)

    def _has_room(self, first: int, last: int) -> bool:
        """Whether nothing stands beside a heading, and text below; above one of the body's size, a gap."""
        line = self.page.layout.lines[first]
        above, below = self.page.neighbour(first, -1), self.page.neighbour(last, 1)
        if below is None or _are_beside(line, below) or (above is not None and _are_beside(line, above)):
            return False
        if above is None or above.box is None or line.box is None or line.style is None:
            return True
        if self.body.is_large(line) or self.body.stands_out(above):
            return True
        gap = (above.box.bottom - line.box.top) / line.style.size
        return gap >= _GAP_ABOVE or gap < _NEXT_COLUMN


def _are_alike(line: Line, below: Line) -> bool:
    if line.box is None or below.box is None or line.style is None or below.style is None:
        return False
    gap = (line.box.bottom - below.box.top) / line.style.size
    same_size = abs(line.style.size - below.style.size) < _ROUNDING
    return same_size and line.style.bold == below.style.bold and -_OVERLAP <= gap <= _WRAPPED


def _are_beside(one: Line, other: Line) -> bool:
    if one.box is None or other.box is None:
        return False
    shared = min(one.box.top, other.box.top) - max(one.box.bottom, other.box.bottom)
    return shared > min(one.box.height, other.box.height) / 2


def _reads_like_heading(text: str) -> bool:
    letters = sum(map(str.isalpha, text))
    if len(text) > MAX_CHARACTERS or len(text.split()) > _MAX_WORDS or letters < 2:  # noqa: PLR2004
        return False
    if letters < _MIN_LETTERS * len(text.replace(" ", "")) or not _START.match(text) or text[0].islower():
        return False
    if _BULLET.match(text) or _UNFINISHED.search(text) or (text[0] + text[-1]) == "()":
        return False
    is_numbered = NUMBER.match(text) or _ITEM.match(text) or _PART.match(text)
    return bool(is_numbered) or not text.endswith((".", "。"))


def _look(line: Line, text: str, body: _Body) -> Look:
    """Size, keyword, capitals and depth of numbering, in this order."""
    size = line.style.size if line.style is not None else body.size
    step = round(math.log(max(size, body.size) / body.size) / _STEP)
    keyword = 0 if _PART.match(text) else 1 if _ITEM.match(text) else 2
    if keyword < 2:  # noqa: PLR2004
        return -step, keyword
    number = NUMBER.match(text)
    return -step, keyword, not _is_capital(text), number["depth"].count(".") if number else 0


def _is_capital(text: str) -> bool:
    """Whether a line is in capitals, save a word such as "Note" or a unit."""
    letters = sum(map(str.isalpha, text))
    return sum(map(str.isupper, text)) > _CAPITALS * letters


def _thinned(candidates: list[Candidate], page: PageLines) -> Iterator[Candidate]:
    """Of more headings than may stand on a page or follow each other directly, only the most prominent.

    So little is left of title pages, lists and posters, where every other line is set apart.
    """
    prose = sum(line.end - line.start >= _PROSE for line in page.layout.lines)
    if len(candidates) > max(_MAX_STACK, _PROSE_SHARE * prose):
        yield from _most_prominent(candidates)
        return
    stack: list[Candidate] = []
    for candidate in candidates:
        if stack and not _follows(stack[-1], candidate, page):
            yield from _settled(stack)
            stack = []
        stack.append(candidate)
    yield from _settled(stack)


def _follows(above: Candidate, below: Candidate, page: PageLines) -> bool:
    between = page.layout.lines[above.last + 1 : below.first]
    return all(line.box is None for line in between)


def _settled(stack: list[Candidate]) -> list[Candidate]:
    return stack if len(stack) <= _MAX_STACK else _most_prominent(stack)


def _most_prominent(candidates: list[Candidate]) -> list[Candidate]:
    """The one that looks most prominent; none if several look alike."""
    first = min(candidate.look for candidate in candidates)
    best = [candidate for candidate in candidates if candidate.look == first]
    return best if len(best) == 1 else []
