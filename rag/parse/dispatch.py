"""From a file's bytes, or a text, to a document."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from rag.documents import ParsedDocument
from rag.errors import InvalidInputError, UnreadableFileError
from rag.parse import loaders
from rag.parse.archive import UnpackBudget, parse_zip
from rag.parse.decode import check_text, decode
from rag.parse.delimited import parse_delimited
from rag.parse.detect import detect
from rag.parse.html import parse_html
from rag.parse.markdown import parse_markdown
from rag.parse.members import ReadFile
from rag.parse.records import parse_json, parse_json_lines
from rag.parse.sniff import is_xhtml, sniff
from rag.parse.tesseract import DEFAULT_LANGUAGES
from rag.parse.text import parse_plain
from rag.parse.types import IMAGES, FileType
from rag.parse.xml import parse_xml

_MAX_ARCHIVES = 2  # an archive in an archive; bombs nest deeper, people don't
_MAX_NESTING = 6  # of archives and messages: a chain of forwarded mail


def _parse_markup(text: str) -> ParsedDocument:
    return parse_html(text) if is_xhtml(text) else parse_xml(text)


_TEXT_PARSERS: dict[FileType, Callable[[str], ParsedDocument]] = {
    FileType.TEXT: parse_plain,
    FileType.MARKDOWN: parse_markdown,
    FileType.HTML: parse_html,
    FileType.CSV: parse_delimited,
    FileType.TSV: parse_delimited,
    FileType.JSON: parse_json,
    FileType.JSONL: parse_json_lines,
    FileType.RST: loaders.load_rst,
    FileType.XML: _parse_markup,
}
_PACKAGE_PARSERS: dict[FileType, Callable[[bytes], ParsedDocument]] = {  # of ZIP containers
    FileType.DOCX: loaders.load_docx,
    FileType.PPTX: loaders.load_pptx,
    FileType.XLSX: loaders.load_xlsx,
    FileType.ODT: loaders.load_odt,
    FileType.EPUB: loaders.load_epub,
}
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE | re.ASCII)
_META_CHARSET = re.compile(
    rb"<(?:meta[^>]{0,200}?charset|\?xml[^>]{0,200}?encoding)\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE
)
_META_WITHIN = 4096  # bytes; the standard asks for the first 1024, pages are less careful


def parse(
    data: bytes,
    *,
    filename: str | None,
    mime_type: str | None,
    max_pages: int | None = None,
    languages: str = DEFAULT_LANGUAGES,
) -> ParsedDocument:
    r"""The document in a file. Its text holds no NUL, no lone surrogate and only `\n` line ends.

    Args:
        data: The file.
        filename: Its name or path, for the extension.
        mime_type: What the sender called it, parameters such as `charset` included.
        max_pages: PDFs with more pages are refused; without a number, those with more than 5,000.
        languages: Of text in pictures, by Tesseract's codes, such as `eng+deu`.

    Raises:
        UnsupportedTypeError: No parser reads this kind of file; the message says which kinds are read.
        UnreadableFileError: It is empty, broken, encrypted, not text, or holds no text.
        InvalidInputError: It is a PDF with too many pages, or a picture too large to read.
    """
    return _Reader(max_pages, languages).parse(data, filename, mime_type)


def parse_text(text: str, *, mime_type: str = FileType.TEXT) -> ParsedDocument:
    """The document of a text that came as a string: plain, marked up, or records.

    Raises:
        InvalidInputError: It is blank, holds a NUL or a lone surrogate, or `mime_type` is of no kind of text.
        UnreadableFileError: It is broken, or shows no text.
    """
    try:
        parser = _TEXT_PARSERS[FileType(mime_type)]
    except (ValueError, KeyError):
        kinds = ", ".join(_TEXT_PARSERS)
        raise InvalidInputError(f"a text is one of {kinds}, not {mime_type[:80]}") from None
    return parser(check_text(text))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads a file and those inside it, under one budget.

    Attributes:
        max_pages: Most pages of a PDF; None for its parser's own limit.
        languages: Of text in pictures.
        budget: What all archives together may unpack to.
        archives: Archives around the file.
        nesting: Archives and messages around the file.
    """

    max_pages: int | None
    languages: str
    budget: UnpackBudget = field(default_factory=UnpackBudget)
    archives: int = 0
    nesting: int = 0

    def parse(self, data: bytes, filename: str | None, mime_type: str | None) -> ParsedDocument:
        if not data:
            raise UnreadableFileError("the file is empty")
        kind = detect(data, filename=filename, mime_type=mime_type)
        if kind is FileType.PDF:
            return loaders.load_pdf(data, max_pages=self.max_pages, languages=self.languages)
        if kind in IMAGES:
            return loaders.load_image(data, languages=self.languages)
        if kind in _PACKAGE_PARSERS:
            if self.archives:
                self.budget.take_package(data)
            return _PACKAGE_PARSERS[kind](data)
        if kind is FileType.ZIP:
            return self._archive(data)
        if kind is not FileType.EML:
            text = decode(data, declared=_declared(data, kind, mime_type))
            kind = kind or sniff(text)
            if kind is not FileType.EML:
                return _TEXT_PARSERS[kind](text)
        return loaders.load_eml(data, self._inside(archives=self.archives))

    def _archive(self, data: bytes) -> ParsedDocument:
        if self.archives == _MAX_ARCHIVES:
            raise UnreadableFileError(f"archives inside archives are read {_MAX_ARCHIVES} deep, no deeper")
        return parse_zip(data, self.budget, self._inside(archives=self.archives + 1))

    def _inside(self, *, archives: int) -> ReadFile:
        """What reads the files inside this one."""
        if self.nesting == _MAX_NESTING:
            raise UnreadableFileError(f"files inside files are read {_MAX_NESTING} deep, no deeper")
        return replace(self, archives=archives, nesting=self.nesting + 1).parse


def _declared(data: bytes, kind: FileType | None, mime_type: str | None) -> str | None:
    """The encoding that the sender or, in HTML and XML, the file itself names."""
    sent = _CHARSET.search(mime_type or "")
    if sent is not None:
        return sent[1]
    if kind not in {None, FileType.HTML, FileType.XML}:
        return None
    written = _META_CHARSET.search(data[:_META_WITHIN])
    return written[1].decode("ascii") if written is not None else None
