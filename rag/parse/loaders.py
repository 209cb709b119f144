"""Parsers that need heavy libraries; each is imported when the first file of its kind comes.

A service that is asked for search alone never pays for them.
"""

# ruff: noqa: PLC0415 - imports inside functions are what this module is for

from rag.documents import ParsedDocument
from rag.parse.members import ReadFile


def load_pdf(data: bytes, *, max_pages: int | None, languages: str) -> ParsedDocument:
    from rag.parse.pdf import MAX_PAGES, parse_pdf

    return parse_pdf(data, max_pages=MAX_PAGES if max_pages is None else max_pages, languages=languages)


def load_eml(data: bytes, read: ReadFile) -> ParsedDocument:
    from rag.parse.eml import parse_eml

    return parse_eml(data, read)


def load_docx(data: bytes) -> ParsedDocument:
    from rag.parse.docx import parse_docx

    return parse_docx(data)


def load_pptx(data: bytes) -> ParsedDocument:
    from rag.parse.pptx import parse_pptx

    return parse_pptx(data)


def load_xlsx(data: bytes) -> ParsedDocument:
    from rag.parse.xlsx import parse_xlsx

    return parse_xlsx(data)


def load_odt(data: bytes) -> ParsedDocument:
    from rag.parse.odt import parse_odt

    return parse_odt(data)


def load_epub(data: bytes) -> ParsedDocument:
    from rag.parse.epub import parse_epub

    return parse_epub(data)


def load_image(data: bytes, *, languages: str) -> ParsedDocument:
    from rag.parse.image import parse_image

    return parse_image(data, languages=languages)


def load_rst(text: str) -> ParsedDocument:
    from rag.parse.rst import parse_rst

    return parse_rst(text)
