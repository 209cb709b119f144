"""The kinds of file that Groundwork reads."""

from enum import StrEnum


class FileType(StrEnum):
    """A readable kind of file; the value is the MIME type that parsed documents carry."""

    TEXT = "text/plain"
    MARKDOWN = "text/markdown"
    HTML = "text/html"
    PDF = "application/pdf"


SUPPORTED = "PDF, HTML, Markdown and plain text are supported"
