"""Lines of pages, as the search for headings sees them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.parse.page.layout import Layout, Line

MAX_LINES = 3  # of one heading
MAX_CHARACTERS = 200
NUMBER = re.compile(r"(?P<depth>\d{1,2}(?:\.\d{1,2}){0,5})\.?\s+(?=[^\W\d_])")
_REPEATED = 3  # pages with the same words at the same height: a running title
_SAME_PLACE = 4.0  # points

Look = tuple[float, ...]  # smaller is more prominent


@dataclass(frozen=True, slots=True)
class PageLines:
    """A page, and which of its lines are in tables."""

    layout: Layout
    in_tables: frozenset[int]

    def text(self, first: int, last: int | None = None) -> str:
        """Lines `[first, last]` on one line."""
        lines = self.layout.lines
        end = lines[first if last is None else last].end
        return " ".join(self.layout.text[lines[first].start : end].split())

    def neighbour(self, number: int, step: int) -> Line | None:
        """The next line with text before or after a line."""
        lines = self.layout.lines
        number += step
        while 0 <= number < len(lines):
            if lines[number].box is not None:
                return lines[number]
            number += step
        return None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Lines `[first, last]` of a page (from 0) that may be a heading."""

    page: int
    first: int
    last: int
    look: Look = ()


def running_titles(pages: Sequence[PageLines]) -> frozenset[str]:
    """Words that stand at the same height of several pages, digits left out."""
    places: dict[tuple[str, int], set[int]] = {}
    for number, page in enumerate(pages):
        for at, line in enumerate(page.layout.lines):
            if line.box is not None and line.end - line.start <= MAX_CHARACTERS:
                place = without_digits(page.text(at)), round(line.box.bottom / _SAME_PLACE)
                places.setdefault(place, set()).add(number)
    return frozenset(words for (words, _), where in places.items() if len(where) >= _REPEATED)


def without_digits(text: str) -> str:
    return re.sub(r"\d+", "#", text)
