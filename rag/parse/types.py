"""The kinds of file that Groundwork reads."""

from enum import StrEnum


class FileType(StrEnum):
    """A readable kind of file; the value is the MIME type that parsed documents carry.

    The values are IANA's, save for JSON Lines and reStructuredText, which are not registered there.
    """

    TEXT = "text/plain"
    MARKDOWN = "text/markdown"
    HTML = "text/html"
    PDF = "application/pdf"
    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    ODT = "application/vnd.oasis.opendocument.text"
    EPUB = "application/epub+zip"
    CSV = "text/csv"
    TSV = "text/tab-separated-values"
    JSON = "application/json"
    JSONL = "application/jsonl"
    RST = "text/x-rst"
    EML = "message/rfc822"
    ZIP = "application/zip"
    XML = "application/xml"
    PNG = "image/png"
    JPEG = "image/jpeg"
    TIFF = "image/tiff"
    WEBP = "image/webp"
    GIF = "image/gif"
    BMP = "image/bmp"


IMAGES = frozenset({FileType.PNG, FileType.JPEG, FileType.TIFF, FileType.WEBP, FileType.GIF, FileType.BMP})
SUPPORTED = (
    "PDF, Word (.docx), PowerPoint (.pptx), Excel (.xlsx), OpenDocument text (.odt), EPUB, HTML, XML, "
    "Markdown, reStructuredText, plain text, CSV, TSV, JSON, JSON Lines, e-mail (.eml), ZIP archives and "
    "images (PNG, JPEG, TIFF, WebP, GIF, BMP) are supported"
)
