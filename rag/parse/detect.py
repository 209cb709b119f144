"""Which kind of file it is: content first, then the name, then the declared MIME type, then a sniff."""

import re

from rag.errors import UnreadableFileError, UnsupportedTypeError
from rag.parse.types import SUPPORTED, FileType

_BY_EXTENSION = {
    **dict.fromkeys(("txt", "text", "log", "asc"), FileType.TEXT),
    **dict.fromkeys(("md", "markdown", "mdown", "mkd", "mkdn"), FileType.MARKDOWN),
    **dict.fromkeys(("html", "htm", "xhtml"), FileType.HTML),
    "pdf": FileType.PDF,
}
_BY_MIME = {
    "text/plain": FileType.TEXT,
    "text/markdown": FileType.MARKDOWN,
    "text/x-markdown": FileType.MARKDOWN,
    "text/html": FileType.HTML,
    "application/xhtml+xml": FileType.HTML,
    "application/pdf": FileType.PDF,
    "application/x-pdf": FileType.PDF,
}
_REFUSED_EXTENSIONS = frozenset(
    # office and books
    "doc docx docm dot dotx xls xlsx xlsm xlsb ppt pptx pptm pps ppsx odt ods odp rtf pages numbers key "  # noqa: SIM905
    "epub mobi azw3 djvu ps eps "
    # records and mail: text, but not prose; their structure would be lost
    "csv tsv json jsonl ndjson xml eml msg mbox ics parquet avro sqlite db ipynb "
    # archives and programs
    "zip gz tgz bz2 xz zst 7z rar tar jar whl exe dll so dylib class pyc wasm bin iso dmg apk "
    # pictures, sound, film, fonts
    "png jpg jpeg gif bmp tif tiff webp heic ico svg psd mp3 wav flac ogg m4a mp4 mov avi mkv webm "
    "ttf otf woff woff2".split()
)
_REFUSED_MIMES = re.compile(
    r"(?:image|audio|video|font|message)/"
    r"|application/(?:vnd\.|msword|rtf|zip|gzip|x-tar|x-7z|json|xml|epub|postscript)"
    r"|text/(?:csv|tab-separated-values|xml|calendar|rtf)"
)
_SIGNATURES = (
    (b"PK\x03\x04", "a ZIP container (such as .docx, .xlsx, .pptx, .odt or .epub)"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file (.doc, .xls, .ppt) or an encrypted new one"),
    (b"{\\rtf", "an RTF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\x00", "a database"),
    (b"%!PS", "PostScript"),
    (b"OggS", "sound"),
    (b"ID3", "sound"),
)
_PDF_HEADER_WITHIN = 1024  # bytes; readers accept a PDF header that far into the file
_HTML_START = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--.{0,2000}?-->\s*)*"
    r"<(?:!doctype\s+html|html|head|body|script|style|title|meta|link|table|div|h1|p|a|b|br|font|iframe)[\s/>]",
    re.IGNORECASE | re.DOTALL,
)
_XML_START = re.compile(r"\s*<\?xml\s")


def detect(data: bytes, *, filename: str | None, mime_type: str | None) -> FileType | None:
    """The kind of file, or None when nothing but the decoded text can tell (see `sniff`).

    Raises:
        UnsupportedTypeError: The content, the name or the MIME type is of a kind that no parser reads.
        UnreadableFileError: It is called a PDF and is not one.
    """
    if data[:64].lstrip(b"\xef\xbb\xbf\x00\t\n\x0c\r ").startswith(b"%PDF-"):
        return FileType.PDF
    extension = _extension(filename)
    if extension in _REFUSED_EXTENSIONS:
        raise UnsupportedTypeError(f".{extension} files are not supported; {SUPPORTED}")
    _refuse_signature(data)
    claimed = _claimed(extension, _essence(mime_type))
    if claimed is FileType.PDF and b"%PDF-" not in data[:_PDF_HEADER_WITHIN]:
        raise UnreadableFileError(
            "the file is called a PDF but has no PDF header" if data else "the file is empty"
        )
    return claimed


def sniff(text: str) -> FileType:
    """HTML or plain text, from the first characters of a text whose name says nothing.

    Raises:
        UnsupportedTypeError: It is XML other than XHTML.
    """
    head = text[:4096]
    if _HTML_START.match(head):
        return FileType.HTML
    if _XML_START.match(head):
        raise UnsupportedTypeError(f"XML is not supported; {SUPPORTED}")
    return FileType.TEXT


def _refuse_signature(data: bytes) -> None:
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            raise UnsupportedTypeError(f"the file is {kind}; {SUPPORTED}")


def _claimed(extension: str, essence: str) -> FileType | None:
    if extension in _BY_EXTENSION:
        return _BY_EXTENSION[extension]
    if essence in _BY_MIME:
        return _BY_MIME[essence]
    if _REFUSED_MIMES.match(essence):
        raise UnsupportedTypeError(f"files of type {essence[:80]} are not supported; {SUPPORTED}")
    return None


def _extension(filename: str | None) -> str:
    name = re.split(r"[/\\]", filename or "")[-1].strip().rstrip(".")
    return name.rpartition(".")[2].lower() if "." in name else ""


def _essence(mime_type: str | None) -> str:
    """`text/html` of `Text/HTML; charset=utf-8`."""
    return (mime_type or "").partition(";")[0].strip().lower()
