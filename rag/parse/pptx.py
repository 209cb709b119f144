"""PowerPoint decks, read from their XML (PresentationML, ISO/IEC 29500 part 1, clause 19).

Each slide is a page: its title as a heading, its shapes in the order in which a screen reader tells them
(groups opened), tables, the values of charts, SmartArt as a list; then the speaker's notes and the comments.
Slide numbers and dates that move are left out, footers are told once, hidden slides are left out.
"""

from collections.abc import Iterable, Iterator, Sequence

from lxml import etree

from rag.documents import ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse.builder import DocumentBuilder
from rag.parse.drawing import chosen, paragraph_text, shape_text, write_chart, write_smart_art
from rag.parse.grid import Area, write_table
from rag.parse.numerals import numeral
from rag.parse.office_values import integer, is_true, sensible_title, unescape
from rag.parse.ooxml import DGM, MC, A, C, P, Package, R, Relationship
from rag.parse.titles import MAX_TITLE
from rag.parse.types import FileType

_TITLES = frozenset({"title", "ctrTitle"})
_LISTS = frozenset({"obj", "body"})  # placeholders whose paragraphs have bullets unless they say otherwise
_REPEATED = frozenset({"dt", "ftr", "hdr", "sldNum"})  # placeholders that say the same on each slide
_MAX_SPAN = 1000  # rows or columns of one cell
_SHOWN = 10  # slide numbers named in a warning
_STYLES = {
    "alphaLc": "lowerLetter",
    "alphaUc": "upperLetter",
    "romanLc": "lowerRoman",
    "romanUc": "upperRoman",
}


def parse_pptx(data: bytes) -> ParsedDocument:
    """A document of a PowerPoint file; its title is that of the first slide, else the file's.

    Raises:
        UnreadableFileError: It is damaged, encrypted or too large when unpacked, or no slide holds text.
    """
    package = Package.open(data)
    part = package.main_part("ppt/presentation.xml")
    root = package.xml(part)
    links = package.relationships(part)
    deck = _Deck(package, _authors(package, links.values()))
    for number, slide in enumerate(root.iterfind(f"{P}sldIdLst/{P}sldId"), start=1):
        with deck.builder.page(number):
            deck.slide(number, links.get(slide.get(f"{R}id", "")))
    if not deck.builder.length:
        raise UnreadableFileError("the presentation holds no text")
    return deck.builder.build(
        FileType.PPTX, title=sensible_title(deck.title) or package.title(), warnings=deck.warnings()
    )


class _Deck:
    """Writes the slides of a presentation."""

    def __init__(self, package: Package, authors: dict[str, str]) -> None:
        self.builder = DocumentBuilder()
        self.title = ""
        self._package = package
        self._authors = authors
        self._repeated: set[str] = set()
        self._lost: list[int] = []
        self._damaged: list[int] = []
        self._hidden: list[int] = []

    def warnings(self) -> list[str]:
        told = (
            ("could not be read", self._lost),
            ("damaged: some of the text may be missing", self._damaged),
            ("hidden, and left out", self._hidden),
        )
        return [f"{what}: {_numbered(numbers)}" for what, numbers in told if numbers]

    def slide(self, number: int, link: Relationship | None) -> None:
        """Append a slide with its notes and comments; a broken one becomes a warning."""
        damaged: list[str] = []
        try:
            root = self._package.xml(link.target, damaged=damaged) if link is not None else None
        except UnreadableFileError:
            root = None
        if root is None or link is None:
            self._lost.append(number)
            return
        if not is_true(root.get("show"), default=True):
            self._hidden.append(number)
            return
        if damaged:
            self._damaged.append(number)
        links = self._package.relationships(link.target)
        _Slide(self._package, self.builder, links, self._repeated).write(root)
        if number == 1:
            self.title = next(
                (shape_text(shape) for shape in root.iter(f"{P}sp") if _kind(shape) in _TITLES), ""
            )
        for other in links.values():
            if other.kind == "notesSlide":
                self._notes(self._package.optional_xml(other.target))
            elif other.kind == "comments":
                self._comments(self._package.optional_xml(other.target))

    def _notes(self, root: etree._Element | None) -> None:
        shapes = root.iter(f"{P}sp") if root is not None else ()
        text = "\n".join(shape_text(shape) for shape in shapes if _kind(shape) == "body").strip()
        if text:
            self.builder.paragraph(f"Notes: {text}")

    def _comments(self, root: etree._Element | None) -> None:
        """Comments of a slide, in the old form (`<p:cm>`) or the new one, with their replies."""
        for comment in root.iter("{*}cm", "{*}reply") if root is not None else ():
            author = self._authors.get(comment.get("authorId", ""), "")
            old = comment.findtext(f"{P}text")
            body = comment.find("{*}txBody")
            text = unescape(old) if old is not None else shape_text(body) if body is not None else ""
            if text.strip():
                self.builder.paragraph(f"Comment ({author}): {text}" if author else f"Comment: {text}")


class _Slide:
    """Writes the shapes of one slide."""

    def __init__(
        self,
        package: Package,
        builder: DocumentBuilder,
        links: dict[str, Relationship],
        repeated: set[str],
    ) -> None:
        self._package = package
        self._builder = builder
        self._links = links
        self._repeated = repeated
        self._numbers: dict[int, int] = {}  # numbers reached by the levels of a numbered list

    def write(self, root: etree._Element) -> None:
        tree = root.find(f"{P}cSld/{P}spTree")
        shapes = list(_shapes(tree)) if tree is not None else []
        title = next((shape for shape in shapes if _kind(shape) in _TITLES and shape_text(shape)), None)
        if title is not None:
            self._title(shape_text(title))
        for shape in shapes:
            if shape is not title:
                self._shape(shape)

    def _title(self, text: str) -> None:
        if len(text) <= MAX_TITLE:
            self._builder.heading(text, 1)
        else:
            self._builder.paragraph(text)

    def _shape(self, shape: etree._Element) -> None:
        if shape.tag == f"{P}graphicFrame":
            self._frame(shape)
            return
        kind = _kind(shape)
        body = shape.find(f"{P}txBody")
        if body is None:
            return
        if kind in _REPEATED:
            text = shape_text(body)
            if text not in self._repeated:
                self._builder.paragraph(text)
            self._repeated.add(text)
        else:
            self._text(body, in_list=kind in _LISTS)

    def _text(self, body: etree._Element, *, in_list: bool) -> None:
        """The paragraphs of a text frame; `in_list` when they have bullets unless they say otherwise."""
        paragraphs = [(paragraph, paragraph_text(paragraph)) for paragraph in body.iterfind(f"{A}p")]
        several = sum(bool(text) for _, text in paragraphs) > 1
        self._numbers.clear()
        for paragraph, text in paragraphs:
            properties = paragraph.find(f"{A}pPr")
            depth = integer(properties.get("lvl"), most=8) if properties is not None else 0
            marker = self._marker(properties, depth) if text else None
            if marker is None and in_list and (several or depth) and not _has_no_bullet(properties):
                marker = "- "
            if marker is None:
                self._builder.paragraph(text)
            else:
                self._builder.item(text, depth=depth, marker=marker)

    def _marker(self, properties: etree._Element | None, depth: int) -> str | None:
        """The bullet or the number that the paragraph itself asks for."""
        numbering = properties.find(f"{A}buAutoNum") if properties is not None else None
        for deeper in [
            level for level in self._numbers if level > depth or (level == depth and numbering is None)
        ]:
            del self._numbers[deeper]
        if numbering is None:
            bullets = (f"{A}buChar", f"{A}buBlip")
            has_bullet = properties is not None and any(properties.find(tag) is not None for tag in bullets)
            return "- " if has_bullet else None
        start = integer(numbering.get("startAt"), 1)
        number = self._numbers[depth] = self._numbers.get(depth, start - 1) + 1
        kind = numbering.get("type", "arabicPeriod")
        style = next((style for name, style in _STYLES.items() if kind.startswith(name)), "decimal")
        return f"{numeral(number, style)}{')' if 'Paren' in kind else '.'} "

    def _frame(self, frame: etree._Element) -> None:
        """A table, a chart or SmartArt."""
        table = next(frame.iter(f"{A}tbl"), None)
        if table is not None:
            self._table(table)
        for element in frame.iter(f"{C}chart", f"{DGM}relIds"):
            name = element.get(f"{R}id") or element.get(f"{R}dm") or ""
            link = self._links.get(name)
            if link is not None and element.tag == f"{C}chart":
                write_chart(self._builder, self._package, link.target)
            elif link is not None:
                write_smart_art(self._builder, self._package, link.target)

    def _table(self, table: etree._Element) -> None:
        rows: list[list[str]] = []
        merged: list[Area] = []
        for top, row in enumerate(table.iterfind(f"{A}tr")):
            line: list[str] = []
            for left, cell in enumerate(row.iterfind(f"{A}tc")):
                is_covered = is_true(cell.get("hMerge")) or is_true(cell.get("vMerge"))
                line.append("" if is_covered else shape_text(cell))
                right = left + integer(cell.get("gridSpan"), 1, least=1, most=_MAX_SPAN)
                bottom = top + integer(cell.get("rowSpan"), 1, least=1, most=_MAX_SPAN)
                if right - left > 1 or bottom - top > 1:
                    merged.append(Area(top, left, bottom, right))
            rows.append(line)
        write_table(self._builder, rows, merged=merged)


def _shapes(tree: etree._Element) -> Iterator[etree._Element]:
    """The shapes that can hold text, those of groups too."""
    for child in tree:
        if child.tag in {f"{P}sp", f"{P}graphicFrame", f"{P}cxnSp"}:
            yield child
        elif child.tag == f"{P}grpSp":
            yield from _shapes(child)
        elif child.tag == f"{MC}AlternateContent":
            branch = chosen(child)
            if branch is not None:
                yield from _shapes(branch)


def _kind(shape: etree._Element) -> str:
    """The type of a placeholder; `""` for other shapes."""
    placeholder = shape.find(f"{P}nvSpPr/{P}nvPr/{P}ph")
    return placeholder.get("type", "obj") if placeholder is not None else ""


def _has_no_bullet(properties: etree._Element | None) -> bool:
    return properties is not None and properties.find(f"{A}buNone") is not None


def _authors(package: Package, links: Iterable[Relationship]) -> dict[str, str]:
    """Names of those who commented, by id."""
    authors = {}
    for link in links:
        root = package.optional_xml(link.target) if link.kind in {"commentAuthors", "authors"} else None
        for author in root.iter("{*}cmAuthor", "{*}author") if root is not None else ():
            authors[author.get("id", "")] = author.get("name", "")
    return authors


def _numbered(numbers: Sequence[int]) -> str:
    listed = ", ".join(map(str, numbers[:_SHOWN]))
    rest = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"slide{'s' if len(numbers) > 1 else ''} {listed}{rest}"
