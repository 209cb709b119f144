"""PDF by way of pdfium: the text layer, page by page.

Pages are joined by `PAGE_BREAK`; each page's `PageSpan` leaves the break out. pdfium marks a hyphen at a
line end with U+FFFE and joins the lines: the word is put together, unless the document shows that the hyphen
belongs to it. Control characters (glyph numbers of fonts without a character map) become spaces.

pdfium is not thread-safe: one lock around all calls, and every handle is closed inside it.
"""

import re
import threading
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pypdfium2

from rag.documents import PageSpan, ParsedDocument
from rag.errors import InvalidInputError, UnreadableFileError
from rag.parse.titles import tidy_title
from rag.parse.types import FileType

MAX_PAGES = 5000
_ERR_PASSWORD = 4  # fpdfview.h: FPDF_ERR_PASSWORD, a password is needed or is wrong
_ERR_SECURITY = 5  # fpdfview.h: FPDF_ERR_SECURITY, unsupported security scheme
PAGE_BREAK = "\n\f"
_pdfium: Any = pypdfium2  # an untyped package
_PDFIUM_LOCK = threading.Lock()
_HYPHEN = "\ufffe"
_HYPHENATED = re.compile(r"(\w+)[\ufffe\xad\x02]\s?(\w+)")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff\ufffd]")
_HYPHENS = str.maketrans(dict.fromkeys("\xad\x02", "\ufffe"))
_WORD = re.compile(r"\w+(?:-\w+)?")
_MIN_HALF = 4  # letters; a shorter half is rarely a word of its own
_FILE_NAME = re.compile(
    r"^Microsoft (?:Word|PowerPoint|Excel) - |^untitled|^(?:slide|page|document|scan)\W*\d*$"
    r"|\.(?:docx?|pptx?|xlsx?|pdf|indd|tex|dvi|qxd|rtf|txt|html?|jpe?g|png|tiff?)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Extracted:
    pages: list[str | None]  # None: pdfium could not read the page
    title: str


def parse_pdf(data: bytes, *, max_pages: int = MAX_PAGES) -> ParsedDocument:
    """The document of a PDF's text layer; its `warnings` name pages that could not be read or hold no text.

    Raises:
        UnreadableFileError: It is broken, needs a password, or holds no text at all (a scan).
        InvalidInputError: It has more than `max_pages` pages.
    """
    with _PDFIUM_LOCK:
        extracted = _extract(data, max_pages)
    raw = [_normalise(page or "") for page in extracted.pages]
    hyphens = _Hyphens.of(raw)
    pages = [_tidy(hyphens.resolve(page)) for page in raw]
    if not any(pages):
        raise UnreadableFileError("the PDF holds no text; scanned pages need OCR before they can be ingested")
    spans, at = [], 0
    for number, page in enumerate(pages, start=1):
        spans.append(PageSpan(number=number, start=at, end=at + len(page)))
        at += len(page) + len(PAGE_BREAK)
    return ParsedDocument(
        text=PAGE_BREAK.join(pages),
        mime_type=FileType.PDF,
        title=_sensible_title(extracted.title),
        pages=tuple(spans),
        warnings=_warnings(extracted.pages, pages),
    )


def _extract(data: bytes, max_pages: int) -> _Extracted:
    try:
        with closing(_pdfium.PdfDocument(data)) as document:
            count = len(document)
            if count > max_pages:
                raise InvalidInputError(f"the PDF has {count} pages; at most {max_pages} are read")
            pages = [_page_text(document, index) for index in range(count)]
            title = _metadata_title(document)
    except pypdfium2.PdfiumError as error:
        if error.err_code == _ERR_PASSWORD:
            raise UnreadableFileError("the PDF needs a password to open") from error
        if error.err_code == _ERR_SECURITY:
            raise UnreadableFileError("the PDF is encrypted in a way that is not supported") from error
        raise UnreadableFileError("the PDF is broken and cannot be opened") from error
    return _Extracted(pages=pages, title=title)


def _metadata_title(document: Any) -> str:
    try:
        return str(document.get_metadata_value("Title"))
    except UnicodeDecodeError:  # half a surrogate pair
        return ""


def _page_text(document: Any, index: int) -> str | None:
    try:
        with closing(document[index]) as page, closing(page.get_textpage()) as text_page:
            return str(text_page.get_text_range())
    except pypdfium2.PdfiumError:
        return None


def _normalise(page: str) -> str:
    return page.replace("\r\n", "\n").replace("\r", "\n").translate(_HYPHENS)


def _tidy(page: str) -> str:
    text = _CONTROL.sub(" ", page.replace(_HYPHEN + "\n", "-\n"))
    return "" if text.isspace() else text.rstrip()


@dataclass(frozen=True, slots=True)
class _Hyphens:
    """What the rest of the document says about a word that was split at a line end."""

    words: frozenset[str]

    @classmethod
    def of(cls, pages: list[str]) -> "_Hyphens":
        if not any(_HYPHEN in page for page in pages):
            return cls(frozenset())
        whole = (_HYPHENATED.sub(" ", page) for page in pages)
        return cls(frozenset(word.lower() for page in whole for word in _WORD.findall(page)))

    def resolve(self, page: str) -> str:
        return _HYPHENATED.sub(self._joined, page) if _HYPHEN in page else page

    def _joined(self, found: re.Match[str]) -> str:
        left, right = found[1], found[2]
        joined, hyphenated = (left + right), f"{left}-{right}"
        if joined.lower() in self.words:
            return joined
        both_words = (
            min(len(left), len(right)) >= _MIN_HALF
            and left.lower() in self.words
            and right.lower() in self.words
        )
        keep = hyphenated.lower() in self.words or both_words or left[-1].isdigit() or right[0].isdigit()
        return hyphenated if keep else joined


def _sensible_title(raw: str) -> str | None:
    """The metadata's title unless it is a file name, a placeholder or unreadable."""
    title = tidy_title(_CONTROL.sub(" ", raw))
    letters = sum(character.isalpha() for character in title)
    return title if letters > len(title) // 3 and not _FILE_NAME.search(title) else None


def _warnings(read: list[str | None], pages: list[str]) -> tuple[str, ...]:
    broken = [number for number, page in enumerate(read, start=1) if page is None]
    blank = [
        n
        for n, (source, page) in enumerate(zip(read, pages, strict=True), start=1)
        if source is not None and not page
    ]
    warnings = []
    if broken:
        warnings.append(f"could not read {_numbered(broken)}")
    if blank:
        warnings.append(f"no text on {_numbered(blank)}")
    return tuple(warnings)


def _numbered(numbers: list[int], shown: int = 10) -> str:
    listed = ", ".join(map(str, numbers[:shown]))
    rest = f" and {len(numbers) - shown} more" if len(numbers) > shown else ""
    return f"page{'s' if len(numbers) > 1 else ''} {listed}{rest}"
