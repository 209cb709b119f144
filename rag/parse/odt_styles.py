"""Styles and lists of OpenDocument texts (ODF 1.3 part 3, clauses 16 and 17)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from rag.parse.numerals import numeral
from rag.parse.office_values import integer

TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_FORMATS = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_LEVEL_STYLES = frozenset(
    f"{TEXT}{kind}-level-style{form}"
    for kind, form in (("list", "-number"), ("list", "-bullet"), ("outline", ""))
)
_MAX_CHAIN = 20  # styles based on each other
_MAX_NUMBER = 1_000_000
_MAX_LEVELS = 10


@dataclass(frozen=True, slots=True)
class Level:
    """How a level of a list is marked.

    Attributes:
        form: Number format, as `numeral` knows it; `""` without number.
        before: What stands before the number.
        after: What stands after it.
        start: The first number.
        shown: How many levels the number shows: 2 for `1.2`.
        is_bullet: It has a bullet.
    """

    form: str = ""
    before: str = ""
    after: str = ""
    start: int = 1
    shown: int = 1
    is_bullet: bool = False


_BULLET = Level(is_bullet=True)


@dataclass(slots=True)
class Counter:
    """The numbers reached in a list, by level from 0."""

    levels: dict[int, Level]
    reached: dict[int, int] = field(default_factory=dict)

    def next(self, depth: int, start: str | None = None) -> str:
        """The mark of the next item at that depth: `- `, or its number and a blank, or `""`.

        Args:
            depth: Level from 0.
            start: The number that the item itself asks for.
        """
        level = self.levels.get(depth, _BULLET)
        known = self.reached.get(depth)
        default = level.start if known is None else known + 1
        self.reached[depth] = integer(start, default, most=_MAX_NUMBER)
        for deeper in [other for other in self.reached if other > depth]:
            del self.reached[deeper]
        if level.is_bullet:
            return "- "
        number = ".".join(self._numbers(depth, level)) if level.form else ""
        text = f"{level.before}{number}{level.after}".strip()
        return f"{text} " if text else ""

    def _numbers(self, depth: int, level: Level) -> Iterator[str]:
        for other in range(max(0, depth - level.shown + 1), depth + 1):
            above = self.levels.get(other, _BULLET)
            if above.form:
                yield numeral(self.reached.get(other, above.start), above.form)


class Styles:
    """The styles of a document, of `content.xml` and `styles.xml` together."""

    def __init__(self, *roots: etree._Element | None) -> None:
        self._styles: dict[tuple[str, str], etree._Element] = {}
        self._lists: dict[str, dict[int, Level]] = {}
        self.outline: dict[int, Level] = {}
        for root in roots:
            for style in root.iter(f"{STYLE}style") if root is not None else ():
                self._styles[style.get(f"{STYLE}family", ""), style.get(f"{STYLE}name", "")] = style
            for style in root.iter(f"{TEXT}list-style") if root is not None else ():
                self._lists[style.get(f"{STYLE}name", "")] = _levels(style)
            for style in root.iter(f"{TEXT}outline-style") if root is not None else ():
                self.outline = _levels(style)

    def levels(self, name: str) -> dict[int, Level]:
        """The levels of a list style; empty, which means bullets, when there is no such style."""
        return self._lists.get(name, {})

    def is_hidden(self, family: str, name: str | None) -> bool:
        """Whether text in that style is not shown."""
        for style in self._chain(family, name):
            properties = style.find(f"{STYLE}text-properties")
            display = properties.get(f"{TEXT}display") if properties is not None else None
            if display is not None:
                return display == "none"
        return False

    def is_title(self, name: str | None) -> bool:
        parents = (style.get(f"{STYLE}parent-style-name") for style in self._chain("paragraph", name))
        return name == "Title" or "Title" in parents

    def _chain(self, family: str, name: str | None) -> Iterator[etree._Element]:
        """The style and those it is based on, nearest first."""
        for _ in range(_MAX_CHAIN):
            style = self._styles.get((family, name or ""))
            if style is None:
                return
            yield style
            name = style.get(f"{STYLE}parent-style-name")


def _levels(style: etree._Element) -> dict[int, Level]:
    levels = {}
    for level in style:
        if level.tag in _LEVEL_STYLES:
            depth = integer(level.get(f"{TEXT}level"), 1, least=1, most=_MAX_LEVELS) - 1
            levels[depth] = _BULLET if str(level.tag).endswith("-bullet") else _numbered(level)
    return levels


def _numbered(level: etree._Element) -> Level:
    form = level.get(f"{STYLE}num-format", "")
    return Level(
        form=_FORMATS.get(form, "decimal") if form else "",
        before=level.get(f"{STYLE}num-prefix", ""),
        after=level.get(f"{STYLE}num-suffix", ""),
        start=integer(level.get(f"{TEXT}start-value"), 1, most=_MAX_NUMBER),
        shown=integer(level.get(f"{TEXT}display-levels"), 1, least=1, most=_MAX_LEVELS),
    )
