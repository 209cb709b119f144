"""Small ZIP containers, and office files that are no more than their outline."""

import io
import zipfile
from collections.abc import Mapping

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)


def zip_file(members: Mapping[str, bytes | str], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def office_outline(folder: str) -> bytes:
    return zip_file({"[Content_Types].xml": "<Types/>", f"{folder}/part.xml": "<x/>"})


def ole_file(stream: str) -> bytes:
    """A compound file's header and one sector of directory that names `stream` (MS-CFB)."""
    name = stream.encode("utf-16-le")
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + name + bytes(512 - len(name))


def epub_file(
    chapters: Mapping[str, str],
    *,
    title: str = "A book",
    spine: list[str] | None = None,
    manifest: str = "",
    extra: Mapping[str, bytes | str] | None = None,
) -> bytes:
    """A book of chapters `{name: XHTML}`, read in the order of `spine`."""
    items = "".join(
        f'<item id="{name}" href="{name}" media-type="application/xhtml+xml"/>' for name in chapters
    )
    refs = "".join(f'<itemref idref="{name}"/>' for name in spine or list(chapters))
    package = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></metadata>'
        f"<manifest>{items}{manifest}</manifest><spine>{refs}</spine></package>"
    )
    return zip_file(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": CONTAINER,
            "OEBPS/book.opf": package,
            **{f"OEBPS/{name}": content for name, content in chapters.items()},
            **(extra or {}),
        }
    )
