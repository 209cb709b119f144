import gzip
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import InvalidInputError, UnreadableFileError
from rag.sources.inflate import PIECE, inflate
from rag.sources.sitemap import MAX_PAGES, Sitemap, parse_sitemap

PAGES = b"""\
<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
        xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
  <url>
    <image:image><image:loc>https://docs.example/a.png</image:loc></image:image>
    <loc> https://docs.example/a?x=1&amp;y=2 </loc><lastmod>2026-01-01</lastmod>
  </url>
  <url><loc>https://docs.example/b</loc></url>
  <url><loc/></url>
</urlset>"""
INDEX = b"""\
<sitemapindex><sitemap><loc>https://docs.example/1.xml</loc></sitemap>
<sitemap><loc>https://docs.example/2.xml.gz</loc></sitemap></sitemapindex>"""
BOMB = b"""<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>
<urlset><url><loc>&b;</loc></url></urlset>"""
EXTERNAL = (
    b"""<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><urlset><url><loc>&a;</loc></url></urlset>"""
)


def test_a_sitemap_lists_pages_and_an_index_sitemaps() -> None:
    assert parse_sitemap(PAGES) == Sitemap(["https://docs.example/a?x=1&y=2", "https://docs.example/b"], [])
    assert parse_sitemap(INDEX) == Sitemap(
        [], ["https://docs.example/1.xml", "https://docs.example/2.xml.gz"]
    )


@pytest.mark.parametrize(
    "data", [gzip.compress(PAGES), gzip.compress(PAGES[:50]) + gzip.compress(PAGES[50:])]
)
def test_a_packed_sitemap_is_unpacked(data: bytes) -> None:
    assert parse_sitemap(data) == parse_sitemap(PAGES)


def test_a_sitemap_may_be_one_address_a_line() -> None:
    text = "\ufeffhttps://docs.example/a\r\n\r\nhttps://docs.example/ü\n"
    assert parse_sitemap(text.encode()).pages == ["https://docs.example/a", "https://docs.example/ü"]


@pytest.mark.parametrize(
    "data",
    [
        b"<urlset><url>",
        b"<!DOCTYPE html><html><body>Not found</body></html>",
        BOMB,
        EXTERNAL,
        b'<?xml version="1.0" encoding="none-such"?><urlset/>',
        b"Not found",
        gzip.compress(PAGES)[:-9],
        b"\x1f\x8b" + b"x" * 20,
    ],
)
def test_what_is_no_sitemap_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableFileError, match="sitemap"):
        parse_sitemap(data)


def test_a_sitemap_that_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="larger than 50 MB"):
        parse_sitemap(gzip.compress(b"<!--" + b" " * (50 * 1024 * 1024), compresslevel=1))
    lines = b"https://docs.example/a\n" * (MAX_PAGES + 1)
    xml = b"<urlset>" + b"<url><loc>a</loc></url>" * (MAX_PAGES + 1) + b"</urlset>"
    for data in (lines, xml):
        with pytest.raises(InvalidInputError, match="more than 50000"):
            parse_sitemap(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(InvalidInputError):
        parse_sitemap(data)


@given(st.binary(max_size=300), st.integers(1, 50), st.booleans())
def test_packed_data_comes_out_whole_however_it_was_cut(data: bytes, size: int, as_gzip: bool) -> None:
    packed = gzip.compress(data) if as_gzip else zlib.compress(data)
    cut = [packed[start : start + size] for start in range(0, len(packed), size)]
    assert b"".join(inflate(cut)) == data


def test_a_bomb_comes_out_in_small_pieces() -> None:
    pieces = inflate([gzip.compress(bytes(50_000_000))])
    assert max(map(len, pieces)) <= PIECE
