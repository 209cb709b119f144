"""From a file's bytes, or a text, to a document."""

import re

from rag.documents import ParsedDocument
from rag.errors import InvalidInputError, UnreadableFileError
from rag.parse.decode import check_text, decode
from rag.parse.detect import detect, sniff
from rag.parse.html import parse_html
from rag.parse.markdown import parse_markdown
from rag.parse.pdf import MAX_PAGES, parse_pdf
from rag.parse.text import parse_plain
from rag.parse.types import FileType

_TEXT_PARSERS = {
    FileType.TEXT: parse_plain,
    FileType.MARKDOWN: parse_markdown,
    FileType.HTML: parse_html,
}
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE | re.ASCII)
_META_CHARSET = re.compile(
    rb"<(?:meta[^>]{0,200}?charset|\?xml[^>]{0,200}?encoding)\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE
)
_META_WITHIN = 4096  # bytes; the standard asks for the first 1024, pages are less careful


def parse(
    data: bytes, *, filename: str | None, mime_type: str | None, max_pages: int = MAX_PAGES
) -> ParsedDocument:
    r"""The document in a file. Its text holds no NUL, no lone surrogate and only `\n` line ends.

    Args:
        data: The file.
        filename: Its name or path, for the extension.
        mime_type: What the sender called it, parameters such as `charset` included.
        max_pages: PDFs with more pages are refused.

    Raises:
        UnsupportedTypeError: No parser reads this kind of file; the message says which kinds are read.
        UnreadableFileError: It is empty, broken, encrypted, not text, or holds no text.
        InvalidInputError: It is a PDF with more than `max_pages` pages.
    """
    if not data:
        raise UnreadableFileError("the file is empty")
    kind = detect(data, filename=filename, mime_type=mime_type)
    if kind is FileType.PDF:
        return parse_pdf(data, max_pages=max_pages)
    text = decode(data, declared=_declared(data, kind, mime_type))
    return _TEXT_PARSERS[kind or sniff(text)](text)


def parse_text(text: str, *, mime_type: str = FileType.TEXT) -> ParsedDocument:
    """The document of a text that came as a string: plain, Markdown or HTML.

    Raises:
        InvalidInputError: It is blank, holds a NUL or a lone surrogate, or `mime_type` is none of the three.
        UnreadableFileError: It is HTML that shows no text.
    """
    try:
        parser = _TEXT_PARSERS[FileType(mime_type)]
    except (ValueError, KeyError):
        kinds = ", ".join(_TEXT_PARSERS)
        raise InvalidInputError(f"a text is one of {kinds}, not {mime_type[:80]}") from None
    return parser(check_text(text))


def _declared(data: bytes, kind: FileType | None, mime_type: str | None) -> str | None:
    """The encoding that the sender or, in HTML and XML, the file itself names."""
    sent = _CHARSET.search(mime_type or "")
    if sent is not None:
        return sent[1]
    if kind not in {None, FileType.HTML}:
        return None
    written = _META_CHARSET.search(data[:_META_WITHIN])
    return written[1].decode("ascii") if written is not None else None
