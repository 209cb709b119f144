"""Packages of parts: what Word, PowerPoint, Excel, OpenDocument and EPUB files have in common.

A package is a ZIP archive of XML parts. It comes from a stranger, so nothing that it says of itself is
trusted: sizes are limited by the directory and again while reading, XML may not declare entities, and nothing
outside the package is ever opened.

OOXML (ISO/IEC 29500) exists in two dialects that differ in their namespaces; `parse_xml` turns the strict one
into the transitional one that Office writes, so parsers know only one set of names.
"""

import io
import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO
from urllib.parse import unquote

from lxml import etree

from rag.errors import UnreadableFileError
from rag.parse.office_values import sensible_title

MAX_UNPACKED = 512 * 1024**2  # bytes of all members together
MAX_PART = 128 * 1024**2  # bytes of one XML part; as a tree it takes about ten times that
_MAX_RATIO = 200  # XML of documents packs to 1/5 to 1/50; deflate cannot do better than 1/1032
_RATIO_FREE = 16 * 1024**2  # bytes; what is small when unpacked may pack as well as it likes
_MAX_MEMBERS = 50_000  # a large deck has some thousands
_ENCRYPTED = 0x1  # ZIP general purpose flag, bit 0
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # compound file: encrypted OOXML, or Office 97's formats
_DAMAGE = (  # what zipfile and its decompressors raise for hostile bytes
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    EOFError, OSError, OverflowError, RuntimeError, ValueError,
)  # fmt: skip

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
W14 = "{http://schemas.microsoft.com/office/word/2010/wordml}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
DC = "{http://purl.org/dc/elements/1.1/}"

_STRICT = re.compile(rb"""(=\s*["'])http://purl\.oclc\.org/ooxml/(\w+)/(\w+)""")
_STRICT_PREFIX = b"http://purl.oclc.org/ooxml/"


@dataclass(frozen=True, slots=True)
class Relationship:
    """A link from one part to another.

    Attributes:
        kind: Last segment of the relationship's type, such as `slide`.
        target: Name of the part that it points at.
    """

    kind: str
    target: str


class PartStream:
    """A part's bytes; damage met while reading is told as `UnreadableFileError`."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = MAX_UNPACKED

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._stream.read(size)
        except _DAMAGE as error:
            raise UnreadableFileError("the file is damaged and cannot be unpacked") from error
        self._left -= len(data)
        if self._left < 0:
            raise _too_large()
        return data


@dataclass(frozen=True, slots=True)
class Package:
    """An OOXML package; parts are named as in `word/document.xml`, in any case."""

    archive: zipfile.ZipFile
    members: Mapping[str, str]  # part name in lower case: the archive's own name

    @classmethod
    def open(cls, data: bytes) -> "Package":
        """The package in `data`; raises what `open_package` raises."""
        archive = open_package(data)
        names = archive.namelist()
        return cls(archive, {name.replace("\\", "/").lstrip("/").lower(): name for name in names})

    def has(self, part: str) -> bool:
        return part.lower() in self.members

    def stream(self, part: str) -> PartStream:
        """The bytes of a part, unpacked as they are read; at most `MAX_UNPACKED` of them.

        Raises:
            UnreadableFileError: There is no such part, or, also while reading, it is damaged.
        """
        return PartStream(_opened(self.archive, self.members.get(part.lower(), part)))

    def xml(self, part: str, *, damaged: list[str] | None = None) -> etree._Element:
        """The root of a part.

        Args:
            part: Its name.
            damaged: When given, as much as possible is read of a part that is not well-formed, and its name
                is added here.

        Raises:
            UnreadableFileError: There is no such part, or it is not XML.
        """
        data = read_member(self.archive, self.members.get(part.lower(), part))
        try:
            return parse_xml(data)
        except UnreadableFileError:
            if damaged is None:
                raise
            damaged.append(part)
            return parse_xml(data, recover=True)

    def optional_xml(self, part: str | None) -> etree._Element | None:
        """The root of a part without which a document can be read; None when it is missing or damaged."""
        if part is None or not self.has(part):
            return None
        try:
            return self.xml(part)
        except UnreadableFileError:
            return None

    def relationships(self, part: str) -> dict[str, Relationship]:
        """The part's links to other parts of the package, by id; `""` is the package itself."""
        folder, name = posixpath.split(part)
        root = self.optional_xml(posixpath.join(folder, "_rels", f"{name}.rels"))
        found: dict[str, Relationship] = {}
        for link in root if root is not None else ():
            if link.get("TargetMode") != "External":
                kind = posixpath.basename(link.get("Type", ""))
                found[link.get("Id", "")] = Relationship(kind, _resolved(folder, link.get("Target", "")))
        return found

    def related(self, part: str, kind: str) -> str | None:
        """The first part of that kind that `part` links to."""
        links = self.relationships(part).values()
        return next((link.target for link in links if link.kind == kind and self.has(link.target)), None)

    def main_part(self, usual: str) -> str:
        """The part that holds the document; `usual` is its name where the package does not tell."""
        return self.related("", "officeDocument") or usual

    def title(self) -> str | None:
        """The title of the core properties, unless it is a file name or a placeholder."""
        root = self.optional_xml(self.related("", "core-properties") or "docProps/core.xml")
        return sensible_title(root.findtext(f"{DC}title")) if root is not None else None


def open_package(data: bytes) -> zipfile.ZipFile:
    """The ZIP archive in `data`, its directory checked against decompression bombs.

    Raises:
        UnreadableFileError: It is no ZIP archive, is damaged or encrypted, or unpacks to more than
            `MAX_UNPACKED` bytes or to far more than its size.
    """
    if data.startswith(_OLE):
        raise UnreadableFileError(
            "the file needs a password to open, or is in the format of old Office versions"
        )
    try:
        package = zipfile.ZipFile(io.BytesIO(data))
    except _DAMAGE as error:
        raise UnreadableFileError("the file is damaged: it is cut off, or not what its name says") from error
    members = package.infolist()
    total = sum(member.file_size for member in members)
    if len(members) > _MAX_MEMBERS or total > MAX_UNPACKED:
        raise _too_large()
    if any(_is_bomb(member.file_size, member.compress_size) for member in members) or _is_bomb(
        total, len(data)
    ):
        raise UnreadableFileError("the file unpacks to far more than its own size, as no real document does")
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise UnreadableFileError("the file needs a password to open")
    return package


def read_member(package: zipfile.ZipFile, name: str, *, limit: int = MAX_PART) -> bytes:
    """The bytes of member `name`; never more than `limit` of them are unpacked, whatever the directory says.

    Raises:
        UnreadableFileError: There is no such member, it is damaged, or it is larger than `limit`.
    """
    with _opened(package, name) as stream:
        try:
            data = stream.read(limit + 1)
        except _DAMAGE as error:
            raise UnreadableFileError("the file is damaged and cannot be unpacked") from error
    if len(data) > limit:
        raise _too_large()
    return data


def parse_xml(data: bytes, *, recover: bool = False) -> etree._Element:
    """The root of XML without comments and processing instructions; entities are refused.

    Args:
        data: The XML; strict OOXML is read as transitional.
        recover: Read as much as possible of XML that is not well-formed.

    Raises:
        UnreadableFileError: It is not XML, nests deeper than 256 elements, or declares a document type.
    """
    if _STRICT_PREFIX in data:
        data = _STRICT.sub(_transitional, data)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, recover=recover,
        remove_comments=True, remove_pis=True, huge_tree=False,
    )  # fmt: skip
    try:
        root: etree._Element | None = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableFileError("the file is damaged: a part of it is not valid XML") from error
    if root is None:
        raise UnreadableFileError("the file is damaged: a part of it is not valid XML")
    check_doctype(root)
    return root


def check_doctype(root: etree._Element) -> None:
    """Refuse XML that declares a document type, and with it could declare entities.

    Raises:
        UnreadableFileError: It does.
    """
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnreadableFileError("the file declares a document type (DTD), which office files must not")


def _opened(package: zipfile.ZipFile, name: str) -> IO[bytes]:
    try:
        return package.open(name)
    except KeyError as error:
        raise UnreadableFileError("the file is incomplete: a part that it needs is missing") from error
    except _DAMAGE as error:
        raise UnreadableFileError("the file is damaged and cannot be unpacked") from error


def _is_bomb(unpacked: int, packed: int) -> bool:
    return unpacked > _RATIO_FREE and unpacked > _MAX_RATIO * max(packed, 1)


def _too_large() -> UnreadableFileError:
    return UnreadableFileError("the file is too large when unpacked")


def _resolved(folder: str, target: str) -> str:
    """A relationship's target as a part name; it is relative to the folder unless it begins with `/`."""
    return posixpath.normpath(posixpath.join("/", folder, unquote(target))).lstrip("/")


def _transitional(found: re.Match[bytes]) -> bytes:
    """A strict namespace or relationship type in transitional words."""
    opening, family, rest = found.groups()
    return opening + b"http://schemas.openxmlformats.org/" + family + b"/2006/" + rest
