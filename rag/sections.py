"""A document's sections, and which of them share chunks.

Every heading begins a section. Headings of level 1 to 3 divide a document for good; deeper ones may stand in
the middle of a chunk. Two rules soften this:

- A heading without text of its own belongs to the section that follows it (the last ones of a document to the
  section before them), so that no chunk is only a heading.
- A tiny section (under a quarter of the target) is merged with its neighbour when the two fit into one chunk
  and are relatives: siblings, or a parent and its child.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rag.documents import Heading, ParsedDocument

_DIVIDING_LEVEL = 3
TINY_SHARE = 4  # a section under 1/4 of the target is tiny


@dataclass(frozen=True, slots=True)
class Section:
    """`[start, end)` from a heading to the next heading of any level.

    Attributes:
        start: First character of the heading's line, or of the text before the first heading.
        body: Where the heading's line ends; equals `start` when there is no heading.
        end: One past the last character.
        level: The heading's; 0 before the first heading.
        path: Titles of the headings above, outermost first, the section's own last.
        has_text: Whether more than the heading is there.
    """

    start: int
    body: int
    end: int
    level: int
    path: tuple[str, ...]
    has_text: bool


@dataclass(frozen=True, slots=True)
class SectionGroup:
    """Neighbouring sections that are packed into chunks together; no chunk reaches beyond them."""

    sections: tuple[Section, ...]

    @property
    def start(self) -> int:
        return self.sections[0].start

    @property
    def end(self) -> int:
        return self.sections[-1].end

    @property
    def has_text(self) -> bool:
        return any(section.has_text for section in self.sections)

    @property
    def path(self) -> tuple[str, ...]:
        return shared_path(self.sections)

    def __add__(self, other: "SectionGroup") -> "SectionGroup":
        return SectionGroup(self.sections + other.sections)


def split_sections(document: ParsedDocument, *, breaks: Sequence[int] = ()) -> list[Section]:
    """The document's sections in order; together they hold the whole text, but for white space.

    Args:
        document: The parsed document.
        breaks: Offsets at which the heading above ceases to hold, such as where a slide begins.
    """
    text = document.text
    marks: dict[int, Heading | None] = dict.fromkeys((0, *breaks))
    marks |= {heading.start: heading for heading in document.headings}
    starts = sorted(marks)
    sections = []
    above: list[Heading] = []
    for start, end in pairwise([*starts, len(text)]):
        heading = marks[start]
        body = heading.end if heading else start
        has_text = not _blank(text, body, end)
        if heading:
            above = [outer for outer in above if outer.level < heading.level] + [heading]
        if heading or has_text:
            path = tuple(outer.title for outer in above if outer.title) if heading else ()
            level = heading.level if heading else 0
            sections.append(Section(start, body, end, level, path, has_text))
    return sections


def sections_within(text: str, sections: Iterable[Section], start: int, end: int) -> list[Section]:
    """The parts of the sections that are in `[start, end)`, with the headings they stand under."""
    return [
        _clipped(text, section, max(section.start, start), min(section.end, end))
        for section in sections
        if max(section.start, start) < min(section.end, end)
    ]


def group_sections(
    sections: list[Section], count: Callable[[int, int], int], target_tokens: int
) -> list[SectionGroup]:
    """The sections in groups, by the rules above. `count(start, end)` gives tokens."""
    groups = _with_bare_headings(_divided(sections))
    tiny = target_tokens // TINY_SHARE
    merged: list[SectionGroup] = []
    for group in groups:
        last = merged[-1] if merged else None
        if (
            last is not None
            and count(last.start, group.end) <= target_tokens
            and min(count(last.start, last.end), count(group.start, group.end)) < tiny
            and _are_relatives(last.path, group.path)
        ):
            merged[-1] = last + group
        else:
            merged.append(group)
    return merged


def shared_path(sections: tuple[Section, ...]) -> tuple[str, ...]:
    """The headings that all text of these sections stands under; without text, all their headings."""
    paths = [section.path for section in sections if section.has_text] or [s.path for s in sections]
    shared = paths[0]
    for path in paths[1:]:
        shared = _common(shared, path)
    return shared


def _clipped(text: str, section: Section, start: int, end: int) -> Section:
    if (start, end) == (section.start, section.end):
        return section
    body = min(max(section.body, start), end)
    return replace(section, start=start, body=body, end=end, has_text=not _blank(text, body, end))


def _divided(sections: list[Section]) -> list[SectionGroup]:
    runs: list[list[Section]] = []
    for section in sections:
        if runs and section.level > _DIVIDING_LEVEL:
            runs[-1].append(section)
        else:
            runs.append([section])
    return [SectionGroup(tuple(run)) for run in runs]


def _with_bare_headings(groups: list[SectionGroup]) -> list[SectionGroup]:
    joined: list[SectionGroup] = []
    bare: list[Section] = []
    for group in groups:
        if group.has_text:
            joined.append(SectionGroup((*bare, *group.sections)))
            bare = []
        else:
            bare.extend(group.sections)
    if bare:
        last = SectionGroup(tuple(bare))
        joined = [*joined[:-1], joined[-1] + last] if joined else [last]
    return joined


def _are_relatives(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two paths are siblings, or parent and child."""
    return len(_common(one, other)) >= max(len(one), len(other)) - 1


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return one[:length]


def _blank(text: str, start: int, end: int) -> bool:
    part = text[start:end]
    return not part or part.isspace()
