"""EPUB books (2 and 3): the chapters in reading order, each read as a web page.

The package document says which files there are and in what order they are read; the table of contents gives
chapters without a heading their name.
"""

import posixpath
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from rag.documents import ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse.builder import DocumentBuilder
from rag.parse.decode import decode, storable
from rag.parse.html import parse_html
from rag.parse.members import MAX_WARNINGS, label
from rag.parse.ooxml import open_package, read_member
from rag.parse.titles import tidy_title
from rag.parse.types import FileType
from rag.parse.xml_tree import local_name, parse_tree, texts

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"})
_NCX = "application/x-dtbncx+xml"
_MAX_CHAPTER = 32 * 1024**2  # bytes; a whole novel has about one million
_MAX_INDEX = 16 * 1024**2  # bytes of the package document or a table of contents
_MAX_CHAPTERS = 20_000
# Fonts are scrambled with these, which protects nothing but the fonts (EPUB 3.3, "Font obfuscation").
_FONT_SCRAMBLING = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_ENCODING = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{1,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Item:
    """A file of the manifest; `path` is its name in the archive."""

    path: str
    media_type: str
    is_contents: bool


@dataclass(frozen=True, slots=True)
class _Book:
    title: str | None
    chapters: list[_Item]
    contents: _Item | None
    missing: list[str] = field(default_factory=list)


def parse_epub(data: bytes) -> ParsedDocument:
    """The document of a book; its `warnings` name chapters that could not be read.

    Raises:
        UnreadableFileError: It is damaged, protected against copying (DRM), or holds no text.
    """
    with open_package(data) as archive:
        book = _book(archive)
        _refuse_protected(archive, {chapter.path for chapter in book.chapters})
        names = _chapter_names(archive, book.contents)
        builder = DocumentBuilder()
        warnings = [f"{label(name)}: missing in the book" for name in book.missing]
        for chapter in book.chapters:
            try:
                part = _chapter(archive, chapter.path)
            except UnreadableFileError as error:
                warnings.append(f"{label(chapter.path)}: {error}")
            else:
                if part is not None:
                    _append(builder, part, names.get(chapter.path, ""))
    if not builder.length:
        raise UnreadableFileError("the book holds no text; if its pages are pictures, they need OCR")
    return builder.build(FileType.EPUB, title=book.title, warnings=warnings[:MAX_WARNINGS])


def _append(builder: DocumentBuilder, part: ParsedDocument, name: str) -> None:
    """A chapter; one without headings is named as in the table of contents."""
    if name and not part.headings:
        builder.heading(name, 1)
    builder.document(part, level=0)


def _chapter(archive: zipfile.ZipFile, path: str) -> ParsedDocument | None:
    """The chapter's document; None when it shows no text, as covers do."""
    data = read_member(archive, path, limit=_MAX_CHAPTER)
    if not data.strip():
        return None
    declared = _ENCODING.search(data[:1000])
    text = decode(data, declared=declared[1].decode() if declared else None)
    try:
        return parse_html(text)
    except UnreadableFileError:
        return None


def _book(archive: zipfile.ZipFile) -> _Book:
    path = _package_path(archive)
    package = _xml(archive, path)
    folder = posixpath.dirname(path)
    manifest: dict[str, _Item] = {}
    for element in package.iterfind("{*}manifest/{*}item"):
        manifest[element.get("id", "")] = _Item(
            path=_resolved(folder, element.get("href", "")),
            media_type=element.get("media-type", "").lower(),
            is_contents="nav" in element.get("properties", "").split(),
        )
    spine = [item.get("idref", "") for item in package.iterfind("{*}spine/{*}itemref")]
    in_order = [manifest[name] for name in dict.fromkeys(spine[:_MAX_CHAPTERS]) if name in manifest]
    pages = [item for item in in_order if item.media_type in _PAGES and not item.is_contents]
    title = package.find("{*}metadata/{*}title")
    here = set(archive.namelist())
    return _Book(
        title=tidy_title(storable("".join(texts(title)))) or None if title is not None else None,
        chapters=[page for page in pages if page.path in here],
        contents=_contents(manifest),
        missing=[page.path for page in pages if page.path not in here],
    )


def _contents(manifest: Mapping[str, _Item]) -> _Item | None:
    """The table of contents, EPUB 3's before EPUB 2's."""
    modern = next((item for item in manifest.values() if item.is_contents), None)
    return modern or next((item for item in manifest.values() if item.media_type == _NCX), None)


def _package_path(archive: zipfile.ZipFile) -> str:
    """Where the package document is; it is looked for when the container does not say."""
    if _CONTAINER in archive.NameToInfo:
        for root in _xml(archive, _CONTAINER).iterfind(".//{*}rootfile"):
            path = unquote(root.get("full-path", ""))
            if path in archive.NameToInfo:
                return path
    found = next((name for name in archive.namelist() if name.lower().endswith(".opf")), None)
    if found is None:
        raise UnreadableFileError("the book is damaged: the list of its chapters is missing")
    return found


def _refuse_protected(archive: zipfile.ZipFile, chapters: set[str]) -> None:
    if _ENCRYPTION not in archive.NameToInfo:
        return
    for encrypted in _xml(archive, _ENCRYPTION).iterfind(".//{*}EncryptedData"):
        method = encrypted.find("{*}EncryptionMethod")
        reference = encrypted.find(".//{*}CipherReference")
        scrambled = method is not None and method.get("Algorithm", "") in _FONT_SCRAMBLING
        path = "" if reference is None else _resolved("", reference.get("URI", ""))
        if path in chapters and not scrambled:
            raise UnreadableFileError("the book is protected against copying (DRM) and cannot be read")


def _chapter_names(archive: zipfile.ZipFile, contents: _Item | None) -> dict[str, str]:
    """What the table of contents calls each file; of several entries for one file, the first."""
    if contents is None or contents.path not in archive.NameToInfo:
        return {}
    try:
        root = _xml(archive, contents.path)
    except UnreadableFileError:
        return {}
    folder = posixpath.dirname(contents.path)
    names: dict[str, str] = {}
    for element in root.iter():
        name, target = _entry(element)
        if name:
            names.setdefault(_resolved(folder, target), storable(name))
    return names


def _entry(element: Element) -> tuple[str, str]:
    """Name and target of an entry: a link in EPUB 3, a `navPoint` in EPUB 2."""
    if local_name(element) == "a":
        return tidy_title("".join(texts(element))), element.get("href", "")
    if local_name(element) != "navpoint":
        return "", ""
    name, content = element.find("{*}navLabel"), element.find("{*}content")
    if name is None or content is None:
        return "", ""
    return tidy_title("".join(texts(name))), content.get("src", "")


def _xml(archive: zipfile.ZipFile, path: str) -> Element:
    return parse_tree(decode(read_member(archive, path, limit=_MAX_INDEX)))


def _resolved(folder: str, target: str) -> str:
    """A link as a name in the archive, without the place inside the file."""
    path = unquote(target.partition("#")[0])
    return posixpath.normpath(posixpath.join("/", folder, path)).lstrip("/")
