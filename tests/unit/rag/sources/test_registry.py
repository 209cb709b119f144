from pathlib import Path

import pytest

from rag.errors import InvalidInputError
from rag.sources import SourceOptions, list_source, open_source
from rag.sources.addresses import AddressGuard
from tests.unit.rag.sources.git import commit, new_repository, serving_git
from tests.unit.rag.sources.site import HOST, Page, guard_of, serving

HERE = SourceOptions(max_bytes=1000, local=True)
REMOTE = SourceOptions(max_bytes=1000, allow=(HOST,))


@pytest.mark.parametrize(
    ("address", "options", "name"),
    [
        ("s3://bucket/some/folder", REMOTE, "s3://bucket/some/folder/"),
        ("s3://bucket", REMOTE, "s3://bucket/"),
        ("s3://bucket/odd?key#1", REMOTE, "s3://bucket/odd?key#1/"),
        ("https://docs.example/a#b", REMOTE, "https://docs.example/a"),
        ("git+https://docs.example/repo@main#docs", REMOTE, "git+https://docs.example/repo@main#docs"),
        ("git+file:///srv/r%20x@main", HERE, "git+file:///srv/r%20x@main"),
        ("git+file:///srv/repo", HERE, "git+file:///srv/repo"),
        ("/srv/docs", HERE, "/srv/docs"),
        ("file:///srv/my%20docs", HERE, "/srv/my docs"),
    ],
)
async def test_an_address_opens_the_source_of_its_kind(
    address: str, options: SourceOptions, name: str
) -> None:
    async with open_source(address, options) as source:
        assert source.name == name


@pytest.mark.parametrize("address", ["/etc", "docs", "file:///etc", "git+file:///srv/repo", ""])
async def test_nothing_of_this_machine_is_read_for_callers_from_elsewhere(address: str) -> None:
    with pytest.raises(InvalidInputError, match="this machine"):
        async with open_source(address, REMOTE):
            pass


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ftp://docs.example/a", "begin with ftp://"),
        ("s3:///key", "names no bucket"),
        ("git+ssh://docs.example/repo", "not a Git address"),
        ("https://[::1", "not an address"),
    ],
)
async def test_an_address_of_no_source_is_refused(address: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        async with open_source(address, REMOTE):
            pass


async def test_no_host_is_read_that_is_not_named() -> None:
    with pytest.raises(InvalidInputError, match="none is"):
        async with open_source("https://docs.example/a", SourceOptions(max_bytes=1000)):
            pass


@pytest.mark.parametrize("path", ["/sitemap.xml", "/a/b.XML", "/sitemap-1.xml.gz", "/sitemap.txt"])
async def test_an_address_that_looks_like_a_sitemap_is_read_as_one(path: str) -> None:
    with serving() as site:
        site.pages[path] = Page(site.url("/a").encode())
        options = SourceOptions(max_bytes=1000, allow=(HOST,), guard=guard_of(site), interval_s=0)
        async with open_source(site.url(path), options) as source:
            listing = await list_source(source)
        assert [entry.uri for entry in listing.entries] == [site.url("/a")]


async def test_a_folder_is_read_from_end_to_end(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("content")
    async with open_source(str(tmp_path / "docs"), HERE) as source:
        (entry,) = (await list_source(source)).entries
        assert await source.fetch(entry, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "content"


async def test_a_repository_without_a_cache_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    repository = new_repository(tmp_path / "served" / "team")
    commit(repository, {"a.md": b"x"})
    with serving_git(repository.parent, by_git=False) as server:
        guard = AddressGuard(
            frozenset({"127.0.0.1"}), frozenset({server.port}), lambda host, port: ["127.0.0.1"]
        )
        options = SourceOptions(max_bytes=1000, guard=guard)
        async with open_source("git+" + server.url("/team"), options) as source:
            (entry,) = (await list_source(source)).entries
            assert list((tmp_path / "temporary").rglob("*.pack"))
            assert await source.fetch(entry, tmp_path / "copy")
    assert list((tmp_path / "temporary").iterdir()) == []
