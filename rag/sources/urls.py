"""URLs of pages: one way to write each, and which of them may be read."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

import httpx

from rag.errors import InvalidInputError

MAX_URL = 2048  # characters: what browsers and the sitemap protocol agree on
_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")
_DOT = re.compile(r"%2e", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]|[0-9a-f:.]+")
_MAX_PORT = 65535
_SEPARATORS = re.compile(r"[/\\]")


def page_url(text: str, *, base: httpx.URL | None = None) -> httpx.URL:
    """The URL in its normal form: host in lower case, no dot segments, no fragment, escapes in upper case.

    Raises:
        InvalidInputError: It isn't a URL, is too long, or its path climbs in disguise (`..%2f`).
    """
    text = _DOT.sub(".", text.strip())  # servers read %2e as a dot too
    try:
        url = _normal(httpx.URL(text) if base is None else base.join(text))
    except (httpx.InvalidURL, UnicodeError) as exc:
        raise InvalidInputError(f"{text[:200]!r} is not an address of a page") from exc
    if len(str(url)) > MAX_URL:
        raise InvalidInputError(f"the address is longer than {MAX_URL} characters")
    if ".." in _SEPARATORS.split(unquote(url.raw_path.partition(b"?")[0].decode("ascii"))):
        raise InvalidInputError(f"{text[:200]!r} is not an address of a page")
    return url


def _normal(url: httpx.URL) -> httpx.URL:
    """Raises: httpx.InvalidURL or UnicodeError if there can't be such a host or port."""
    host = url.raw_host.decode("ascii").lower().rstrip(".")
    path = _ESCAPE.sub(lambda found: found[0].upper(), url.raw_path.decode("ascii"))
    if not _HOST.fullmatch(host) or not 0 <= (url.port or 0) <= _MAX_PORT:
        raise httpx.InvalidURL("no such host or port")
    url = url.copy_with(host=host, raw_path=path.encode("ascii"), fragment=None)
    _ = url.host  # decodes an international name, or fails
    return url


def page_name(url: httpx.URL) -> str:
    """The name of a page: host, path and query of its URL, the same for http and https."""
    return url.netloc.decode("ascii") + url.raw_path.decode("ascii")


@dataclass(frozen=True, slots=True)
class _Allowed:
    host: str
    path: str  # without a slash at its end; "" for the whole host


class AllowList:
    """The hosts that may be read, each with the path below which it may be: `docs.example.com/guide`.

    A port is not looked at: which ports may be called is the `AddressGuard`'s.

    Raises:
        InvalidInputError: It is empty, or one of them isn't a host with a path.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._allowed = [_allowed(text) for text in hosts]
        if not self._allowed:
            raise InvalidInputError("web pages are read only from hosts that are named: none is")

    def check(self, url: httpx.URL) -> None:
        """Raises: InvalidInputError if the page may not be read."""
        path = unquote(url.raw_path.partition(b"?")[0].decode("ascii"))
        if not any(url.host == allowed.host and _is_below(path, allowed.path) for allowed in self._allowed):
            raise InvalidInputError(f"{page_name(url)} is not on the list of pages that may be read")

    def check_host(self, url: httpx.URL) -> None:
        """The same for a file that speaks for a whole host, such as `/robots.txt`."""
        if all(url.host != allowed.host for allowed in self._allowed):
            raise InvalidInputError(f"{url.host} is not on the list of hosts that may be read")


def _allowed(text: str) -> _Allowed:
    without_scheme = re.sub(r"^https?://", "", text.strip())
    url = page_url(f"https://{without_scheme}")
    if url.userinfo:
        raise InvalidInputError("an address must not hold a user name or password")
    if not url.host or url.query:
        raise InvalidInputError(f"{text[:200]!r} is not a host to read from: write docs.example.com/guide")
    return _Allowed(url.host, unquote(url.path).rstrip("/"))


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
