"""A document's sections, and which of them share chunks.

Every heading begins a section. Headings of level 1 to 3 divide a document for good; deeper ones may stand in
the middle of a chunk. Two rules soften this:

- A heading without text of its own belongs to the section that follows it (the last ones of a document to the
  section before them), so that no chunk is only a heading.
- A tiny section (under a quarter of the target) is merged with its neighbour when the two fit into one chunk
  and are relatives: siblings, or a parent and its child.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rag.documents import ParsedDocument

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


def split_sections(document: ParsedDocument) -> list[Section]:
    """The document's sections in order; together they hold the whole text."""
    text, headings = document.text, document.headings
    first = headings[0].start if headings else len(text)
    preamble = Section(start=0, body=0, end=first, level=0, path=(), has_text=not _blank(text, 0, first))
    sections = [preamble] if preamble.has_text else []
    above: list[tuple[int, str]] = []
    ends = [heading.start for heading in headings[1:]] + [len(text)]
    for heading, end in zip(headings, ends, strict=False):  # without headings one end is left over
        while above and above[-1][0] >= heading.level:
            above.pop()
        above.append((heading.level, heading.title))
        sections.append(
            Section(
                start=heading.start,
                body=heading.end,
                end=end,
                level=heading.level,
                path=tuple(title for _, title in above if title),
                has_text=not _blank(text, heading.end, end),
            )
        )
    return sections


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
