"""Sitemaps (sitemaps.org): which pages a site has, as XML or one address a line, packed or not."""

import re
import zlib
from dataclasses import dataclass, field
from io import BytesIO
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from rag.errors import InvalidInputError, UnreadableFileError
from rag.sources.inflate import inflate

MAX_BYTES = 50 * 1024 * 1024  # the protocol's own limit for a sitemap, unpacked
MAX_PAGES = 50_000  # the protocol's own limit for a sitemap; ours for a site
_GZIP = b"\x1f\x8b"


@dataclass(slots=True)
class Sitemap:
    """Addresses as they are written there: of pages, or of further sitemaps."""

    pages: list[str] = field(default_factory=list)
    sitemaps: list[str] = field(default_factory=list)


def parse_sitemap(data: bytes) -> Sitemap:
    """What a sitemap, or an index of sitemaps, lists. Slow for a large one: call it in a thread.

    Raises:
        UnreadableFileError: It is none, or broken.
        InvalidInputError: It is larger than a sitemap may be.
    """
    if data.startswith(_GZIP):
        data = _unpacked(data)
    if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return _of_lines(data)
    sitemap = Sitemap()
    try:
        for _, element in iterparse(BytesIO(data), events=("end",), forbid_dtd=True):
            _take(element, sitemap)
    except (ParseError, DefusedXmlException, LookupError, ValueError) as exc:  # also an unknown encoding
        raise UnreadableFileError("the sitemap is not valid XML") from exc
    return sitemap


def _take(element: Element, sitemap: Sitemap) -> None:
    kind = _local(element)
    if kind not in {"url", "sitemap"}:
        return
    # Direct children only: extensions have addresses of images and videos further down.
    location = next((child.text for child in element if _local(child) == "loc"), None)
    if location and location.strip():
        (sitemap.pages if kind == "url" else sitemap.sitemaps).append(location.strip())
    if len(sitemap.pages) + len(sitemap.sitemaps) > MAX_PAGES:
        raise InvalidInputError(f"the sitemap lists more than {MAX_PAGES} addresses")
    element.clear()


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _of_lines(data: bytes) -> Sitemap:
    lines = [line.strip() for line in data.decode("utf-8-sig", "replace").splitlines()]
    pages = [line for line in lines if line]
    if not all(re.match(r"https?://\S+$", page) for page in pages):
        raise UnreadableFileError("what was found there is not a sitemap")
    if len(pages) > MAX_PAGES:
        raise InvalidInputError(f"the sitemap lists more than {MAX_PAGES} addresses")
    return Sitemap(pages=pages)


def _unpacked(data: bytes) -> bytes:
    unpacked = bytearray()
    try:
        for piece in inflate([data]):
            unpacked += piece
            if len(unpacked) > MAX_BYTES:
                raise InvalidInputError("the sitemap is larger than 50 MB")
    except (zlib.error, EOFError) as exc:
        raise UnreadableFileError("the sitemap is packed, and broken") from exc
    return bytes(unpacked)
