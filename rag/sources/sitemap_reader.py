"""Reads the sitemaps of a site, one after the other."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

import httpx

from rag.errors import GroundworkError, InvalidInputError, NotFoundError
from rag.sources.sitemap import MAX_BYTES, Sitemap, parse_sitemap
from rag.sources.urls import page_url
from rag.sources.web_client import WebClient, read

MAX_SITEMAPS = 500  # files of a site; with half a second between two, four minutes
MAX_DEPTH = 3  # indexes above a sitemap; the protocol knows one


class SitemapReader:
    """Lists what sitemaps list.

    One that is missing or broken doesn't keep the others out, but `raise_failure` tells of it in the end:
    the list is not complete then.
    """

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._failure: GroundworkError | None = None

    async def pages(self, sitemaps: Sequence[httpx.URL]) -> AsyncIterator[str]:
        """The addresses of pages, as they are written there.

        Raises:
            UnavailableError: A host can't be reached; the rest is not tried.
        """
        waiting = deque((url, 0) for url in sitemaps)
        known = set(sitemaps)
        while waiting:
            url, depth = waiting.popleft()
            sitemap = await self._read(url)
            for page in sitemap.pages:
                yield page
            for below in self._below(sitemap, depth):
                if below not in known:
                    known.add(below)
                    waiting.append((below, depth + 1))
            if len(known) > MAX_SITEMAPS:
                raise InvalidInputError(f"the site has more than {MAX_SITEMAPS} sitemaps")

    def raise_failure(self) -> None:
        """Raises: the first error of a sitemap that was left out, if there was one."""
        if self._failure is not None:
            raise self._failure

    async def _read(self, url: httpx.URL) -> Sitemap:
        try:
            async with self._client.get(url, any_path=True) as response:
                data = await read(response, max_bytes=MAX_BYTES)
            return await asyncio.to_thread(parse_sitemap, data)
        except (InvalidInputError, NotFoundError) as exc:
            self._note(type(exc)(f"the sitemap {url}: {exc}"))
            return Sitemap()

    def _below(self, sitemap: Sitemap, depth: int) -> list[httpx.URL]:
        if sitemap.sitemaps and depth == MAX_DEPTH:
            self._note(InvalidInputError(f"the sitemaps are more than {MAX_DEPTH} indexes deep"))
            return []
        found = []
        for address in sitemap.sitemaps:
            try:
                found.append(page_url(address))
            except InvalidInputError as exc:
                self._note(exc)
        return found

    def _note(self, failure: GroundworkError) -> None:
        self._failure = self._failure or failure
