"""Styles and numbering of Word documents (WordprocessingML, ISO/IEC 29500 part 1, 17.7 and 17.9).

Word stores the names of its own styles in English whatever its language, and a heading's rank as an outline
level too, so localised documents need no list of words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from rag.parse.numerals import numeral
from rag.parse.office_values import integer, is_on
from rag.parse.ooxml import W

_HEADING = re.compile(r"heading ?([1-9])", re.IGNORECASE)
_BODY_LEVEL = 9  # the outline level that means text
_LEVELS = 9
_PLACE = re.compile(r"%([1-9])")
_MAX_NUMBER = 1_000_000
_MAX_CHAIN = 20  # styles based on each other; Word allows about ten


@dataclass(frozen=True, slots=True)
class Style:
    """A paragraph or character style with what it inherits.

    Attributes:
        level: Heading level from 1; 0 for text.
        is_title: It is the document's title.
        is_hidden: Its text is not shown.
        numbering: Id of its list numbering; `""` without one.
        depth: List level from 0; None when the numbering tells it by the style's name.
    """

    level: int = 0
    is_title: bool = False
    is_hidden: bool = False
    numbering: str = ""
    depth: int | None = None


_PLAIN = Style()


class Styles:
    """The styles of a document, by id."""

    def __init__(self, root: etree._Element | None) -> None:
        found = root.iterfind(f"{W}style") if root is not None else ()
        self._elements = {style.get(f"{W}styleId", ""): style for style in found}
        self._styles: dict[str, Style] = {}

    def get(self, name: str | None) -> Style:
        """The style of that id; without such a style, what its id says (`Heading1`)."""
        name = name or ""
        if name not in self._styles:
            self._styles[name] = self._resolved(name) if name in self._elements else _named(name)
        return self._styles[name]

    def _resolved(self, name: str) -> Style:
        chain = list(self._chain(name))
        level = next((level for style in chain if (level := _outline_level(style)) is not None), None)
        numbers = [found for style in chain if (found := style.find(f"{W}pPr/{W}numPr")) is not None]
        hidden = [found for style in chain if (found := style.find(f"{W}rPr/{W}vanish")) is not None]
        names = [_value(style, "name") for style in chain]
        if level is None:
            level = next((named.level for called in names if (named := _named(called)).level), 0)
        return Style(
            level=level,
            is_title=any(called.lower() == "title" for called in names),
            is_hidden=bool(hidden) and is_on(hidden[0]),
            numbering=_value(numbers[0], "numId") if numbers else "",
            depth=_depth(numbers[0]) if numbers else None,
        )

    def _chain(self, name: str) -> Iterator[etree._Element]:
        """The style and those it is based on, nearest first."""
        seen: set[str] = set()
        while name in self._elements and name not in seen and len(seen) < _MAX_CHAIN:
            seen.add(name)
            yield self._elements[name]
            name = _value(self._elements[name], "basedOn")


@dataclass(frozen=True, slots=True)
class Label:
    """What stands before a list item or a numbered heading.

    Attributes:
        text: Such as `1.2`; `""` for bullets.
        is_bullet: It is a bullet.
        depth: List level from 0.
    """

    text: str
    is_bullet: bool
    depth: int


@dataclass(frozen=True, slots=True)
class _Level:
    style: str
    pattern: str
    start: int
    is_legal: bool


@dataclass(slots=True)
class _List:
    """Paragraphs that are counted together: the definition of their levels, and the numbers reached."""

    levels: dict[int, _Level]
    styles: dict[str, int]  # levels that belong to a paragraph style
    reached: dict[int, int] = field(default_factory=dict)


class Numbering:
    """Counts the items of a document's lists; ask for labels in document order."""

    def __init__(self, root: etree._Element | None, styles: Styles) -> None:
        self._lists: dict[str, _List] = {}
        self._links: dict[str, str] = {}  # lists that take their levels from a list style
        self._numbers: dict[str, tuple[str, dict[int, int]]] = {}  # id: list, and levels that start anew
        self._styles = styles
        for element in root if root is not None else ():
            if element.tag == f"{W}abstractNum":
                name = element.get(f"{W}abstractNumId", "")
                self._lists[name] = _list(element)
                self._links[name] = _value(element, "numStyleLink")
            elif element.tag == f"{W}num":
                self._numbers[element.get(f"{W}numId", "")] = (
                    _value(element, "abstractNumId"),
                    _starts(element),
                )

    def label(self, number: str, depth: int | None, style: str) -> Label | None:
        """The label of the next paragraph in a list; None when it is in none.

        Args:
            number: Id of its numbering.
            depth: List level from 0; None when the style tells it.
            style: Id of the paragraph's style.
        """
        name, starts = self._numbers.get(number, ("", {}))
        items = self._lists.get(self._linked(name))
        if items is None:
            return None
        depth = items.styles.get(style, 0) if depth is None else depth
        level = items.levels.get(depth)
        if level is None:
            return Label("", is_bullet=True, depth=depth)
        start = starts.pop(depth, None)  # counts only the first time
        known = items.reached.get(depth)
        items.reached[depth] = start if start is not None else level.start if known is None else known + 1
        for deeper in [other for other in items.reached if other > depth]:
            del items.reached[deeper]
        if level.style == "bullet":
            return Label("", is_bullet=True, depth=depth)
        return Label(_numbered(items, level), is_bullet=False, depth=depth)

    def _linked(self, name: str) -> str:
        style = self._links.get(name)
        return self._numbers.get(self._styles.get(style).numbering, (name, {}))[0] if style else name


def paragraph_numbering(paragraph: etree._Element, style: Style) -> tuple[str, int | None]:
    """The id of a paragraph's numbering, `""` without one, and its list level; its own before its style's."""
    own = paragraph.find(f"{W}pPr/{W}numPr")
    if own is None or own.find(f"{W}numId") is None:
        depth = _depth(own) if own is not None else None
        return style.numbering, style.depth if depth is None else depth
    return _value(own, "numId"), _depth(own) or 0


def paragraph_level(paragraph: etree._Element, style: Style) -> int:
    """The paragraph's heading level from 1, 0 for text; its own before its style's."""
    own = _outline_level(paragraph)
    return style.level if own is None else own


def _named(name: str) -> Style:
    found = _HEADING.fullmatch(name)
    return (
        Style(level=int(found[1]))
        if found is not None
        else Style(is_title=True)
        if name == "Title"
        else _PLAIN
    )


def _outline_level(element: etree._Element) -> int | None:
    found = element.find(f"{W}pPr/{W}outlineLvl")
    if found is None:
        return None
    level = integer(found.get(f"{W}val"), _BODY_LEVEL)
    return level + 1 if level < _BODY_LEVEL else 0


def _value(element: etree._Element, name: str) -> str:
    found = element.find(W + name)
    return found.get(f"{W}val", "") if found is not None else ""


def _depth(element: etree._Element) -> int | None:
    found = element.find(f"{W}ilvl")
    return integer(found.get(f"{W}val"), most=_LEVELS - 1) if found is not None else None


def _list(element: etree._Element) -> _List:
    levels, styles = {}, {}
    for level in element.iterfind(f"{W}lvl"):
        depth = integer(level.get(f"{W}ilvl"), most=_LEVELS - 1)
        levels[depth] = _Level(
            style=_value(level, "numFmt") or "decimal",
            pattern=_value(level, "lvlText"),
            start=integer(_value(level, "start"), 1, most=_MAX_NUMBER),
            is_legal=is_on(level.find(f"{W}isLgl")),
        )
        styles[_value(level, "pStyle")] = depth
    return _List(levels, styles)


def _starts(element: etree._Element) -> dict[int, int]:
    overrides = element.iterfind(f"{W}lvlOverride")
    return {
        integer(override.get(f"{W}ilvl"), most=_LEVELS - 1): integer(
            _value(override, "startOverride"), 1, most=_MAX_NUMBER
        )
        for override in overrides
        if override.find(f"{W}startOverride") is not None
    }


def _numbered(items: _List, level: _Level) -> str:
    """The level's pattern, such as `%1.%2`, with the numbers reached."""

    def number(found: re.Match[str]) -> str:
        depth = int(found[1]) - 1
        other = items.levels.get(depth)
        if other is None or other.style == "none":
            return ""
        return numeral(items.reached.get(depth, other.start), "decimal" if level.is_legal else other.style)

    return "" if level.style == "none" else _PLACE.sub(number, level.pattern).strip()
