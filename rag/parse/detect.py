"""Which kind of file it is: content first, then the name, then the declared MIME type.

What is left is text whose name says nothing: `rag.parse.sniff` looks at the text itself.
"""

import re

from rag.errors import UnreadableFileError, UnsupportedTypeError
from rag.parse.signatures import recognise
from rag.parse.types import SUPPORTED, FileType

_BY_EXTENSION = {
    **dict.fromkeys(("txt", "text", "log", "asc"), FileType.TEXT),
    **dict.fromkeys(("md", "markdown", "mdown", "mkd", "mkdn"), FileType.MARKDOWN),
    **dict.fromkeys(("html", "htm", "xhtml"), FileType.HTML),
    **dict.fromkeys(("docx", "docm", "dotx", "dotm"), FileType.DOCX),
    **dict.fromkeys(("pptx", "pptm", "ppsx", "ppsm", "potx", "potm"), FileType.PPTX),
    **dict.fromkeys(("xlsx", "xlsm", "xltx", "xltm"), FileType.XLSX),
    **dict.fromkeys(("odt", "ott"), FileType.ODT),
    **dict.fromkeys(("tsv", "tab"), FileType.TSV),
    **dict.fromkeys(("jsonl", "ndjson"), FileType.JSONL),
    **dict.fromkeys(("rst", "rest"), FileType.RST),
    **dict.fromkeys(("xml", "jats", "nxml"), FileType.XML),
    **dict.fromkeys(("json", "geojson"), FileType.JSON),
    **dict.fromkeys(("jpg", "jpeg", "jpe"), FileType.JPEG),
    **dict.fromkeys(("tif", "tiff"), FileType.TIFF),
    "pdf": FileType.PDF,
    "epub": FileType.EPUB,
    "csv": FileType.CSV,
    "eml": FileType.EML,
    "zip": FileType.ZIP,
    "png": FileType.PNG,
    "webp": FileType.WEBP,
    "gif": FileType.GIF,
    "bmp": FileType.BMP,
}
_BY_MIME = {
    **{kind.value: kind for kind in FileType},
    "text/x-markdown": FileType.MARKDOWN,
    "application/xhtml+xml": FileType.HTML,
    "application/x-pdf": FileType.PDF,
    "application/csv": FileType.CSV,
    "text/json": FileType.JSON,
    "application/x-ndjson": FileType.JSONL,
    "application/ndjson": FileType.JSONL,
    "application/x-jsonlines": FileType.JSONL,
    "text/prs.fallenstein.rst": FileType.RST,
    "text/xml": FileType.XML,
    "application/x-zip-compressed": FileType.ZIP,
    "image/jpg": FileType.JPEG,
    "image/x-ms-bmp": FileType.BMP,
}
_BINARY = {  # told by their content; these words name one that isn't
    FileType.PDF: "a PDF",
    FileType.DOCX: "a Word document",
    FileType.PPTX: "a PowerPoint presentation",
    FileType.XLSX: "an Excel workbook",
    FileType.ODT: "an OpenDocument text",
    FileType.EPUB: "an EPUB book",
    FileType.ZIP: "a ZIP archive",
    FileType.PNG: "a PNG image",
    FileType.JPEG: "a JPEG image",
    FileType.TIFF: "a TIFF image",
    FileType.WEBP: "a WebP image",
    FileType.GIF: "a GIF image",
    FileType.BMP: "a BMP image",
}
_ZIPPED = frozenset({FileType.DOCX, FileType.PPTX, FileType.XLSX, FileType.ODT, FileType.EPUB})
_INSTEAD = {  # what to do with a kind that is not read
    **dict.fromkeys(("doc", "dot", "rtf", "wpd"), "save it as .docx"),
    **dict.fromkeys(("xls", "xlsb", "ods"), "save it as .xlsx"),
    **dict.fromkeys(("ppt", "pps", "odp"), "save it as .pptx"),
    **dict.fromkeys(("pages", "numbers", "key", "ps", "eps", "xps", "vsdx", "djvu"), "save it as PDF"),
    **dict.fromkeys(("msg", "mbox"), "save each message as .eml"),
    **dict.fromkeys(("mobi", "azw", "azw3"), "convert it to EPUB"),
    **dict.fromkeys(("gz", "tgz", "bz2", "xz", "zst", "7z", "rar", "tar"), "pack it as .zip"),
    **dict.fromkeys(("heic", "heif", "avif", "psd", "ico"), "save it as PNG or JPEG"),
    **dict.fromkeys(("sqlite", "db", "parquet", "avro"), "export it as CSV"),
}
_REFUSED_EXTENSIONS = frozenset(
    "odg ics ipynb jar whl apk exe dll so dylib class pyc wasm bin iso dmg msi "  # noqa: SIM905
    "svg mp3 wav flac ogg m4a mp4 mov avi mkv webm ttf otf woff woff2".split()
)
_REFUSED_MIMES = re.compile(
    r"(?:image|audio|video|font|message)/"
    r"|application/(?:vnd\.|msword|rtf|gzip|x-tar|x-7z|postscript|x-mobipocket|java-archive)"
    r"|text/(?:calendar|rtf)"
)
_PDF_HEADER_WITHIN = 1024  # bytes; readers accept a PDF header that far into the file


def detect(data: bytes, *, filename: str | None, mime_type: str | None) -> FileType | None:
    """The kind of file, or None when nothing but the decoded text can tell (see `rag.parse.sniff`).

    Raises:
        UnsupportedTypeError: The content, the name or the MIME type is of a kind that no parser reads.
        UnreadableFileError: It needs a password, or is called by the name of a kind that it is not.
    """
    extension = _extension(filename)
    found = recognise(data)
    if found is FileType.ZIP:
        return _archive_or_broken(extension)
    if found is not None:
        return found
    _refuse_extension(extension)
    claimed = _claimed(extension, _essence(mime_type))
    if claimed is FileType.PDF and b"%PDF-" in data[:_PDF_HEADER_WITHIN]:
        return claimed
    if claimed in _BINARY:
        raise UnreadableFileError(
            f"the file is called {_BINARY[claimed]} but is not one" if data else "the file is empty"
        )
    return claimed


def check_kind(filename: str | None, mime_type: str | None) -> None:
    """Refuse a file unseen: its name or, where that says nothing, its MIME type is of no kind that is read.

    Raises:
        UnsupportedTypeError: No parser reads this kind.
    """
    extension = _extension(filename)
    if extension != "bin":  # anything may be in it
        _refuse_extension(extension)
    _claimed(extension, _essence(mime_type))


def _archive_or_broken(extension: str) -> FileType:
    """A ZIP archive, or what its name says: then its parser finds out what is missing."""
    named = _BY_EXTENSION.get(extension)
    if named in _ZIPPED:
        return named
    if extension != "bin":
        _refuse_extension(extension)
    return FileType.ZIP


def _refuse_extension(extension: str) -> None:
    if extension in _INSTEAD:
        raise UnsupportedTypeError(
            f".{extension} files are not supported; {_INSTEAD[extension]}; {SUPPORTED}"
        )
    if extension in _REFUSED_EXTENSIONS:
        raise UnsupportedTypeError(f".{extension} files are not supported; {SUPPORTED}")


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
