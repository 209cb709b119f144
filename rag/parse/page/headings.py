"""Headings of a document that has no markup: what its outline names, and what is set like a heading."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rag.parse.page.layout import PageHeading
from rag.parse.page.lines import Candidate, Look, PageLines, running_titles
from rag.parse.page.outline import OutlineEntry, named_headings
from rag.parse.page.typeset import typeset_headings

_REAL_OUTLINE = 3  # bookmarks that were found in the text; a lone one is only the title
_MAX_LEVEL = 6
_MANY_LOOKS = 5  # more of them, and those that occur once take no level of their own

Level = tuple[Candidate, int]


def find_headings(pages: Sequence[PageLines], outline: Sequence[OutlineEntry]) -> list[list[PageHeading]]:
    """The headings of each page, in the order of its lines."""
    running = running_titles(pages)
    styled = typeset_headings(pages, running)
    named = named_headings(pages, outline, running)
    found: list[list[PageHeading]] = [[] for _ in pages]
    for candidate, level in _dense(_levels(styled, named)):
        found[candidate.page].append(PageHeading(candidate.first, candidate.last, level))
    return [sorted(page, key=lambda heading: heading.first) for page in found]


def _levels(styled: Sequence[Candidate], named: Mapping[Candidate, int]) -> Iterator[Level]:
    """Each heading's level: the bookmark's depth, or else the rank of its look."""
    depths = {(c.page, c.first): depth for c, depth in named.items()}
    ranks = _ranks_by_outline(styled, depths) if len(named) >= _REAL_OUTLINE else _ranks(styled)
    for candidate, depth in named.items():
        yield candidate, depth + 1
    taken = {(c.page, line) for c in named for line in range(c.first, c.last + 1)}
    for candidate in styled:
        if taken.isdisjoint((candidate.page, line) for line in range(candidate.first, candidate.last + 1)):
            yield candidate, ranks[candidate.look]


def _dense(levels: Iterator[Level]) -> Iterator[Level]:
    """The levels without gaps between those that occur."""
    listed = list(levels)
    used = sorted({level for _, level in listed})
    for candidate, level in listed:
        yield candidate, min(used.index(level) + 1, _MAX_LEVEL)


def _ranks(styled: Sequence[Candidate]) -> dict[Look, int]:
    """Levels by look, the most prominent first."""
    counts = Counter(candidate.look for candidate in styled)
    rank = 0
    ranks = {}
    for look in sorted(counts):
        if rank == 0 or counts[look] > 1 or len(counts) <= _MANY_LOOKS:
            rank += 1
        ranks[look] = rank
    return ranks


def _ranks_by_outline(styled: Sequence[Candidate], depths: Mapping[tuple[int, int], int]) -> dict[Look, int]:
    """Levels by look, as the bookmarks have them; looks that no bookmark has are below all others."""
    seen: dict[Look, Counter[int]] = {}
    for candidate in styled:
        depth = depths.get((candidate.page, candidate.first))
        if depth is not None:
            seen.setdefault(candidate.look, Counter())[depth + 1] += 1
    known = {look: counts.most_common(1)[0][0] for look, counts in seen.items()}
    deepest = max(depths.values()) + 1
    first = min(known, default=())
    return {c.look: known.get(c.look, 1 if c.look < first else deepest + 1) for c in styled}
