import asyncio
import gzip
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rag.errors import (
    GroundworkError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    UnreadableFileError,
)
from rag.sources import Entry, Fetched, list_source, sitemap_reader
from rag.sources import web_client as client_module
from rag.sources.addresses import AddressGuard
from rag.sources.web import WebSource
from tests.unit.rag.sources.certificates import contexts
from tests.unit.rag.sources.site import (
    HOST,
    Page,
    Site,
    guard_of,
    no_server,
    packed,
    redirect,
    serving,
    web_client,
)
from tests.unit.rag.sources.waiting import appears


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as running:
        yield running


@asynccontextmanager
async def reading(
    site: Site,
    *pages: str,
    sitemaps: tuple[str, ...] = (),
    allow: tuple[str, ...] = (),
    guard: AddressGuard | None = None,
    max_bytes: int = 1000,
    interval_s: float = 0.0,
) -> AsyncIterator[WebSource]:
    """A source of these pages, given by their paths or addresses."""
    client = web_client(site, *allow, guard=guard, interval_s=interval_s)
    try:
        yield WebSource(
            client,
            pages=[page if "://" in page else site.url(page) for page in pages],
            sitemaps=[site.url(sitemap) for sitemap in sitemaps],
            max_bytes=max_bytes,
        )
    finally:
        await client.aclose()


async def fetched(site: Site, path: str, into: Path, *, known: str | None = None) -> Fetched | None:
    async with reading(site, path) as source:
        (entry,) = (await list_source(source)).entries
        return await source.fetch(entry, into, known=known)


def sitemap(*urls: str) -> Page:
    return Page(("<urlset>" + "".join(f"<url><loc>{url}</loc></url>" for url in urls) + "</urlset>").encode())


def index(*urls: str) -> Page:
    parts = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return Page(f"<sitemapindex>{parts}</sitemapindex>".encode())


async def test_named_pages_are_listed_once_each_without_reading_them(site: Site) -> None:
    async with reading(site, "/b#top", "/a?x=1", "/b") as source:
        listing = await list_source(source)
    host = f"{HOST}:{site.port}"
    assert listing.entries == (
        Entry(f"{host}/b", None, uri=site.url("/b")),
        Entry(f"{host}/a?x=1", None, uri=site.url("/a?x=1")),
    )
    assert (listing.skipped, listing.error) == ((), None)
    assert site.paths() == []


async def test_a_page_is_fetched_with_its_digest_and_type(site: Site, tmp_path: Path) -> None:
    site.pages["/a"] = Page("<p>ü</p>".encode(), type="text/html; charset=utf-8")
    got = await fetched(site, "/a", tmp_path / "copy")
    digest = hashlib.sha256("<p>ü</p>".encode())
    assert (tmp_path / "copy").read_text("utf-8") == "<p>ü</p>"
    assert got == Fetched(
        digest.digest(), 9, f"sha256:{digest.hexdigest()}", "text/html; charset=utf-8", site.url("/a")
    )


async def test_we_say_who_we_are_and_whom_we_call(site: Site, tmp_path: Path) -> None:
    site.pages["/a"] = Page()
    await fetched(site, "/a", tmp_path / "copy")
    assert [call.path for call in site.calls] == ["/robots.txt", "/a"]
    for call in site.calls:
        assert call.host == HOST
        assert call.headers["User-Agent"] == "Groundwork/0.1"


@pytest.mark.parametrize(
    ("headers", "fingerprint"),
    [
        ({"ETag": '"1"'}, 'etag:"1"'),
        ({"ETag": 'W/"1"', "Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT"}, 'etag:W/"1"'),
        ({"Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT"}, "modified:Mon, 05 Jan 2026 10:00:00 GMT"),
    ],
)
async def test_a_page_that_did_not_change_is_not_sent_again(
    site: Site, tmp_path: Path, headers: dict[str, str], fingerprint: str
) -> None:
    site.pages["/a"] = Page(headers=headers)
    got = await fetched(site, "/a", tmp_path / "1")
    assert got is not None
    assert got.fingerprint == fingerprint
    assert await fetched(site, "/a", tmp_path / "2", known=fingerprint) is None
    assert not (tmp_path / "2").exists()
    site.pages["/a"] = Page(b"<p>new</p>", headers={"ETag": '"2"'})
    got = await fetched(site, "/a", tmp_path / "3", known=fingerprint)
    assert got is not None
    assert got.fingerprint == 'etag:"2"'


async def test_a_page_without_an_etag_is_told_by_its_content(site: Site, tmp_path: Path) -> None:
    site.pages["/a"] = Page(headers={"ETag": '"ü' + "x" * 600 + '"'})
    got = await fetched(site, "/a", tmp_path / "1")
    assert got is not None
    assert got.fingerprint.startswith("sha256:")
    again = await fetched(site, "/a", tmp_path / "2", known=got.fingerprint)
    assert again == got


async def test_a_host_that_says_unchanged_without_being_asked_fails(site: Site, tmp_path: Path) -> None:
    site.pages["/a"] = Page(b"", 304)
    with pytest.raises(UnavailableError, match="sends no page"):
        await fetched(site, "/a", tmp_path / "copy")


async def test_a_packed_page_is_unpacked(site: Site, tmp_path: Path) -> None:
    site.pages["/a"] = packed(b"<p>packed</p>" * 10)
    assert await fetched(site, "/a", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"<p>packed</p>" * 10


@pytest.mark.parametrize(
    "page",
    [Page(bytes(1001)), packed(bytes(1001)), packed(bytes(100_000_000)), Page(bytes(5000), promised=10**9)],
)
async def test_a_page_that_is_too_large_is_given_up(site: Site, tmp_path: Path, page: Page) -> None:
    site.pages["/a"] = page
    with pytest.raises(InvalidInputError, match="larger than 1 KB"):
        await fetched(site, "/a", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("page", "error", "message"),
    [
        (Page(status=404), NotFoundError, "no such page"),
        (Page(status=410), NotFoundError, "no such page"),
        (Page(status=401), InvalidInputError, "without a login"),
        (Page(status=403), InvalidInputError, "without a login"),
        (Page(status=418), InvalidInputError, "status 418"),
        (Page(status=206), InvalidInputError, "status 206"),
        (Page(status=302), InvalidInputError, "status 302"),
        (Page(status=429), UnavailableError, "busy"),
        (Page(status=503), UnavailableError, "busy"),
        (Page(status=500), UnavailableError, "status 500"),
        (Page(type="video/mp4"), InvalidInputError, "type video/mp4 are not taken"),
        (Page(type="application/octet-stream"), InvalidInputError, "not taken"),
        (Page(type=None), InvalidInputError, "without a type"),
        (Page(promised=100), UnavailableError, "breaks off"),
        (Page(headers={"Content-Encoding": "br"}), InvalidInputError, "packed in a way"),
        (Page(headers={"Content-Encoding": "gzip"}), UnavailableError, "broken"),
        (
            Page(gzip.compress(b"x" * 99)[:-3], headers={"Content-Encoding": "gzip"}),
            UnavailableError,
            "broken",
        ),
        (redirect("/loop"), InvalidInputError, "leads on more than 5 times"),
        (redirect("https://[::1"), UnavailableError, "breaks off"),
        (redirect("file:///etc/passwd"), InvalidInputError, "not an address"),
    ],
)
async def test_each_failure_is_told_apart(
    site: Site, tmp_path: Path, page: Page, error: type[GroundworkError], message: str
) -> None:
    site.pages["/a"] = page
    site.pages["/loop"] = redirect("/loop")
    with pytest.raises(error, match=message):
        await fetched(site, "/a", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


async def test_a_host_that_is_not_there_is_unavailable() -> None:
    with no_server() as gone:
        async with reading(gone, "/a") as source:
            assert "can't be reached" in str((await list_source(source)).error)


async def test_a_host_that_drips_is_given_up(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "DEADLINE_S", 0.5)
    site.pages["/a"] = Page(b"", promised=10**6, drip=True)
    started = time.monotonic()
    with pytest.raises(UnavailableError, match="takes longer"):
        await fetched(site, "/a", tmp_path / "copy")
    assert time.monotonic() - started < 60
    assert not (tmp_path / "copy").exists()


async def test_a_fetch_that_is_cancelled_leaves_nothing_behind(site: Site, tmp_path: Path) -> None:
    site.pages["/a"] = Page(promised=10**6, drip=True)
    fetching = asyncio.create_task(fetched(site, "/a", tmp_path / "copy"))
    await appears(tmp_path / "copy")
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert not (tmp_path / "copy").exists()


async def test_redirects_are_followed_to_pages_that_may_be_read(site: Site, tmp_path: Path) -> None:
    site.pages |= {"/a": redirect("/b", 301), "/b": redirect(site.url("/c"), 307), "/c": Page()}
    got = await fetched(site, "/a", tmp_path / "copy")
    assert got is not None
    assert got.uri == site.url("/c")


@pytest.mark.parametrize(
    "where",
    [
        "http://other.example:{port}/a",
        "http://127.0.0.1:{port}/a",
        "http://user:secret@docs.example:{port}/a",
        "http://docs.example:22/a",
        "//other.example:{port}/a",
        "/private/a",
        "/guide/../private/a",
        "/guide/..%2fprivate/a",
    ],
)
async def test_a_redirect_leads_nowhere_that_may_not_be_read(site: Site, tmp_path: Path, where: str) -> None:
    site.pages["/guide/a"] = redirect(where.format(port=site.port))
    site.pages["/a"] = site.pages["/private/a"] = Page()
    async with reading(site, "/guide/a", allow=(f"{HOST}/guide",)) as source:
        (entry,) = (await list_source(source)).entries
        with pytest.raises(InvalidInputError):
            await source.fetch(entry, tmp_path / "copy")
    assert site.paths() == ["/guide/a"]


async def test_pages_that_may_not_be_read_are_skipped_with_the_reason(site: Site) -> None:
    site.pages["/robots.txt"] = Page(b"User-agent: *\nDisallow: /*private", type="text/plain")
    pages = ("/a", "/private", "http://other.example/a", f"http://{HOST}:22/a")
    async with reading(site, *pages) as source:
        listing = await list_source(source)
    assert [entry.name for entry in listing.entries] == [f"{HOST}:{site.port}/a"]
    assert [(item.name, item.reason) for item in listing.skipped] == [
        (f"{HOST}:{site.port}/private", f"robots.txt of {HOST} asks not to read it"),
        ("other.example/a", "port 80 may not be called"),
        (f"{HOST}:22/a", "port 22 may not be called"),
    ]


async def test_robots_txt_holds_for_redirects_too(site: Site, tmp_path: Path) -> None:
    site.pages["/robots.txt"] = Page(b"User-agent: Groundwork\nDisallow: /private", type="text/plain")
    site.pages |= {"/a": redirect("/private"), "/private": Page()}
    with pytest.raises(InvalidInputError, match="robots"):
        await fetched(site, "/a", tmp_path / "copy")
    assert site.paths() == ["/a"]


@pytest.mark.parametrize(
    ("robots", "readable"),
    [
        (Page(status=404), True),
        (Page(status=403), True),
        (redirect("/robots.txt"), True),
        (Page(b"User-agent: *\nDisallow: /" + b"\n#" * 300_000, type="text/plain"), False),
        (packed(b"User-agent: *\nDisallow: /"), False),
    ],
)
async def test_a_host_allows_what_its_robots_txt_does_not_forbid(
    site: Site, robots: Page, readable: bool
) -> None:
    site.pages["/robots.txt"] = robots
    async with reading(site, "/a") as source:
        listing = await list_source(source)
    assert (len(listing.entries) == 1) is readable
    assert listing.error is None


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_host_that_fails_to_send_robots_txt_is_not_read(site: Site, status: int) -> None:
    site.pages["/robots.txt"] = Page(status=status)
    async with reading(site, "/a") as source:
        assert isinstance((await list_source(source)).error, UnavailableError)
        site.pages["/robots.txt"] = Page(status=404)
        assert (await list_source(source)).error is None  # and asked again


async def test_a_private_address_is_never_connected_to(site: Site) -> None:
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "10.0.0.1"):
        refusing = guard_of(site, allow="192.168.1.1", address=address)
        async with reading(site, "/a", guard=refusing) as source:
            error = (await list_source(source)).error
        assert isinstance(error, InvalidInputError)
        assert str(error) == f"{HOST} leads into a private network, which is not allowed"
    assert site.calls == []


async def test_a_name_that_changes_its_address_is_caught(site: Site, tmp_path: Path) -> None:
    """What is connected to is what was looked at: each connection resolves the name once."""
    answers = iter(["127.0.0.1", "127.0.0.2"])
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return [next(answers)]

    rebinding = AddressGuard(frozenset({"127.0.0.1"}), frozenset({site.port}), resolve)
    site.pages["/a"] = Page()
    site.pages["/robots.txt"] = Page(b"", headers={"Connection": "close"})
    async with reading(site, "/a", guard=rebinding) as source:
        (entry,) = (await list_source(source)).entries
        with pytest.raises(InvalidInputError, match="private network"):
            await source.fetch(entry, tmp_path / "copy")
    assert asked == [HOST, HOST]
    assert site.paths() == []


async def test_of_several_addresses_one_that_answers_is_used(site: Site) -> None:
    several = AddressGuard(
        frozenset({"127.0.0.1", "::1"}), frozenset({site.port}), lambda host, port: ["::1", "127.0.0.1"]
    )
    async with reading(site, "/a", guard=several) as source:
        assert (await list_source(source)).error is None


async def test_certificates_are_checked_against_the_hosts_name(tmp_path: Path) -> None:
    server, trusting = contexts(tmp_path, HOST)
    with serving(server) as site:
        site.pages["/a"] = Page()
        for host, verify, works in (
            (HOST, trusting, True),
            ("other.example", trusting, False),
            (HOST, True, False),
        ):
            client = web_client(site, host, verify=verify)
            source = WebSource(client, pages=[f"https://{host}:{site.port}/a"], max_bytes=1000)
            listing = await list_source(source)
            assert (listing.error is None) is works
            if works:
                assert await source.fetch(listing.entries[0], tmp_path / "copy")
            await client.aclose()


async def test_hosts_are_called_slowly(site: Site, tmp_path: Path) -> None:
    site.pages |= {f"/{number}": Page() for number in range(4)}
    began = time.monotonic()
    async with reading(site, *site.pages, interval_s=0.1) as source:
        entries = (await list_source(source)).entries
        await asyncio.gather(*(source.fetch(e, tmp_path / str(n)) for n, e in enumerate(entries)))
    assert len(site.calls) == 5
    assert site.none_before(began, interval_s=0.1)


async def test_a_host_can_ask_for_more_time(site: Site, tmp_path: Path) -> None:
    site.pages["/robots.txt"] = Page(b"User-agent: *\nCrawl-delay: 0.2\nDisallow:", type="text/plain")
    site.pages["/a"] = Page()
    began = time.monotonic()
    async with reading(site, "/a") as source:
        (entry,) = (await list_source(source)).entries
        for number in range(3):
            await source.fetch(entry, tmp_path / str(number))
    del site.calls[0]  # robots.txt, which says so
    assert site.none_before(began, interval_s=0.2)


async def test_a_busy_host_is_left_alone_for_a_while(site: Site, tmp_path: Path) -> None:
    site.pages |= {"/a": Page(status=429, headers={"Retry-After": "1"}), "/b": Page()}
    async with reading(site, "/a", "/b") as source:
        first, second = (await list_source(source)).entries
        with pytest.raises(UnavailableError, match="busy"):
            await source.fetch(first, tmp_path / "1")
        started = time.monotonic()
        assert await source.fetch(second, tmp_path / "2")
    assert time.monotonic() - started > 0.9


async def test_few_pages_are_read_at_a_time(site: Site, tmp_path: Path) -> None:
    site.pages |= {f"/{number}": Page(pause_s=0.05) for number in range(8)}
    async with reading(site, *site.pages) as source:
        entries = (await list_source(source)).entries
        await asyncio.gather(*(source.fetch(e, tmp_path / str(n)) for n, e in enumerate(entries)))
    assert site.most_open == 2


async def test_a_sitemap_lists_pages(site: Site) -> None:
    outside = "http://other.example/a"
    site.pages["/sitemap.xml"] = sitemap(
        site.url("/a"), site.url("/a#b"), outside, "not an address", site.url("/b")
    )
    async with reading(site, sitemaps=("/sitemap.xml",)) as source:
        listing = await list_source(source)
    assert [entry.uri for entry in listing.entries] == [site.url("/a"), site.url("/b")]
    assert [item.name for item in listing.skipped] == ["other.example/a", "not an address"]
    assert listing.error is None


async def test_an_index_leads_to_sitemaps_that_are_each_read_once(site: Site) -> None:
    site.pages |= {
        "/index.xml": index(
            site.url("/1.xml"), site.url("/2.xml.gz"), site.url("/index.xml"), site.url("/1.xml")
        ),
        "/1.xml": sitemap(site.url("/a")),
        "/2.xml.gz": Page(gzip.compress(sitemap(site.url("/b")).body), type="application/gzip"),
    }
    async with reading(site, sitemaps=("/index.xml",)) as source:
        listing = await list_source(source)
    assert [entry.uri for entry in listing.entries] == [site.url("/a"), site.url("/b")]
    assert sorted(site.paths()) == ["/1.xml", "/2.xml.gz", "/index.xml"]


async def test_a_sitemap_may_stand_above_the_pages_that_may_be_read(site: Site) -> None:
    site.pages["/sitemap.xml"] = sitemap(site.url("/guide/a"), site.url("/private"))
    async with reading(site, sitemaps=("/sitemap.xml",), allow=(f"{HOST}/guide",)) as source:
        listing = await list_source(source)
    assert [entry.uri for entry in listing.entries] == [site.url("/guide/a")]


@pytest.mark.parametrize(
    ("page", "error"),
    [
        (Page(status=404), NotFoundError),
        (Page(b"<urlset>"), UnreadableFileError),
        (Page(b"<html><br></html>"), UnreadableFileError),
        (redirect("http://other.example/1.xml"), InvalidInputError),
    ],
)
async def test_a_sitemap_that_can_not_be_read_makes_the_listing_incomplete(
    site: Site, page: Page, error: type[GroundworkError]
) -> None:
    site.pages |= {
        "/index.xml": index(site.url("/1.xml"), site.url("/2.xml")),
        "/1.xml": page,
        "/2.xml": sitemap(site.url("/b")),
    }
    async with reading(site, sitemaps=("/index.xml",)) as source:
        listing = await list_source(source)
    assert [entry.uri for entry in listing.entries] == [site.url("/b")]
    assert type(listing.error) is error
    assert "/1.xml" in str(listing.error)


async def test_a_site_can_not_lead_on_for_ever(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemap_reader, "MAX_SITEMAPS", 6)
    deep = {f"/{depth}.xml": index(site.url(f"/{depth + 1}.xml")) for depth in range(9)}
    wide = {"/wide.xml": index(*(site.url(f"/w{number}.xml") for number in range(9)))}
    site.pages |= deep | wide
    for start, message in (("/0.xml", "more than 3 indexes deep"), ("/wide.xml", "more than 6 sitemaps")):
        async with reading(site, sitemaps=(start,)) as source:
            assert message in str((await list_source(source)).error)
    assert len(site.paths()) == 5
