"""Reads pages of the web: only from addresses that may be called, as each host's robots.txt asks, slowly."""

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import httpx

from rag.errors import InvalidInputError, NotFoundError, UnavailableError
from rag.sources.addresses import AddressGuard
from rag.sources.files import too_large
from rag.sources.inflate import Inflater
from rag.sources.robots import ALLOW_ALL, MAX_BYTES, Robots, parse_robots
from rag.sources.urls import AllowList, page_url
from rag.sources.web_transport import GuardedTransport

USER_AGENT = "Groundwork/0.1"
AGENT = USER_AGENT.partition("/")[0]  # how robots.txt calls us
MAX_REDIRECTS = 5  # RFC 9309, 2.3.1.2, for robots.txt; enough for pages
CONNECT_TIMEOUT_S = 5.0  # name look-up and connection
READ_TIMEOUT_S = 20.0  # between two pieces of an answer
DEADLINE_S = 120.0  # for an answer as a whole: a server that drips is given up
CONCURRENCY = 2  # requests at a time: a reader with two tabs
INTERVAL_S = 0.5  # between two requests to a host
MAX_PAUSE_S = 60.0  # how long a busy host is left alone at most
_TOO_MANY = 429
_BUSY = 503
_NOT_FOUND = frozenset({404, 410})
_DENIED = frozenset({401, 402, 403, 407, 451})


class WebClient:
    """Reads pages, following redirects itself: each hop is looked at as the first address is.

    Args:
        allow: The hosts that may be read.
        guard: The network addresses that may be called.
        interval_s: Seconds between two requests to a host; more if its robots.txt asks for it.
        verify: How certificates are checked, if not against the usual authorities.
    """

    def __init__(
        self,
        allow: AllowList,
        *,
        guard: AddressGuard,
        interval_s: float = INTERVAL_S,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._allow = allow
        self._guard = guard
        self._interval_s = interval_s
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._next: dict[str, float] = {}  # by host: the event loop's time before which it is left alone
        self._delays: dict[str, float] = {}  # by host: seconds between two requests that it asks for
        self._robots: dict[tuple[str, bytes], asyncio.Task[Robots]] = {}  # by scheme and host with port
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(guard, verify),
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, pool=None),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"},
            follow_redirects=False,
            trust_env=False,
        )

    async def aclose(self) -> None:
        for reading in self._robots.values():
            reading.cancel()
        await asyncio.gather(*self._robots.values(), return_exceptions=True)
        await self._client.aclose()

    async def why_not(self, url: httpx.URL, *, any_path: bool = False) -> str | None:
        """Why a page may not be read, in words for the user; None if it may.

        Args:
            url: The page.
            any_path: Whether it is enough that its host may be read: sitemaps often stand at the top.

        Raises:
            UnavailableError: The host's robots.txt can't be read now, and so nothing else of it may be.
        """
        try:
            self._guard.check_url(url)
            if any_path:
                self._allow.check_host(url)
            else:
                self._allow.check(url)
        except InvalidInputError as exc:
            return str(exc)
        robots = await self._robots_of(url)
        if robots.allows(url.raw_path.decode("ascii")):
            return None
        return f"robots.txt of {url.host} asks not to read it"

    @asynccontextmanager
    async def get(
        self, url: httpx.URL, headers: Mapping[str, str] | None = None, *, any_path: bool = False
    ) -> AsyncIterator[httpx.Response]:
        """The answer to a GET, of status 200 or 304; its body is what `pieces` or `read` read of it.

        Raises:
            NotFoundError: There is no such page.
            InvalidInputError: The page, or one that it leads to, may not be read.
            UnavailableError: The host can't be reached, fails, is busy, or is too slow.
        """
        for _ in range(MAX_REDIRECTS + 1):
            reason = await self.why_not(url, any_path=any_path)
            if reason is not None:
                raise InvalidInputError(reason)
            async with self._request(url, headers or {}) as response:
                if not response.has_redirect_location:
                    _check_status(response)
                    yield response
                    return
                url = page_url(response.headers["Location"], base=url)
        raise InvalidInputError(f"the page leads on more than {MAX_REDIRECTS} times")

    @asynccontextmanager
    async def _request(self, url: httpx.URL, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """One request when it is its turn; its answer's body is read by the caller."""
        async with self._slots:
            await self._turn(url.host)
            with _web_errors(url.host):
                async with (
                    asyncio.timeout(DEADLINE_S),
                    self._client.stream("GET", url, headers=dict(headers)) as response,
                ):
                    if response.status_code in {_TOO_MANY, _BUSY}:
                        self._leave_alone(url.host, response.headers.get("Retry-After", ""))
                    yield response

    async def _turn(self, host: str) -> None:
        now = asyncio.get_running_loop().time()
        start = max(now, self._next.get(host, now))
        self._next[host] = start + max(self._interval_s, self._delays.get(host, 0.0))
        await asyncio.sleep(start - now)

    def _leave_alone(self, host: str, seconds: str) -> None:
        if seconds.isascii() and seconds.isdigit():
            pause = min(float(seconds[:9]), MAX_PAUSE_S)
            self._next[host] = max(self._next[host], asyncio.get_running_loop().time() + pause)

    async def _robots_of(self, url: httpx.URL) -> Robots:
        """The host's rules, read once; one that could not be read is asked again next time."""
        key = (url.scheme, url.netloc)
        reading = self._robots.get(key)
        if reading is None or (reading.done() and (reading.cancelled() or reading.exception())):
            reading = self._robots[key] = asyncio.create_task(self._read_robots(url))
        return await asyncio.shield(reading)

    async def _read_robots(self, url: httpx.URL) -> Robots:
        """A host without the file allows all, one that fails to send it allows nothing (RFC 9309, 2.3.1)."""
        host, url = url.host, url.copy_with(raw_path=b"/robots.txt")
        for _ in range(MAX_REDIRECTS + 1):
            self._guard.check_url(url)
            self._allow.check_host(url)
            async with self._request(url, {}) as response:
                if response.has_redirect_location:
                    url = page_url(response.headers["Location"], base=url)
                    continue
                if response.is_success:
                    text = (await read(response, max_bytes=MAX_BYTES, cut=True)).decode("utf-8", "replace")
                    robots = parse_robots(text, AGENT)
                    self._delays[host] = robots.delay_s
                    return robots
                if response.is_client_error and response.status_code != _TOO_MANY:
                    return ALLOW_ALL
                raise UnavailableError(f"robots.txt of {host} can't be read now, so no page is")
        return ALLOW_ALL


async def pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body of an answer, unpacked, in pieces that are never large.

    Raises:
        InvalidInputError: It is packed in a way that we didn't ask for.
        UnavailableError: It is broken off, or packed wrongly.
    """
    packed = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packed in {"identity", ""}:
        async for piece in response.aiter_raw():
            yield piece
        return
    if packed not in {"gzip", "x-gzip", "deflate"}:
        raise InvalidInputError("the page is packed in a way that can't be read")
    inflater = Inflater()
    try:
        async for raw in response.aiter_raw():
            for piece in inflater.feed(raw):
                yield piece
        inflater.finish()
    except (zlib.error, EOFError) as exc:
        raise UnavailableError("the page arrived broken") from exc


async def read(response: httpx.Response, *, max_bytes: int, cut: bool = False) -> bytes:
    """The whole body of an answer, or the beginning of one that is longer.

    Raises:
        InvalidInputError: It is longer, and not to be cut.
        UnavailableError: It is broken off.
    """
    content = bytearray()
    async for piece in pieces(response):
        content += piece
        if len(content) > max_bytes:
            if cut:
                break
            raise too_large(max_bytes)
    return bytes(content[:max_bytes])


def _check_status(response: httpx.Response) -> None:
    status, host = response.status_code, response.url.host
    if status in {httpx.codes.OK, httpx.codes.NOT_MODIFIED}:
        return
    if status in _NOT_FOUND:
        raise NotFoundError("there is no such page")
    if status in _DENIED:
        raise InvalidInputError("the page may not be read without a login")
    if status in {_TOO_MANY, _BUSY}:
        raise UnavailableError(f"{host} is busy; try again later")
    if response.is_server_error:
        raise UnavailableError(f"{host} fails with status {status}")
    raise InvalidInputError(f"{host} answers with status {status}")


@contextmanager
def _web_errors(host: str) -> Iterator[None]:
    """Translate what goes wrong on the way to a host and back."""
    try:
        yield
    except TimeoutError as exc:
        raise UnavailableError(f"{host} takes longer than {DEADLINE_S:.0f} seconds") from exc
    except httpx.TimeoutException as exc:
        raise UnavailableError(f"{host} doesn't answer in time") from exc
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise UnavailableError(f"{host} can't be reached, or breaks off") from exc
