"""Word documents, read from their XML (WordprocessingML, ISO/IEC 29500 part 1, clause 17).

The text is what a reader sees, in order: headings with their numbers, paragraphs, lists, tables, text boxes
behind the paragraph that they are anchored in, and behind it too its footnotes and comments. Deleted and
hidden text is left out. Each header and footer is written once, headers first and footers last, unless the
body says the same (as running heads do); page numbers are left out.

A table of one column that holds more than a list, or whose cells hold headings or long prose, is layout, and
is read as paragraphs. A table inside a cell is written behind the table around it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lxml import etree

from rag.documents import Heading, ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse.builder import DocumentBuilder
from rag.parse.docx_inline import Inline, Note, read_inline
from rag.parse.docx_margins import Margins
from rag.parse.docx_styles import Label, Numbering, Styles, paragraph_level, paragraph_numbering
from rag.parse.docx_tables import Row, is_layout, laid_out, read_rows
from rag.parse.drawing import chosen, write_chart, write_smart_art
from rag.parse.grid import write_table
from rag.parse.office_values import sensible_title
from rag.parse.ooxml import MC, M, Package, W
from rag.parse.titles import MAX_TITLE
from rag.parse.types import FileType

_TRANSPARENT = frozenset(
    W + name for name in ("sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag", "body")
)


def parse_docx(data: bytes) -> ParsedDocument:
    """A document of a Word file; its title is the paragraph in style Title, else the file's, else a heading.

    Raises:
        UnreadableFileError: It is damaged, encrypted or too large when unpacked, or holds no text.
    """
    package = Package.open(data)
    part = package.main_part("word/document.xml")
    damaged: list[str] = []
    root = package.xml(part, damaged=damaged)
    reader = _Reader(package, part, DocumentBuilder())
    reader.blocks(root)
    body = reader.builder.build(FileType.DOCX)
    builder = DocumentBuilder()
    margins = Margins(package, part, reader.styles, body.text)
    for text in margins.texts(root, "header"):
        builder.line(f"Header: {text}")
    builder.document(body, level=0)
    for text in margins.texts(root, "footer"):
        builder.line(f"Footer: {text}")
    if not builder.length:
        raise UnreadableFileError("the Word document holds no text")
    if damaged:
        reader.warnings.append("the document is damaged; some of it may be missing")
    title = reader.title or package.title() or _only_heading(body.headings)
    return builder.build(FileType.DOCX, title=title, warnings=list(dict.fromkeys(reader.warnings)))


@dataclass(slots=True)
class _Anchored:
    """What is to be written behind a paragraph or a table."""

    boxes: list[etree._Element] = field(default_factory=list)
    tables: list[etree._Element] = field(default_factory=list)
    parts: list[tuple[str, str]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def add(self, inline: Inline) -> None:
        self.boxes += inline.boxes
        self.parts += inline.parts
        self.notes += inline.notes


class _Reader:
    """Writes the blocks of a part of the document, with what is anchored in them."""

    def __init__(self, package: Package, part: str, builder: DocumentBuilder) -> None:
        self.builder = builder
        self.title: str | None = None
        self.warnings: list[str] = []
        self.package = package
        self.links = package.relationships(part)
        self.styles = Styles(self.linked("styles"))
        self._numbering = Numbering(self.linked("numbering"), self.styles)
        self._notes = {
            kind: _by_id(self.linked(f"{kind}s"), kind) for kind in ("footnote", "endnote", "comment")
        }
        self._written: set[Note] = set()
        self._counts: Counter[str] = Counter()  # of the notes of each kind

    def linked(self, kind: str) -> etree._Element | None:
        """The root of the first part of that kind, where it is usual if the document does not link to it."""
        targets = (link.target for link in self.links.values() if link.kind == kind)
        return self.package.optional_xml(next(targets, f"word/{kind}.xml"))

    def blocks(self, parent: etree._Element) -> None:
        for child in parent:
            tag = child.tag
            if tag == f"{W}p":
                self._paragraph(child)
            elif tag == f"{W}tbl":
                self._table(child)
            elif tag in _TRANSPARENT:
                self.blocks(child)
            elif tag == f"{MC}AlternateContent":
                branch = chosen(child)
                if branch is not None:
                    self.blocks(branch)
            elif tag == f"{M}oMathPara":
                self.builder.paragraph(self.inline_text(child, _Anchored()))
            elif tag == f"{W}altChunk":
                self.warnings.append("a document that is embedded in another format was left out")

    def inline_text(self, paragraph: etree._Element, anchored: _Anchored) -> str:
        inline = read_inline(paragraph, self.styles)
        anchored.add(inline)
        return inline.text.strip()

    def _paragraph(self, paragraph: etree._Element) -> None:
        anchored = _Anchored()
        name = _style_name(paragraph)
        style = self.styles.get(name)
        text = "" if style.is_hidden else self.inline_text(paragraph, anchored)
        label = self._label(paragraph, name)
        level = paragraph_level(paragraph, style)
        if style.is_title and self.title is None:
            self.title = sensible_title(text)
        numbered = f"{label.text} {text}".strip() if label is not None else text
        if level and text and len(numbered) <= MAX_TITLE:
            self.builder.heading(numbered, level)
        elif label is not None and (label.is_bullet or label.text):
            self.builder.item(text, depth=label.depth, marker="- " if label.is_bullet else f"{label.text} ")
        else:
            self.builder.paragraph(text)
        self._write_anchored(anchored)

    def _label(self, paragraph: etree._Element, style: str) -> Label | None:
        number, depth = paragraph_numbering(paragraph, self.styles.get(style))
        return self._numbering.label(number, depth, style) if number else None

    def _write_anchored(self, anchored: _Anchored) -> None:
        for table in anchored.tables:
            self._table(table)
        for box in anchored.boxes:
            self.blocks(box)
        for kind, name in anchored.parts:
            link = self.links.get(name)
            if link is not None and kind == "chart":
                write_chart(self.builder, self.package, link.target)
            elif link is not None:
                write_smart_art(self.builder, self.package, link.target)
        for note in anchored.notes:
            self._note(note)

    def _note(self, note: Note) -> None:
        element = self._notes[note.kind].get(note.name)
        if element is None or note in self._written:
            return
        self._written.add(note)
        self._counts[note.kind] += 1
        text = "\n".join(self._lines(element, _Anchored()))
        if not text:
            return
        if note.kind == "comment":
            author = element.get(f"{W}author", "").strip()
            self.builder.paragraph(f"Comment ({author}): {text}" if author else f"Comment: {text}")
        else:
            self.builder.paragraph(f"{note.kind.capitalize()} {self._counts[note.kind]}: {text}")

    def _lines(self, parent: etree._Element, anchored: _Anchored) -> list[str]:
        """The paragraphs of a cell or a note; tables in it are put aside."""
        lines = []
        for block in _paragraphs_and_tables(parent):
            if block.tag == f"{W}tbl":
                anchored.tables.append(block)
                continue
            name = _style_name(block)
            text = "" if self.styles.get(name).is_hidden else self.inline_text(block, anchored)
            label = self._label(block, name)
            mark = "" if label is None else "• " if label.is_bullet else f"{label.text} "
            if text:
                lines.append(mark.lstrip() + text)
        return lines

    def _table(self, table: etree._Element) -> None:
        rows = read_rows(table)
        if is_layout(rows, self._is_heading):
            for cell in (cell for row in rows for cell in row.cells if not cell.is_continued):
                self.blocks(cell.element)
            return
        anchored = _Anchored()
        texts = [self._row_texts(row, anchored) for row in rows]
        grid = laid_out(rows, texts)
        write_table(self.builder, grid.rows, merged=grid.merged, header_rows=grid.header_rows)
        self._write_anchored(anchored)

    def _row_texts(self, row: Row, anchored: _Anchored) -> list[str]:
        return ["\n".join(self._lines(cell.element, anchored)) for cell in row.cells]

    def _is_heading(self, paragraph: etree._Element) -> bool:
        return paragraph_level(paragraph, self.styles.get(_style_name(paragraph))) > 0


def _only_heading(headings: Sequence[Heading]) -> str | None:
    """The heading of level 1, if there is one alone; the first of several is a chapter's."""
    titles = [heading.title for heading in headings if heading.level == 1]
    return titles[0] if len(titles) == 1 else None


def _paragraphs_and_tables(parent: etree._Element) -> Iterator[etree._Element]:
    for child in parent:
        if child.tag in {f"{W}p", f"{W}tbl"}:
            yield child
        elif child.tag in _TRANSPARENT:
            yield from _paragraphs_and_tables(child)


def _style_name(paragraph: etree._Element) -> str:
    style = paragraph.find(f"{W}pPr/{W}pStyle")
    return style.get(f"{W}val", "") if style is not None else ""


def _by_id(root: etree._Element | None, kind: str) -> dict[str, etree._Element]:
    found = root.iterfind(W + kind) if root is not None else ()
    return {note.get(f"{W}id", ""): note for note in found if note.get(f"{W}type", "normal") == "normal"}
