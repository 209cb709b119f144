"""Reads the cells of an Excel workbook (SpreadsheetML, ISO/IEC 29500 part 1, clause 18) as they are shown.

Sheets are read as a stream, row by row, and only cells with content are kept: what a sheet claims to be its
size costs nothing. Formulas show the value that was stored when the file was saved.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite

from lxml import etree

from rag.errors import UnreadableFileError
from rag.parse.drawing import shape_text
from rag.parse.grid import MAX_COLUMNS, Area
from rag.parse.number_format import BUILT_IN, display
from rag.parse.office_values import integer, is_true, unescape
from rag.parse.ooxml import MC, Package, R, S, check_doctype

MAX_ROWS = 200_000  # rows with content, of all sheets
MAX_CELLS = 1_000_000  # cells with content; they take about 300 MB while they are read
_MAX_HEADERS = 1000  # tables and filters of one sheet
_LAST_ROW = 1_048_576  # Excel's
_RANGE = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})(?::\$?([A-Z]{1,3})\$?(\d{1,7}))?")
_REPLY = re.compile(r"^\[Threaded comment\].*?Comment:\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SheetPart:
    name: str
    part: str
    is_hidden: bool


@dataclass(slots=True)
class Sheet:
    """The cells of a sheet that show something, by row and column, both from 0.

    Attributes:
        cells: Their text.
        merged: Merged cells.
        headers: Header rows that the file itself tells: of its tables and filters.
        notes: Comments and text boxes, as paragraphs.
        is_cut: There are more cells than the limit allows.
        blank_formulas: Formulas without a stored value.
        last_row: The row that was read last.
    """

    cells: dict[int, dict[int, str]] = field(default_factory=dict)
    merged: list[Area] = field(default_factory=list)
    headers: list[Area] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_cut: bool = False
    blank_formulas: int = 0
    last_row: int = -1


class Workbook:
    """An open workbook; `sheet` reads one of its sheets.

    Raises:
        UnreadableFileError: It is no workbook, or damaged.
    """

    def __init__(self, data: bytes) -> None:
        self.package = Package.open(data)
        self._part = self.package.main_part("xl/workbook.xml")
        self._root = self.package.xml(self._part)
        settings = self._root.find(f"{S}workbookPr")
        self._from_1904 = settings is not None and is_true(settings.get("date1904"))
        self._strings = list(self._shared_strings())
        self._formats = _cell_formats(self.package.optional_xml(self._related("styles", "xl/styles.xml")))
        self._rows_left = MAX_ROWS
        self._cells_left = MAX_CELLS

    def sheets(self) -> list[SheetPart]:
        """The workbook's worksheets in the order of their tabs."""
        links = self.package.relationships(self._part)
        found = []
        for sheet in self._root.iterfind(f"{S}sheets/{S}sheet"):
            link = links.get(sheet.get(f"{R}id", ""))
            if link is not None and link.kind == "worksheet":
                is_hidden = sheet.get("state", "visible") != "visible"
                found.append(SheetPart(unescape(sheet.get("name", "")), link.target, is_hidden))
        return found

    def sheet(self, part: str) -> Sheet:
        """The cells of a sheet.

        Raises:
            UnreadableFileError: It is missing or damaged.
        """
        sheet = Sheet()
        for element in _elements(self.package, part, "row", "mergeCell", "autoFilter"):
            name = etree.QName(element).localname
            if name == "row":
                if min(self._rows_left, self._cells_left) <= 0:
                    sheet.is_cut = True
                    break
                self._read_row(element, sheet)
            elif (area := _area(element.get("ref"))) is not None:
                if name == "mergeCell":
                    sheet.merged.append(area)
                else:
                    sheet.headers.append(area)
        self._read_related(part, sheet)
        del sheet.headers[_MAX_HEADERS:]
        return sheet

    def _related(self, kind: str, usual: str) -> str:
        return self.package.related(self._part, kind) or usual

    def _shared_strings(self) -> Iterator[str]:
        part = self._related("sharedStrings", "xl/sharedStrings.xml")
        if self.package.has(part):
            for item in _elements(self.package, part, "si"):
                yield _rich_text(item)

    def _read_row(self, row: etree._Element, sheet: Sheet) -> None:
        number = integer(row.get("r"), sheet.last_row + 2, least=1, most=_LAST_ROW) - 1
        sheet.last_row = number
        cells: dict[int, str] = {}
        column = 0
        for cell in row:
            reference = cell.get("r")
            if reference is not None:
                column = _column(reference.rstrip("0123456789"))
            text = self._shown(cell, sheet)
            if text and 0 <= column < MAX_COLUMNS:
                cells[column] = text
            column += 1
        if cells:
            sheet.cells[number] = cells
            self._rows_left -= 1
            self._cells_left -= len(cells)

    def _shown(self, cell: etree._Element, sheet: Sheet) -> str:
        """What the cell shows."""
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            inline = cell.find("{*}is")
            return _rich_text(inline).strip() if inline is not None else ""
        raw = cell.findtext("{*}v")
        if not raw:
            sheet.blank_formulas += kind != "str" and cell.find("{*}f") is not None
            return ""
        if kind == "s":
            index = integer(raw, -1, least=-1, most=len(self._strings))
            return self._strings[index].strip() if 0 <= index < len(self._strings) else ""
        if kind == "b":
            return "TRUE" if raw.strip() == "1" else "FALSE"
        return self._number(raw, cell.get("s")) if kind == "n" else unescape(raw).strip()

    def _number(self, raw: str, style: str | None) -> str:
        try:
            value = float(raw)
        except ValueError:
            return raw.strip()
        index = integer(style)
        code = self._formats[index] if index < len(self._formats) else "General"
        return display(value, code, from_1904=self._from_1904) if isfinite(value) else raw.strip()

    def _read_related(self, part: str, sheet: Sheet) -> None:
        """Headers of tables, comments and text boxes, which are parts of their own."""
        links = sorted(self.package.relationships(part).values(), key=lambda link: link.kind, reverse=True)
        commented: set[str] = set()
        for link in links:  # threadedComment comes before comments, which repeat it for old versions of Excel
            root = self.package.optional_xml(link.target) if link.kind in _RELATED else None
            if root is None:
                continue
            if link.kind == "table":
                area = _area(root.get("ref"))
                if area is not None and root.get("headerRowCount", "1") != "0":
                    sheet.headers.append(area)
            elif link.kind == "drawing":
                sheet.notes += [shape_text(shape) for shape in root.iter("{*}sp") if not _is_fallback(shape)]
            else:
                sheet.notes += _comments(root, commented)


_RELATED = frozenset({"table", "drawing", "comments", "threadedComment"})


def _is_fallback(shape: etree._Element) -> bool:
    """Whether the shape only stands in for one that old versions don't know."""
    return next(shape.iterancestors(f"{MC}Fallback"), None) is not None


def _elements(package: Package, part: str, *names: str) -> Iterator[etree._Element]:
    """The elements of those names, one by one; each is forgotten when the next is asked for."""
    stream = package.stream(part)
    elements = etree.iterparse(
        stream, events=("end",), tag=[f"{{*}}{name}" for name in names],
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True,
    )  # fmt: skip
    is_checked = False
    try:
        for _, element in elements:
            if not is_checked:
                check_doctype(element)
                is_checked = True
            yield element
            element.clear()
            parent = element.getparent()
            while parent is not None and element.getprevious() is not None:
                del parent[0]
    except etree.XMLSyntaxError as error:
        raise UnreadableFileError("the file is damaged: a part of it is not valid XML") from error


def _rich_text(item: etree._Element) -> str:
    """The text of a string item, its runs joined, without the pronunciation of East Asian words."""
    return unescape("".join(found.text or "" for found in item.iterfind("{*}t"))) + "".join(
        unescape(run.findtext("{*}t") or "") for run in item.iterfind("{*}r")
    )


def _cell_formats(styles: etree._Element | None) -> list[str]:
    """The number format of each cell style."""
    if styles is None:
        return []
    own: Mapping[str | None, str] = {
        found.get("numFmtId"): found.get("formatCode", "General") for found in styles.iter(f"{S}numFmt")
    }
    identifiers = [found.get("numFmtId") for found in styles.iterfind(f"{S}cellXfs/{S}xf")]
    return [own.get(number) or BUILT_IN.get(integer(number), "General") for number in identifiers]


def _comments(root: etree._Element, seen: set[str]) -> list[str]:
    """Comments as paragraphs; cells in `seen` have theirs already, and those found here are added to it."""
    authors = [author.text or "" for author in root.iterfind("{*}authors/{*}author")]
    notes, found = [], set[str]()
    for comment in root.iter("{*}comment", "{*}threadedComment"):
        reference = comment.get("ref", "")
        if reference in seen:
            continue
        found.add(reference)
        index = integer(comment.get("authorId"), len(authors))
        author = f" ({authors[index]})" if index < len(authors) and authors[index] else ""
        text = "".join(unescape(piece.text or "") for piece in comment.iter("{*}t", "{*}text")).strip()
        if text:
            notes.append(f"Comment on {reference}{author}: {_REPLY.sub('', text)}")
    seen |= found
    return notes


def _area(reference: str | None) -> Area | None:
    """`B2:C4` as rows and columns from 0."""
    found = _RANGE.fullmatch(reference or "")
    if found is None:
        return None
    left, top, right, bottom = found.groups()
    return Area(int(top) - 1, _column(left), int(bottom or top), _column(right or left) + 1)


@lru_cache(maxsize=1024)
def _column(letters: str) -> int:
    """`A` is 0, `AA` is 26; -1 for anything else."""
    number = 0
    for letter in letters:
        if not "A" <= letter <= "Z":
            return -1
        number = 26 * number + ord(letter) - ord("A") + 1
        if number > MAX_COLUMNS:
            return MAX_COLUMNS
    return number - 1
