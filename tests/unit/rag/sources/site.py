"""A web server on the loopback that answers for every host."""

import gzip
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rag.sources.addresses import AddressGuard
from rag.sources.urls import AllowList
from rag.sources.web_client import WebClient
from tests.standins.http import QuietHandler, http_server

HOST = "docs.example"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer.

    Attributes:
        promised: The length that its header says, if not that of the body.
        drip: Whether to send a byte now and then, for ever.
        pause_s: Seconds before it is sent.
    """

    body: bytes = b"<p>content</p>"
    status: int = 200
    type: str | None = "text/html"
    headers: Mapping[str, str] = field(default_factory=dict)
    promised: int | None = None
    drip: bool = False
    pause_s: float = 0.0


def redirect(where: str, status: int = 302) -> Page:
    return Page(b"", status, headers={"Location": where})


def packed(body: bytes, **headers: str) -> Page:
    return Page(gzip.compress(body), headers={"Content-Encoding": "gzip", **headers})


@dataclass(frozen=True, slots=True)
class Call:
    host: str
    path: str
    headers: Mapping[str, str]
    at: float  # in seconds, as `time.monotonic` counts


@dataclass(slots=True)
class Site:
    """Pages by path, of all hosts alike, or by host and path. What isn't there is answered with 404."""

    port: int = 0
    pages: dict[str, Page] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    open_now: int = 0
    most_open: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, path: str, *, host: str = HOST) -> str:
        return f"http://{host}:{self.port}{path}"

    def paths(self) -> list[str]:
        """What it was asked for, robots.txt left out."""
        return [call.path for call in self.calls if call.path != "/robots.txt"]

    def none_before(self, began: float, *, interval_s: float) -> bool:
        """Whether each call came when as many intervals had gone by since then. One may always come late."""
        return all(call.at - began >= at * interval_s for at, call in enumerate(self.calls))

    def answer(self, call: Call) -> Page:
        page = self.pages.get(call.host + call.path) or self.pages.get(call.path) or Page(b"", 404)
        etag = page.headers.get("ETag")
        modified = page.headers.get("Last-Modified")
        if etag and call.headers.get("If-None-Match") == etag:
            return Page(b"", 304)
        if modified and not etag and call.headers.get("If-Modified-Since") == modified:
            return Page(b"", 304)
        return page


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A running site, over TLS if there is a context."""
    site = Site()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            host = self.headers["Host"].partition(":")[0]
            call = Call(host, self.path, dict(self.headers), time.monotonic())
            with site.lock:
                site.calls.append(call)
                site.open_now += 1
                site.most_open = max(site.most_open, site.open_now)
            try:
                self.send(site.answer(call))
            except OSError:  # the caller had enough
                self.close_connection = True
            finally:
                with site.lock:
                    site.open_now -= 1

        def send(self, page: Page) -> None:
            site.ended.wait(page.pause_s)
            self.send_response(page.status)
            if page.type is not None:
                self.send_header("Content-Type", page.type)
            for name, value in page.headers.items():
                self.send_header(name, value)
            length = len(page.body) if page.promised is None else page.promised
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(page.body)
            while page.drip and not site.ended.wait(0.02):
                self.wfile.write(b"x")
            self.close_connection = page.promised is not None

    with http_server(Handler, context=context) as url:
        site.port = int(url.rpartition(":")[2])
        try:
            yield site
        finally:
            site.ended.set()


def guard_of(site: Site, *, allow: str = "127.0.0.1", address: str = "127.0.0.1") -> AddressGuard:
    """A guard for whom every host is `address`, and who lets the site be called."""
    return AddressGuard(
        allow_private=frozenset({allow}),
        ports=frozenset({site.port}),
        resolve=lambda host, port: [address],
    )


@contextmanager
def no_server() -> Iterator[Site]:
    """A site that nothing listens for."""
    with serving() as site:
        pass
    yield site


def web_client(
    site: Site,
    *allow: str,
    guard: AddressGuard | None = None,
    interval_s: float = 0.0,
    verify: ssl.SSLContext | bool = True,
) -> WebClient:
    """A client that may read the site."""
    return WebClient(
        AllowList(allow or [HOST]), guard=guard or guard_of(site), interval_s=interval_s, verify=verify
    )
