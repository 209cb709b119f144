"""Plain text: stored as it is, without headings or title."""

from rag.documents import ParsedDocument
from rag.parse.types import FileType


def parse_plain(text: str) -> ParsedDocument:
    """A document of decoded plain text."""
    return ParsedDocument(text=text, mime_type=FileType.TEXT)
