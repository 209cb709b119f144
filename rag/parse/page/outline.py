"""Headings that a PDF's outline names."""

from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import normalize

from rag.parse.page.lines import MAX_LINES, NUMBER, Candidate, PageLines, without_digits


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """A bookmark: its title, the page it leads to (from 0; None if nowhere), its depth from 0."""

    title: str
    page: int | None
    depth: int


def named_headings(
    pages: Sequence[PageLines], outline: Sequence[OutlineEntry], running: frozenset[str]
) -> dict[Candidate, int]:
    """Lines that say what a bookmark to their page says, and the bookmark's depth."""
    found: dict[Candidate, int] = {}
    for entry in outline:
        if entry.page is not None and entry.page < len(pages):
            candidate = _match(entry.title, entry.page, pages[entry.page], running)
            if candidate is not None:
                found.setdefault(candidate, entry.depth)
    return found


def _match(title: str, number: int, page: PageLines, running: frozenset[str]) -> Candidate | None:
    """The lines of the bookmark's page that hold its title and nothing else; the largest if several."""
    wanted = _letters(title)
    matches: list[tuple[float, Candidate]] = []
    lines = page.layout.lines
    for first, line in enumerate(lines):
        if line.style is None or not wanted or without_digits(page.text(first)) in running:
            continue
        for last in range(first, min(first + MAX_LINES, len(lines))):
            words = _letters(page.text(first, last))
            if words == wanted and page.in_tables.isdisjoint(range(first, last + 1)):
                matches.append((line.style.size, Candidate(number, first, last)))
            if len(words) >= len(wanted):
                break
    return max(matches, key=lambda match: match[0])[1] if matches else None


def _letters(text: str) -> str:
    """Letters and digits without the number in front: bookmarks often leave it out."""
    text = " ".join(normalize("NFKC", text).split())
    return "".join(filter(str.isalnum, NUMBER.sub("", text, count=1).casefold()))
