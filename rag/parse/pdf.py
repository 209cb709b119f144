"""PDF by way of pdfium: the text layer, page by page, with headings and tables; pages without text by OCR.

pdfium is not thread-safe: one lock around all calls, and every handle is closed inside it. It runs no
scripts. Pages are drawn for OCR one by one, so that other threads get their turn while Tesseract reads.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import pypdfium2
from PIL import Image

from rag.documents import ParsedDocument
from rag.errors import InvalidInputError, UnreadableFileError, UnsupportedTypeError
from rag.parse.builder import PAGE_BREAK, DocumentBuilder
from rag.parse.ocr import DOTS_PER_INCH, ocr_layout
from rag.parse.page.headings import find_headings
from rag.parse.page.layout import Layout, PageTable
from rag.parse.page.lines import PageLines
from rag.parse.page.numbers import named_pages, were
from rag.parse.page.outline import OutlineEntry
from rag.parse.page.tables import find_tables
from rag.parse.page.text import PageText, is_unmapped, without_controls
from rag.parse.page.write import write_page
from rag.parse.pdf_layout import read_layout
from rag.parse.scan import MAX_PIXELS
from rag.parse.tesseract import DEFAULT_LANGUAGES, MISSING, ocr_available
from rag.parse.titles import tidy_title
from rag.parse.types import FileType

__all__ = ["MAX_OCR_PAGES", "MAX_PAGES", "PAGE_BREAK", "parse_pdf"]
MAX_PAGES = 5000
MAX_OCR_PAGES = 300  # at about 3 seconds a page, a quarter of an hour
_MAX_OUTLINE = 5000  # bookmarks
_ERR_PASSWORD = 4  # fpdfview.h: FPDF_ERR_PASSWORD, a password is needed or is wrong
_ERR_SECURITY = 5  # fpdfview.h: FPDF_ERR_SECURITY, unsupported security scheme
_pdfium: Any = pypdfium2  # an untyped package
_PDFIUM_LOCK = threading.Lock()
_FILE_NAME = re.compile(
    r"^Microsoft (?:Word|PowerPoint|Excel) - |^untitled|^(?:slide|page|document|scan)\W*\d*$"
    r"|\.(?:docx?|pptx?|xlsx?|pdf|indd|tex|dvi|qxd|rtf|txt|html?|jpe?g|png|tiff?)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Page:
    """A page; `layout` is None when pdfium could not read it.

    An unmapped one shows text in fonts that don't say which characters they show: it is read like a picture.
    """

    layout: Layout | None
    tables: tuple[PageTable, ...] = ()
    by_ocr: bool = False
    unmapped: bool = False

    @property
    def has_text(self) -> bool:
        return self.layout is not None and bool(without_controls(self.layout.text).strip())

    @property
    def is_picture(self) -> bool:
        """Whether something is drawn, but no text that could be read."""
        if self.layout is None or self.has_text:
            return False
        return self.unmapped or self.layout.drawing.has_path or bool(self.layout.drawing.images)

    @property
    def hides_text(self) -> bool:
        """Whether text is invisible without being the OCR of an image below it."""
        if self.layout is None:
            return False
        images = self.layout.drawing.images
        hidden = [line.box for line in self.layout.lines if line.hidden and line.box is not None]
        return any(not any(image.holds(box) for image in images) for box in hidden)


@dataclass(frozen=True, slots=True)
class _File:
    pages: list[_Page]
    title: str
    outline: list[OutlineEntry]


@dataclass(frozen=True, slots=True)
class _OcrResult:
    """Pages after OCR; `obstacle` says why some pictures were not read, if they weren't."""

    pages: list[_Page]
    obstacle: str = ""


def parse_pdf(
    data: bytes, *, max_pages: int = MAX_PAGES, ocr: bool = True, languages: str = DEFAULT_LANGUAGES
) -> ParsedDocument:
    """The document of a PDF; its `warnings` name pages that were read by OCR or could not be read.

    Args:
        data: The file.
        max_pages: Files with more pages are refused.
        ocr: Read pages without text by OCR, where Tesseract is installed; the first `MAX_OCR_PAGES` of them.
        languages: Tesseract's codes of the scans' languages, such as `eng+deu`.

    Raises:
        UnreadableFileError: It is broken, needs a password, or holds no text at all.
        InvalidInputError: It has more than `max_pages` pages.
    """
    with _PDFIUM_LOCK:
        file = _read(data, max_pages)
    read = _read_pictures(data, file.pages, languages) if ocr else _OcrResult(file.pages)
    document = _document(file, read)
    blank = {page.number for page in document.pages if page.start == page.end}
    if len(blank) == len(read.pages):
        raise UnreadableFileError(_no_text(read))
    return replace(document, warnings=_warnings(read, blank))


def parse_text_layer(data: bytes, *, max_pages: int = MAX_PAGES) -> ParsedDocument:
    """The document without what its pictures show: pages without text are empty, and no warning names them.

    Raises:
        UnreadableFileError: It is broken or needs a password.
        InvalidInputError: It has more than `max_pages` pages.
    """
    with _PDFIUM_LOCK:
        file = _read(data, max_pages)
    read = _OcrResult(file.pages)
    return replace(_document(file, read), warnings=_warnings(read, set()))


def draw_page(data: bytes, number: int) -> Image.Image | None:
    """Page `number`, counted from 1, in grey; None if it holds text, shows nothing, or can't be drawn."""
    with _PDFIUM_LOCK:
        try:
            with closing(_pdfium.PdfDocument(data)) as document:
                is_picture = _page(document, number - 1).is_picture
        except pypdfium2.PdfiumError:
            return None
        return _picture(data, number - 1) if is_picture else None


def _document(file: _File, read: _OcrResult) -> ParsedDocument:
    pages = read.pages
    tidy = PageText.of(page.layout.text for page in pages if page.layout is not None)
    found = find_headings([_lines_of(page) for page in pages], file.outline)
    builder = DocumentBuilder()
    for number, (page, headings) in enumerate(zip(pages, found, strict=True), start=1):
        with builder.page(number):
            if page.layout is not None:
                write_page(builder, page.layout, tidy, tables=page.tables, headings=headings)
    return builder.build(FileType.PDF, title=_sensible_title(file.title))


def _read(data: bytes, max_pages: int) -> _File:
    try:
        with closing(_pdfium.PdfDocument(data)) as document:
            count = len(document)
            if count > max_pages:
                raise InvalidInputError(f"the PDF has {count} pages; at most {max_pages} are read")
            pages = [_page(document, index) for index in range(count)]
            return _File(pages, _metadata_title(document), list(_outline(document)))
    except pypdfium2.PdfiumError as error:
        if error.err_code == _ERR_PASSWORD:
            raise UnreadableFileError("the PDF needs a password to open") from error
        if error.err_code == _ERR_SECURITY:
            raise UnreadableFileError("the PDF is encrypted in a way that is not supported") from error
        raise UnreadableFileError("the PDF is broken and cannot be opened") from error


def _page(document: Any, index: int) -> _Page:
    try:
        with closing(document[index]) as page:
            return _with_tables(read_layout(page))
    except pypdfium2.PdfiumError:
        return _Page(None)


def _with_tables(layout: Layout, *, by_ocr: bool = False) -> _Page:
    if is_unmapped(layout.text):
        return _Page(replace(layout, text="", lines=(), words=()), unmapped=True)
    return _Page(replace(layout, words=()), find_tables(layout), by_ocr)  # words take much memory


def _lines_of(page: _Page) -> PageLines:
    in_tables = frozenset(line for table in page.tables for line in table.lines)
    return PageLines(page.layout or Layout(""), in_tables)


def _metadata_title(document: Any) -> str:
    try:
        return str(document.get_metadata_value("Title"))
    except UnicodeDecodeError:  # half a surrogate pair
        return ""


def _outline(document: Any) -> Iterator[OutlineEntry]:
    try:
        for bookmark, _ in zip(document.get_toc(), range(_MAX_OUTLINE), strict=False):
            target = bookmark.get_dest()
            page = target.get_index() if target is not None else None
            yield OutlineEntry(bookmark.get_title(), page, bookmark.level)
    except (pypdfium2.PdfiumError, UnicodeDecodeError):  # what was read so far is good
        return


def _read_pictures(data: bytes, pages: list[_Page], languages: str) -> _OcrResult:
    """The pages, those without text read by OCR."""
    pictures = [index for index, page in enumerate(pages) if page.is_picture]
    if not pictures:
        return _OcrResult(pages)
    if not ocr_available():
        return _OcrResult(pages, MISSING)
    pages = list(pages)
    for index in pictures[:MAX_OCR_PAGES]:
        try:
            pages[index] = _read_picture(data, index, languages) or pages[index]
        except UnsupportedTypeError as error:  # no language data
            return _OcrResult(pages, str(error))
        except UnreadableFileError:  # this page only
            continue
    return _OcrResult(pages, _too_many(len(pictures)))


def _too_many(pictures: int) -> str:
    if pictures <= MAX_OCR_PAGES:
        return ""
    return f"at most {MAX_OCR_PAGES} pages of a file are read by OCR"


def _read_picture(data: bytes, index: int, languages: str) -> _Page | None:
    with _PDFIUM_LOCK:
        picture = _picture(data, index)
    return None if picture is None else _with_tables(ocr_layout(picture, languages=languages), by_ocr=True)


def _picture(data: bytes, index: int) -> Image.Image | None:
    """A page as it is shown, in grey; a very large one in fewer dots per inch."""
    try:
        with closing(_pdfium.PdfDocument(data)) as document, closing(document[index]) as page:
            width, height = page.get_size()
            scale = min(DOTS_PER_INCH / 72, (MAX_PIXELS / max(width * height, 1)) ** 0.5)
            with closing(page.render(scale=scale, grayscale=True)) as bitmap:
                picture: Image.Image = bitmap.to_pil().copy()  # the bitmap's memory goes with it
                return picture
    except pypdfium2.PdfiumError:
        return None


def _sensible_title(raw: str) -> str | None:
    """The metadata's title unless it is a file name, a placeholder or unreadable."""
    title = tidy_title(without_controls(raw))
    letters = sum(character.isalpha() for character in title)
    return title if letters > len(title) // 3 and not _FILE_NAME.search(title) else None


def _no_text(read: _OcrResult) -> str:
    if read.obstacle:
        return f"the PDF holds no text; scanned pages need OCR, and {read.obstacle}"
    if any(page.by_ocr for page in read.pages):
        return "the PDF holds no text, and OCR found none in its pictures"
    return "the PDF holds no text; scanned pages need OCR before they can be ingested"


def _warnings(read: _OcrResult, blank: set[int]) -> tuple[str, ...]:
    numbered = list(enumerate(read.pages, start=1))
    broken = [number for number, page in numbered if page.layout is None]
    by_ocr = [number for number, page in numbered if page.by_ocr and number not in blank]
    hiding = [number for number, page in numbered if page.hides_text]
    unread = [number for number, page in numbered if page.is_picture and not page.by_ocr]
    empty = [n for n in sorted(blank) if n not in broken and not (read.obstacle and n in unread)]
    warnings = []
    if broken:
        warnings.append(f"could not read {named_pages(broken)}")
    if by_ocr:
        warnings.append(f"{named_pages(by_ocr)} {were(by_ocr)} read by OCR")
    if read.obstacle and unread:
        warnings.append(f"no text on {named_pages(unread)}, only pictures: {read.obstacle}")
    if empty:
        warnings.append(f"no text on {named_pages(empty)}")
    if hiding:
        verb = "holds" if len(hiding) == 1 else "hold"
        warnings.append(f"{named_pages(hiding)} {verb} text that a reader of the page doesn't see")
    return tuple(warnings)
