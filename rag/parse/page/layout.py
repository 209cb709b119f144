"""A page as it looks: its words and where they stand, how its lines are set, which rules are drawn.

PDF pages and scans that went through OCR both come in this shape, so that tables are found in both alike.
Coordinates are points, x to the right and y upwards as the page is shown. Offsets are those of the page's raw
text, whose line ends are CR LF (pdfium's).
"""

from collections.abc import Iterator
from dataclasses import dataclass

NEAR = 2.5  # points: rules this near are on one line, or meet
_BREAK = 1.0  # points between rules on one line that are still one


@dataclass(frozen=True, slots=True)
class Box:
    left: float
    bottom: float
    right: float
    top: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.top - self.bottom

    @property
    def centre(self) -> float:
        return (self.left + self.right) / 2

    @property
    def middle(self) -> float:
        return (self.bottom + self.top) / 2

    def holds(self, other: "Box") -> bool:
        """Whether the middle of `other` lies inside."""
        return self.left <= other.centre <= self.right and self.bottom <= other.middle <= self.top


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line at `at` (y of a horizontal one, x of a vertical one) from `start` to `end`."""

    at: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a page shows besides text.

    Attributes:
        horizontal: Rules from left to right; those that lie on one line and touch are one.
        vertical: Rules from bottom to top, likewise.
        images: Where there are images.
        has_path: Whether lines, curves or areas are drawn.
    """

    horizontal: tuple[Rule, ...] = ()
    vertical: tuple[Rule, ...] = ()
    images: tuple[Box, ...] = ()
    has_path: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """`text[start:end]`, without white space, on line `line` of the page's text."""

    text: str
    start: int
    end: int
    line: int
    box: Box


@dataclass(frozen=True, slots=True)
class Style:
    """How a line is set: its largest type size in points, and whether all of it is bold and of one size."""

    size: float
    bold: bool
    uniform: bool


@dataclass(frozen=True, slots=True)
class Line:
    """`text[start:end]`, one line of the page's raw text.

    `box` is None for a blank line, `style` also where nothing is known of it. Hidden text is drawn invisibly.
    """

    start: int
    end: int
    box: Box | None = None
    style: Style | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """One page.

    Attributes:
        text: The raw text.
        lines: The lines of `text`.
        words: All words in text order; empty when nothing hints at a table.
        drawing: What else the page shows.
    """

    text: str
    lines: tuple[Line, ...] = ()
    words: tuple[Word, ...] = ()
    drawing: Drawing = Drawing()


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table found on a page.

    Attributes:
        lines: The numbers of the text lines that it stands for, ascending.
        rows: Its cells, all rows of one length.
        header_rows: How many rows at the top are a header.
        caption: What stands in a cell as wide as the table at the top; may be empty.
    """

    lines: tuple[int, ...]
    rows: tuple[tuple[str, ...], ...]
    header_rows: int
    caption: str = ""


@dataclass(frozen=True, slots=True)
class PageHeading:
    """Lines `[first, last]` of a page are a heading; the level counts from 1 to 6."""

    first: int
    last: int
    level: int


def joined(rules: list[Rule]) -> list[Rule]:
    """Rules that lie on one line and touch, as one."""
    levels: list[list[Rule]] = []
    for rule in sorted(rules, key=lambda rule: rule.at):
        if levels and rule.at - levels[-1][-1].at <= NEAR and rule.at - levels[-1][0].at <= 2 * NEAR:
            levels[-1].append(rule)
        else:
            levels.append([rule])
    return [whole for level in levels for whole in _joined_level(level)]


def _joined_level(level: list[Rule]) -> Iterator[Rule]:
    at = sum(rule.at for rule in level) / len(level)
    first, *others = sorted(level, key=lambda rule: rule.start)
    start, end = first.start, first.end
    for rule in others:
        if rule.start > end + _BREAK:
            yield Rule(at, start, end)
            start, end = rule.start, rule.end
        end = max(end, rule.end)
    yield Rule(at, start, end)
