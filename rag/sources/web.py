"""Pages of the web: those that are named, and those that sitemaps list."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx

from rag.errors import InvalidInputError, UnavailableError
from rag.parse.types import FileType
from rag.sources.files import receiving
from rag.sources.sitemap import MAX_PAGES
from rag.sources.sitemap_reader import SitemapReader
from rag.sources.types import Entry, Fetched, Skipped, why_unnamable
from rag.sources.urls import page_name, page_url
from rag.sources.web_client import WebClient, pieces

_LEFT_OUT = frozenset({"ZIP", "PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP"})  # a page is none of these
PAGE_TYPES = frozenset(kind.value for kind in FileType if kind.name not in _LEFT_OUT) | {
    "application/xhtml+xml",
    "text/xml",
}
_ETAG, _MODIFIED, _HASH = "etag:", "modified:", "sha256:"
_MAX_VALIDATOR = 500  # characters; a longer ETag is no use to anyone
_SHOWN = 200  # characters of an address that isn't one


class WebSource:
    """Pages by their addresses. Links in them are not followed.

    A page's entry has no fingerprint: whether it changed is asked when it is fetched, with the fingerprint
    that is known of it (the host's ETag or time of change).

    Args:
        client: Made for the hosts that may be read; closed by whoever made it.
        pages: Addresses of pages.
        sitemaps: Addresses of sitemaps, or indexes of them.
        max_bytes: The largest page that is taken, unpacked.
        types: MIME types that are taken.

    Raises:
        InvalidInputError: An address isn't one.
    """

    def __init__(
        self,
        client: WebClient,
        *,
        pages: Sequence[str] = (),
        sitemaps: Sequence[str] = (),
        max_bytes: int,
        types: frozenset[str] = PAGE_TYPES,
    ) -> None:
        self._client = client
        self._pages = [page_url(page) for page in pages]
        self._sitemaps = [page_url(sitemap) for sitemap in sitemaps]
        self._max_bytes = max_bytes
        self._types = types

    @property
    def name(self) -> str:
        return " ".join(sorted(map(str, self._pages + self._sitemaps)))

    async def entries(self) -> AsyncIterator[Entry | Skipped]:
        listed: set[str] = set()
        reader = SitemapReader(self._client)
        async for address in self._addresses(reader):
            await asyncio.sleep(0)  # tens of thousands in a row would hold up everything else
            found = await self._listed(address)
            if found.name in listed:
                continue
            if len(listed) == MAX_PAGES:
                raise InvalidInputError(f"the sitemaps list more than {MAX_PAGES} pages")
            listed.add(found.name)
            yield found
        reader.raise_failure()

    async def fetch(self, entry: Entry, into: Path, *, known: str | None = None) -> Fetched | None:
        url = page_url(entry.uri or f"https://{entry.name}")
        condition = _condition(known)
        async with self._client.get(url, condition) as response:
            if response.status_code == httpx.codes.NOT_MODIFIED:
                if condition:
                    return None
                raise UnavailableError(f"{url.host} sends no page")
            mime_type = self._accepted(response)
            with receiving(into, max_bytes=self._max_bytes) as received:
                async for piece in pieces(response):
                    await asyncio.to_thread(received.write, piece)
        return Fetched(
            content_sha256=received.sha256,
            byte_size=received.byte_size,
            fingerprint=_validator(response) or _HASH + received.sha256.hex(),
            mime_type=mime_type,
            uri=str(response.url),
        )

    async def _addresses(self, reader: SitemapReader) -> AsyncIterator[str]:
        for page in self._pages:
            yield str(page)
        async for address in reader.pages(self._sitemaps):
            yield address

    async def _listed(self, address: str) -> Entry | Skipped:
        try:
            url = page_url(address)
        except InvalidInputError as exc:
            return Skipped(address[:_SHOWN], str(exc))
        name = page_name(url)
        reason = why_unnamable(name) or await self._client.why_not(url)
        return Skipped(name, reason) if reason else Entry(name, None, uri=str(url))

    def _accepted(self, response: httpx.Response) -> str:
        mime_type: str = response.headers.get("Content-Type", "")
        kind = mime_type.partition(";")[0].strip().lower()
        if kind not in self._types:
            what = f"of type {kind[:_SHOWN]}" if kind else "without a type"
            raise InvalidInputError(f"pages {what} are not taken")
        return mime_type


def _validator(response: httpx.Response) -> str | None:
    """What the host can be asked with next time whether the page has changed."""
    for prefix, header in ((_ETAG, "ETag"), (_MODIFIED, "Last-Modified")):
        value: str = response.headers.get(header, "").strip()
        if value and value.isascii() and value.isprintable() and len(value) <= _MAX_VALIDATOR:
            return prefix + value
    return None


def _condition(known: str | None) -> dict[str, str]:
    for prefix, header in ((_ETAG, "If-None-Match"), (_MODIFIED, "If-Modified-Since")):
        if known is not None and known.startswith(prefix):
            return {header: known.removeprefix(prefix)}
    return {}
