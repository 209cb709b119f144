"""OpenDocument texts (ODF 1.3), read from their XML.

The text is what a reader sees, in order: headings with their numbers, paragraphs, lists, tables; behind a
paragraph its text boxes, the values of its charts, its footnotes and comments. Deleted and hidden text is
left out. Headers and footers are written once, headers first and footers last; page numbers are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from rag.documents import ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse.builder import DocumentBuilder
from rag.parse.grid import write_table
from rag.parse.odt_inline import OFFICE, Inline, author_of, read_inline
from rag.parse.odt_styles import STYLE, TEXT, Counter, Styles
from rag.parse.odt_tables import TABLE, is_layout, merged_areas, read_rows
from rag.parse.office_values import integer, is_true, sensible_title
from rag.parse.ooxml import DC, Package
from rag.parse.titles import MAX_TITLE
from rag.parse.types import FileType

_MATH = "{http://www.w3.org/1998/Math/MathML}"
_MANIFEST = "{urn:oasis:names:tc:opendocument:xmlns:manifest:1.0}"
_XML_ID = "{http://www.w3.org/XML/1998/namespace}id"
_LEFT_OUT = frozenset(
    {
        f"{TEXT}tracked-changes", f"{TEXT}index-title-template", f"{TEXT}table-of-content-source",
        f"{OFFICE}forms", f"{OFFICE}annotation", f"{TEXT}note-citation",
    }
)  # fmt: skip
_MIN_WORDS = 3  # fewer words beside a page number are "Page" or "Page of"


def parse_odt(data: bytes) -> ParsedDocument:
    """A document of an OpenDocument text; its title is the paragraph in style Title, else the file's.

    Raises:
        UnreadableFileError: It is damaged, encrypted or too large when unpacked, or holds no text.
    """
    package = Package.open(data)
    manifest = package.optional_xml("META-INF/manifest.xml")
    if manifest is not None and next(manifest.iter(f"{_MANIFEST}encryption-data"), None) is not None:
        raise UnreadableFileError("the file needs a password to open")
    damaged: list[str] = []
    content = package.xml("content.xml", damaged=damaged)
    styles = package.optional_xml("styles.xml")
    reader = _Reader(package, Styles(styles, content))
    margins = list(styles.iter(f"{STYLE}header", f"{STYLE}footer")) if styles is not None else []
    reader.margin([margin for margin in margins if margin.tag == f"{STYLE}header"], "Header")
    for body in content.iterfind(f"{OFFICE}body/{OFFICE}text"):
        reader.blocks(body)
    reader.margin([margin for margin in margins if margin.tag == f"{STYLE}footer"], "Footer")
    if not reader.builder.length:
        raise UnreadableFileError("the document holds no text")
    warnings = ["the document is damaged; some of it may be missing"] if damaged else []
    return reader.builder.build(FileType.ODT, title=reader.title or _meta_title(package), warnings=warnings)


def _meta_title(package: Package) -> str | None:
    meta = package.optional_xml("meta.xml")
    return sensible_title(meta.findtext(f".//{DC}title")) if meta is not None else None


@dataclass(slots=True)
class _Anchored:
    """What is to be written behind a paragraph or a table."""

    shapes: list[etree._Element] = field(default_factory=list)
    tables: list[etree._Element] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    notes: list[etree._Element] = field(default_factory=list)

    def add(self, inline: Inline) -> None:
        self.shapes += inline.shapes
        self.objects += inline.objects
        self.notes += inline.notes


class _Reader:
    """Writes the blocks of a document, with what is anchored in them."""

    def __init__(self, package: Package, styles: Styles) -> None:
        self.builder = DocumentBuilder()
        self.title: str | None = None
        self._package = package
        self._styles = styles
        self._outline = Counter(styles.outline)
        self._lists: dict[str, Counter] = {}  # by id of the list, and the last one under its style's name
        self._notes = 0

    def blocks(self, parent: etree._Element) -> None:
        for child in parent:
            tag = child.tag
            if tag == f"{TEXT}h":
                self._heading(child)
            elif tag == f"{TEXT}p":
                self._paragraph(child)
            elif tag == f"{TEXT}list":
                self._list(child, None, 0)
            elif tag == f"{TABLE}table":
                self._table(child)
            elif tag not in _LEFT_OUT and not _is_hidden(child):
                self.blocks(child)

    def margin(self, margins: list[etree._Element], name: str) -> None:
        """Append headers or footers, each text once."""
        texts: dict[str, None] = {}
        for margin in margins:
            pieces = (_margin_text(found, self._styles) for found in margin.iter(f"{TEXT}p", f"{TEXT}h"))
            texts[" | ".join(piece for piece in pieces if piece)] = None
        for text in filter(None, texts):
            self.builder.line(f"{name}: {text}")

    def _heading(self, heading: etree._Element) -> None:
        anchored = _Anchored()
        text = self._inline_text(heading, anchored)
        level = integer(heading.get(f"{TEXT}outline-level"), 1, least=1, most=10)
        is_numbered = bool(text) and not is_true(heading.get(f"{TEXT}is-list-header"))
        number = self._outline.next(level - 1) if is_numbered and level - 1 in self._styles.outline else ""
        if len(number + text) <= MAX_TITLE:
            self.builder.heading(number + text, level)
        else:
            self.builder.paragraph(number + text)
        self._write_anchored(anchored)

    def _paragraph(self, paragraph: etree._Element) -> None:
        anchored = _Anchored()
        text = self._inline_text(paragraph, anchored)
        if self.title is None and self._styles.is_title(paragraph.get(f"{TEXT}style-name")):
            self.title = sensible_title(text)
        self.builder.paragraph(text)
        self._write_anchored(anchored)

    def _inline_text(self, paragraph: etree._Element, anchored: _Anchored) -> str:
        inline = read_inline(paragraph, self._styles)
        anchored.add(inline)
        return inline.text

    def _list(self, element: etree._Element, outer: Counter | None, depth: int) -> None:
        counter = self._counter(element, outer, depth)
        for item in element:
            if item.tag not in {f"{TEXT}list-item", f"{TEXT}list-header"}:
                continue
            marker = ""
            if item.tag == f"{TEXT}list-item" and any(child.tag != f"{TEXT}list" for child in item):
                marker = counter.next(depth, item.get(f"{TEXT}start-value"))
            for child in item:
                if child.tag == f"{TEXT}list":
                    self._list(child, counter, depth + 1)
                elif child.tag == f"{TEXT}p":
                    anchored = _Anchored()
                    self.builder.item(self._inline_text(child, anchored), depth=depth, marker=marker)
                    self._write_anchored(anchored)
                    marker = "  "  # further paragraphs of the item
                elif child.tag == f"{TEXT}h":
                    self._heading(child)

    def _counter(self, element: etree._Element, outer: Counter | None, depth: int) -> Counter:
        """What numbers the list: a list in a list goes on with its own, one may continue another."""
        style = element.get(f"{TEXT}style-name", "")
        if outer is not None:
            return Counter(self._styles.levels(style), dict(outer.reached)) if style else outer
        continued = element.get(f"{TEXT}continue-list")
        if continued is None and is_true(element.get(f"{TEXT}continue-numbering")):
            continued = style
        counter = self._lists.get(continued or "") or Counter(self._styles.levels(style))
        self._lists[style] = self._lists[element.get(_XML_ID, style)] = counter
        return counter

    def _write_anchored(self, anchored: _Anchored) -> None:
        for table in anchored.tables:
            self._table(table)
        for shape in anchored.shapes:
            self.blocks(shape)
        for name in anchored.objects:
            self._object(name)
        for note in anchored.notes:
            self._note(note)

    def _object(self, folder: str) -> None:
        """An embedded chart is the table of its values, a formula its text."""
        root = self._package.optional_xml(f"{folder.removeprefix('./').rstrip('/')}/content.xml")
        if root is None:
            return
        for table in root.iterfind(f"{OFFICE}body/{OFFICE}chart//{TABLE}table"):
            self._table(table)
        if root.tag == f"{_MATH}math":
            self.builder.paragraph(
                root.findtext(f".//{_MATH}annotation") or " ".join(map(str, root.itertext()))
            )

    def _note(self, note: etree._Element) -> None:
        is_comment = note.tag == f"{OFFICE}annotation"
        body = note if is_comment else note.find(f"{TEXT}note-body")
        text = "\n".join(self._lines(body, _Anchored())) if body is not None else ""
        if not is_comment:
            self._notes += 1
            kind = note.get(f"{TEXT}note-class", "footnote").capitalize()
            self.builder.paragraph(f"{kind} {self._notes}: {text}" if text else "")
        elif text:
            author = author_of(note)
            self.builder.paragraph(f"Comment ({author}): {text}" if author else f"Comment: {text}")

    def _table(self, table: etree._Element) -> None:
        rows, header_rows = read_rows(table)
        if is_layout(rows):
            for element in (cell.element for row in rows for cell in row):
                if element is not None:
                    self.blocks(element)
            return
        anchored = _Anchored()
        texts = [[self._cell_text(cell.element, anchored) for cell in row] for row in rows]
        write_table(self.builder, texts, merged=merged_areas(rows), header_rows=header_rows or None)
        self._write_anchored(anchored)

    def _cell_text(self, cell: etree._Element | None, anchored: _Anchored) -> str:
        return "\n".join(self._lines(cell, anchored)) if cell is not None else ""

    def _lines(self, parent: etree._Element, anchored: _Anchored) -> list[str]:
        """The paragraphs of a cell or a note; tables in it are put aside."""
        lines = []
        for block in _paragraphs_and_tables(parent):
            if block.tag == f"{TABLE}table":
                anchored.tables.append(block)
            elif text := self._inline_text(block, anchored):
                mark = "• " if next(block.iterancestors(f"{TEXT}list-item"), None) is not None else ""
                lines.append(mark + text)
        return lines


def _paragraphs_and_tables(parent: etree._Element) -> Iterator[etree._Element]:
    for child in parent:
        if child.tag in {f"{TEXT}p", f"{TEXT}h", f"{TABLE}table"}:
            yield child
        elif child.tag not in _LEFT_OUT and not _is_hidden(child):
            yield from _paragraphs_and_tables(child)


def _is_hidden(element: etree._Element) -> bool:
    return element.get(f"{TEXT}display") == "none"


def _margin_text(paragraph: etree._Element, styles: Styles) -> str:
    inline = read_inline(paragraph, styles)
    words = inline.text.split()
    return "" if inline.has_page_number and len(words) < _MIN_WORDS else " ".join(words)
