"""From the address of a source to the source."""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from rag.errors import InvalidInputError
from rag.sources.addresses import AddressGuard
from rag.sources.folder import FolderSource
from rag.sources.git_address import PREFIX as GIT
from rag.sources.git_address import Login, parse_git_address
from rag.sources.s3 import S3Source
from rag.sources.types import Source
from rag.sources.urls import AllowList, page_url
from rag.sources.web import WebSource
from rag.sources.web_client import INTERVAL_S, WebClient

_SITEMAP = re.compile(r"\.xml(\.gz)?$|sitemap[^/]*\.txt(\.gz)?$", re.IGNORECASE)
_LOCAL = "folders and repositories of this machine can't be read from here"


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How sources may be read.

    Attributes:
        max_bytes: Larger files are not taken.
        max_object_bytes: The same for objects of S3; None for the same number.
        local: Whether folders and repositories of this machine may be read: yes on its command line, no for
            callers over a network.
        allow: The hosts whose pages may be read, each with a path if need be: `docs.example.com/guide`.
        guard: The network addresses that pages and repositories may be read from.
        interval_s: Seconds between two requests to a host for pages.
        cache: Where repositories are kept between two syncs; None keeps them while the source is open.
        login: For a repository that isn't public.
    """

    max_bytes: int
    max_object_bytes: int | None = None
    local: bool = False
    allow: tuple[str, ...] = ()
    guard: AddressGuard = field(default_factory=AddressGuard)
    interval_s: float = INTERVAL_S
    cache: Path | None = None
    login: Login | None = None


@asynccontextmanager
async def open_source(address: str, options: SourceOptions) -> AsyncIterator[Source]:
    """The source of that address, until the block ends.

    Args:
        address: `s3://bucket/folder`, `https://host/page`, `https://host/sitemap.xml`,
            `git+https://host/repository@branch#folder`, `git+file:///repository`, or the path of a folder.
        options: How it may be read.

    Raises:
        InvalidInputError: It is none of these, or may not be read.
    """
    async with AsyncExitStack() as stack:
        scheme, separator, rest = address.strip().partition("://")
        if not separator:
            yield _folder(Path(address), options)
        elif scheme == "s3":
            bucket, _, prefix = rest.partition("/")
            yield _bucket(bucket, prefix, options)
        elif scheme.startswith(GIT):
            yield await _repository(address, options, stack)
        elif scheme in {"http", "https"}:
            yield _site(address, options, stack)
        elif scheme == "file":
            yield _folder(Path(unquote(rest)), options)
        else:
            raise InvalidInputError(f"no source has addresses that begin with {scheme[:40]}://")


def _folder(folder: Path, options: SourceOptions) -> Source:
    if not options.local:
        raise InvalidInputError(_LOCAL)
    return FolderSource(folder, max_bytes=options.max_bytes)


def _bucket(bucket: str, prefix: str, options: SourceOptions) -> Source:
    if not bucket:
        raise InvalidInputError("the address names no bucket: write s3://bucket/folder")
    return S3Source(bucket, prefix, max_bytes=options.max_object_bytes or options.max_bytes)


def _site(address: str, options: SourceOptions, stack: AsyncExitStack) -> Source:
    is_sitemap = _SITEMAP.search(page_url(address).path)
    client = WebClient(AllowList(options.allow), guard=options.guard, interval_s=options.interval_s)
    stack.push_async_callback(client.aclose)
    if is_sitemap:
        return WebSource(client, sitemaps=(address,), max_bytes=options.max_bytes)
    return WebSource(client, pages=(address,), max_bytes=options.max_bytes)


async def _repository(address: str, options: SourceOptions, stack: AsyncExitStack) -> Source:
    from rag.sources.git import GitSource  # noqa: PLC0415 - dulwich, for those who use it

    where = parse_git_address(address)
    if where.local_path is not None and not options.local:
        raise InvalidInputError(_LOCAL)
    cache = options.cache
    if cache is None:
        folder = await asyncio.to_thread(tempfile.TemporaryDirectory, ignore_cleanup_errors=True)
        stack.push_async_callback(asyncio.to_thread, folder.cleanup)
        cache = Path(folder.name)
    return GitSource(
        where, cache=cache, max_bytes=options.max_bytes, guard=options.guard, login=options.login
    )
