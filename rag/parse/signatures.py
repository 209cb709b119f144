"""What the first bytes of a file say about its kind, and what ZIP containers hold.

ZIP is the wrapping of many formats, so its directory is looked into. OLE files are Office's old formats, or a
wrapping around encrypted new ones: the names in their directory tell.
"""

import io
import lzma
import re
import struct
import zipfile
import zlib

from rag.errors import UnreadableFileError, UnsupportedTypeError
from rag.parse.types import SUPPORTED, FileType

ZIP_DAMAGE = (  # what zipfile and its decompressors raise for hostile bytes
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    EOFError, OSError, OverflowError, RuntimeError, ValueError,
)  # fmt: skip
_PICTURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), FileType.PNG),
    (re.compile(rb"\xff\xd8\xff"), FileType.JPEG),
    (re.compile(rb"GIF8[79]a"), FileType.GIF),
    (re.compile(rb"II\*\x00|MM\x00\*"), FileType.TIFF),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), FileType.WEBP),
    # Text may begin with BM: the reserved bytes are zero, and the second header has one of a few lengths.
    (
        re.compile(rb"BM.{4}\x00{4}.{4}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00", re.DOTALL),
        FileType.BMP,
    ),
)
_REFUSED = (
    (re.compile(rb"\{\\rtf"), "an RTF document; save it as .docx"),
    (re.compile(rb"\x1f\x8b"), "a gzip archive; unpack it first"),
    (re.compile(rb"BZh[1-9]\x31\x41\x59"), "a bzip2 archive; unpack it first"),
    (re.compile(rb"\xfd7zXZ\x00"), "an xz archive; unpack it first"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "a 7-Zip archive; pack it as .zip"),
    (re.compile(rb"Rar!\x1a\x07"), "a RAR archive; pack it as .zip"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "a Zstandard archive; unpack it first"),
    (re.compile(rb"....ftyp(?:hei[cxms]|mif1|avif)", re.DOTALL), "a HEIC picture; save it as JPEG"),
    (re.compile(rb"....ftyp", re.DOTALL), "sound or film"),
    (re.compile(rb"RIFF....(?:WAVE|AVI )", re.DOTALL), "sound or film"),
    (re.compile(rb"OggS\x00|ID3[\x02-\x04]|fLaC|\x1aE\xdf\xa3"), "sound or film"),
    (re.compile(rb"\x7fELF|MZ[\x90\x00]\x00"), "a program"),
    (re.compile(rb"SQLite format 3\x00"), "a database; export its tables as CSV"),
    (re.compile(rb"%!PS"), "PostScript; save it as PDF"),
)  # fmt: skip
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = (  # the name of a stream that only files of this kind have
    ("WordDocument", "an old Word document (.doc); save it as .docx"),
    ("Workbook", "an old Excel workbook (.xls); save it as .xlsx"),
    ("Book", "an old Excel workbook (.xls); save it as .xlsx"),
    ("PowerPoint Document", "an old PowerPoint presentation (.ppt); save it as .pptx"),
    ("__properties_version1.0", "an Outlook message (.msg); save it as .eml"),
)
_OLE_ENTRY = 128  # bytes of a directory entry, which begins with its name in UTF-16 (MS-CFB 2.6.1)
_OPEN_DOCUMENTS = {
    "application/vnd.oasis.opendocument.text": FileType.ODT,
    "application/vnd.oasis.opendocument.text-template": FileType.ODT,
    "application/epub+zip": FileType.EPUB,
}
_OPEN_DOCUMENT = re.compile(r"application/vnd\.oasis\.opendocument\.([a-z]{1,20})")
_OFFICE_PARTS = (("word/", FileType.DOCX), ("ppt/", FileType.PPTX), ("xl/", FileType.XLSX))
_MIMETYPE_LENGTH = 100  # bytes; the longest of the types above has 48


def recognise(data: bytes) -> FileType | None:
    """The kind that the bytes themselves tell, or None: text has no signature.

    Raises:
        UnsupportedTypeError: It is of a kind that no parser reads.
        UnreadableFileError: It is an Office file that needs a password.
    """
    if data[:64].lstrip(b"\xef\xbb\xbf\x00\t\n\x0c\r ").startswith(b"%PDF-"):
        return FileType.PDF
    if data.startswith(_ZIP):
        return _in_zip(data)
    if data.startswith(_OLE):
        _refuse_ole(data)
    for signature, kind in _PICTURES:
        if signature.match(data):
            return kind
    for signature, description in _REFUSED:
        if signature.match(data):
            raise UnsupportedTypeError(f"the file is {description}; {SUPPORTED}")
    return None


def _in_zip(data: bytes) -> FileType:
    """What a ZIP container is; one that cannot be opened is just an archive, and its parser says so."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = {name.replace("\\", "/").lstrip("/").lower() for name in archive.namelist()}
            declared = _mimetype(archive)
    except ZIP_DAMAGE:
        return FileType.ZIP
    if declared in _OPEN_DOCUMENTS:
        return _OPEN_DOCUMENTS[declared]
    other = _OPEN_DOCUMENT.match(declared)
    if other is not None:
        raise UnsupportedTypeError(f"the file is an OpenDocument {other[1]}; save it as PDF; {SUPPORTED}")
    if "[content_types].xml" in names:
        return _in_office_package(names)
    return FileType.EPUB if "meta-inf/container.xml" in names else FileType.ZIP


def _in_office_package(names: set[str]) -> FileType:
    if "xl/workbook.bin" in names:
        raise UnsupportedTypeError(
            f"the file is a binary Excel workbook (.xlsb); save it as .xlsx; {SUPPORTED}"
        )
    for folder, kind in _OFFICE_PARTS:
        if any(name.startswith(folder) for name in names):
            return kind
    return FileType.ZIP


def _mimetype(archive: zipfile.ZipFile) -> str:
    """What the member `mimetype` says, as OpenDocument and EPUB have it; empty when there is none."""
    if "mimetype" not in archive.NameToInfo:
        return ""
    with archive.open("mimetype") as stream:
        return stream.read(_MIMETYPE_LENGTH).decode("ascii", "replace").lstrip("\ufeff").strip()


def _refuse_ole(data: bytes) -> None:
    if _has_stream(data, "EncryptedPackage"):
        raise UnreadableFileError("the file is protected by a password; save it without one")
    for stream, description in _OLE_STREAMS:
        if _has_stream(data, stream):
            raise UnsupportedTypeError(f"the file is {description}; {SUPPORTED}")
    raise UnsupportedTypeError(f"the file is of an old Office format; save it in the new one; {SUPPORTED}")


def _has_stream(data: bytes, name: str) -> bool:
    """Whether an OLE file's directory names this stream; the words elsewhere, as in its text, don't count."""
    encoded = name.encode("utf-16-le") + b"\x00\x00"
    at = data.find(encoded)
    while at >= 0 and at % _OLE_ENTRY:
        at = data.find(encoded, at + 1)
    return at >= 0
