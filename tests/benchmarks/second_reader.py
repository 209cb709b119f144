"""Reads files with libraries that the product doesn't read with, for `bench_ingest_documents`.

It says all the text that a file shows, and knows nothing of what ours leaves out on purpose. It runs in an
environment of its own (`second_reader_requirements.txt`). Arguments: the files. It answers with one line of
JSON for each: its `text` (null if it could not be read), its `formulas`, and in `repeats` the text of merged
cells, once for each cell that they cover beyond the first: a reader may say it again there, or not.

PDF: pypdf, and pdfminer.six for pages on which pypdf finds codes that it can't translate. DOCX: docx2python,
or python-docx where that breaks. PPTX: python-pptx. XLSX: Calamine. ODT: odfpy. HTML, XML and the chapters of
an EPUB: Beautiful Soup. Mail, CSV, ZIP and text: the standard library. What these libraries pass over (text
boxes of a workbook, comments on a slide) is taken from the XML as it stands there.
"""

import csv
import email
import email.policy
import io
import json
import logging
import posixpath
import re
import sys
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import unquote

from bs4 import BeautifulSoup  # type: ignore[import-not-found]  # not in the project's environment
from bs4.dammit import EncodingDetector  # type: ignore[import-not-found]
from docx import Document
from docx.table import Table
from docx2python import docx2python  # type: ignore[import-not-found]
from lxml import etree
from odf import teletype  # type: ignore[import-not-found]
from odf.opendocument import load  # type: ignore[import-not-found]
from pdfminer.high_level import extract_text  # type: ignore[import-not-found]
from pptx import Presentation
from pypdf import PdfReader  # type: ignore[import-not-found]
from python_calamine import CalamineWorkbook  # type: ignore[import-not-found]

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_BOMS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_UNSEEN = ["head", "script", "style", "noscript", "template", "svg", "button", "select", "textarea"]
_UNTRANSLATED = re.compile(r"[\x00-\x08\x0e-\x1f]")  # no text has these: they are numbers of glyphs
_GLYPH = re.compile(r"\(cid:\d+\)")  # how pdfminer.six writes one that the file gives no character for
# What docx2python puts around links, pictures and formulas.
_LINK = re.compile(r"</?a\b[^>]*>")
_PICTURE = re.compile(r"----Image alt text---->.*?<|----[^\n]*?media/[^\n]*?----", re.DOTALL)
_FORMULA = re.compile(r"<latex>(.*?)</latex>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reading:
    text: str
    formulas: str = ""
    repeats: str = ""


def read(name: str, data: bytes) -> Reading:
    """Raises KeyError if no reader is known for the name, and whatever the readers raise."""
    found = _READERS[PurePosixPath(name).suffix.lower()](data)
    return found if isinstance(found, Reading) else Reading(found)


def _pdf(data: bytes) -> str:
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted:
        reader.decrypt("")
    return "\n".join(_pdf_page(data, number, page.extract_text()) for number, page in enumerate(reader.pages))


def _pdf_page(data: bytes, number: int, text: str) -> str:
    if not _UNTRANSLATED.search(text):
        return text
    return _GLYPH.sub(" ", extract_text(io.BytesIO(data), page_numbers=[number]))


def _docx(data: bytes) -> Reading:
    shown = _as_shown(data)
    try:
        text, comments = _word(shown, merged=False)
        expanded, _ = _word(shown, merged=True)
    except KeyError:  # docx2python expects namespaces that a file need not declare
        return Reading("\n".join(_python_docx(shown)))
    formulas = " ".join(_FORMULA.findall(text))
    return Reading(f"{_FORMULA.sub(' ', text)}\n{comments}", formulas, _surplus(expanded, text))


def _as_shown(data: bytes) -> bytes:
    """A package without what Word doesn't show: second forms of a drawing, and text behind merged cells."""
    shown = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as package, zipfile.ZipFile(shown, "w") as copy:
        for name in package.namelist():
            content = package.read(name)
            if name.startswith("word/") and name.endswith(".xml"):
                tree = etree.fromstring(content)
                _drop_unseen(tree)
                content = etree.tostring(tree)
            copy.writestr(name, content)
    return shown.getvalue()


def _drop_unseen(tree: Any) -> None:
    for fallback in list(tree.iter(f"{_MC}Fallback")):
        fallback.getparent().remove(fallback)
    for merge in list(tree.iter(f"{_W}vMerge")):
        if merge.get(f"{_W}val") != "restart":
            for text in list(merge.getparent().getparent().iter(f"{_W}t")):
                text.text = ""


def _word(data: bytes, *, merged: bool) -> tuple[str, str]:
    """The text and the comments; with `merged`, a merged cell is said for every cell that it covers."""
    with docx2python(io.BytesIO(data), duplicate_merged_cells=merged) as document:
        comments = "\n".join(f"{author}: {text}" for _, author, _, text in document.comments)
        return _LINK.sub("", _PICTURE.sub("", document.text)), comments


def _python_docx(data: bytes) -> Iterator[str]:
    for block in Document(io.BytesIO(data)).iter_inner_content():
        if isinstance(block, Table):
            yield from (cell.text for row in block.rows for cell in row.cells)
        else:
            yield block.text


def _surplus(longer: str, text: str) -> str:
    """Lines that stand more often in `longer`."""
    return "\n".join((Counter(longer.splitlines()) - Counter(text.splitlines())).elements())


def _pptx(data: bytes) -> Reading:
    deck = Presentation(io.BytesIO(data))
    texts: list[str] = []
    repeats: list[str] = []
    for slide in deck.slides:
        for shape in _shapes(slide.shapes):
            texts += _shape(shape)
            repeats += _merged(shape)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            texts.append(slide.notes_slide.notes_text_frame.text)
        texts += _comments(deck, slide)
    return Reading("\n".join(texts), repeats="\n".join(repeats))


def _shapes(shapes: Iterable[Any]) -> Iterator[Any]:
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes)
        else:
            yield shape


def _shape(shape: Any) -> Iterator[str]:
    if shape.has_text_frame:
        yield shape.text_frame.text
    if shape.has_table:
        yield from (cell.text for row in shape.table.rows for cell in row.cells)
    if shape.has_chart:
        chart = shape.chart
        if chart.has_title and chart.chart_title.has_text_frame:
            yield chart.chart_title.text_frame.text
        yield "\n".join(_cells(chart.part.chart_workbook.xlsx_part.blob))


def _merged(shape: Any) -> Iterator[str]:
    if shape.has_table:
        for row in shape.table.rows:
            for cell in row.cells:
                if cell.is_merge_origin:
                    yield from [cell.text] * (cell.span_height * cell.span_width - 1)


def _comments(deck: Any, slide: Any) -> Iterator[str]:
    """The comments on a slide with their authors."""
    authors = {
        author.get("id"): author.get("name", "")
        for part in _related(deck.part, "/commentAuthors")
        for author in etree.fromstring(part).iter(f"{_P}cmAuthor")
    }
    for part in _related(slide.part, "/comments"):
        for comment in etree.fromstring(part).iter(f"{_P}cm"):
            yield f"{authors.get(comment.get('authorId'), '')}: {comment.findtext(f'{_P}text')}"


def _related(part: Any, kind: str) -> Iterator[bytes]:
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith(kind):
            yield relation.target_part.blob


def _xlsx(data: bytes) -> str:
    return "\n".join([*_cells(data, named=True), *_text_boxes(data)])


def _cells(data: bytes, *, named: bool = False) -> Iterator[str]:
    """Row by row, each sheet below its name if they are asked for."""
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    for name in workbook.sheet_names:
        if named:
            yield name
        for row in workbook.get_sheet_by_name(name).to_python():
            yield "\t".join(f"{cell:.15g}" if isinstance(cell, float) else str(cell) for cell in row)


def _text_boxes(data: bytes) -> Iterator[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        for name in package.namelist():
            if re.fullmatch(r"xl/drawings/drawing\d+\.xml", name):
                for paragraph in etree.fromstring(package.read(name)).iter(f"{_A}p"):
                    yield "".join(text.text or "" for text in paragraph.iter(f"{_A}t"))


def _odt(data: bytes) -> str:
    return str(teletype.extractText(load(io.BytesIO(data)).text))


def _html(data: bytes) -> Reading:
    soup = BeautifulSoup(_decoded(data, is_html=True), "html.parser")
    for element in soup(_UNSEEN):
        element.decompose()
    cells = soup.select("td[rowspan], td[colspan], th[rowspan], th[colspan]")
    repeats = [cell.get_text(" ") for cell in cells for _ in range(_span(cell) - 1)]
    return Reading(soup.get_text(" "), repeats="\n".join(repeats))


def _span(cell: Any) -> int:
    rows, columns = (re.match(r"\d{1,3}", cell.get(name, "")) for name in ("rowspan", "colspan"))
    return (int(rows[0]) if rows else 1) * (int(columns[0]) if columns else 1)


def _xml(data: bytes) -> str:
    return str(BeautifulSoup(data, "lxml-xml").get_text(" "))


def _epub(data: bytes) -> str:
    """The chapters in the order of the spine."""
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        container = BeautifulSoup(book.read("META-INF/container.xml"), "lxml-xml")
        package = container.find("rootfile")["full-path"]
        contents = BeautifulSoup(book.read(package), "lxml-xml")
        paths = {item["id"]: unquote(item["href"]) for item in contents("item")}
        chapters = [
            posixpath.join(posixpath.dirname(package), paths[item["idref"]]) for item in contents("itemref")
        ]
        return "\n".join(_html(book.read(chapter)).text for chapter in chapters)


def _eml(data: bytes) -> str:
    """The headers that mail programs show, the body (its plain form if it has two), the attachments."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    texts = [f"{name}: {message[name]}" for name in ("From", "To", "Cc", "Date", "Subject") if message[name]]
    body = message.get_body(("plain", "html"))
    if body is not None:
        texts.append(_part(cast("Any", body)))
    for part in message.iter_attachments():
        texts.append(part.get_filename() or "")
        if part.get_content_maintype() == "text":
            texts.append(_part(part))
    return "\n".join(texts)


def _part(part: Any) -> str:
    content = part.get_payload(decode=True)
    if part.get_content_subtype() == "html":
        return _html(content).text
    return str(content.decode(part.get_content_charset() or "utf-8", "replace"))


def _zip(data: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        return "\n".join(f"{name}\n{read(name, archive.read(name)).text}" for name in names)


def _csv(data: bytes) -> str:
    return "\n".join("\t".join(row) for row in csv.reader(io.StringIO(_decoded(data))))


def _decoded(data: bytes, *, is_html: bool = False) -> str:
    """By its byte order mark, what HTML declares, UTF-8, and if it is not that, Windows-1252."""
    for mark, encoding in _BOMS.items():
        if data.startswith(mark):
            return data.decode(encoding)
    if data[1::2].count(0) > len(data) / 4:
        return data.decode("utf-16-le")
    declared = EncodingDetector.find_declared_encoding(data, is_html=True) if is_html else None
    try:
        return data.decode(declared or "utf-8-sig")
    except (UnicodeDecodeError, LookupError):
        return data.decode("cp1252", "replace")


_READERS: dict[str, Callable[[bytes], str | Reading]] = {
    ".pdf": _pdf,
    ".docx": _docx,
    ".pptx": _pptx,
    ".xlsx": _xlsx,
    ".odt": _odt,
    ".html": _html,
    ".xml": _xml,
    ".epub": _epub,
    ".eml": _eml,
    ".zip": _zip,
    ".csv": _csv,
    ".md": _decoded,
    ".txt": _decoded,
}


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    for path in map(Path, sys.argv[1:]):
        try:
            answer: dict[str, str | None] = asdict(read(path.name, path.read_bytes()))
        except Exception as exc:  # noqa: BLE001  # eleven libraries, each with errors of its own
            print(f"{path.name}: {exc!r}", file=sys.stderr)
            answer = {"text": None, "formulas": "", "repeats": ""}
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
