import asyncio
import hashlib
import os
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from rag.ingest import MAX_NAME_BYTES as TAKEN_BYTES
from rag.ingest import check_name
from rag.sources import Entry, Listing, list_source
from rag.sources.folder import FolderSource
from rag.sources.types import MAX_NAME_BYTES, why_unnamable
from tests.unit.rag.sources.waiting import appears

as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "docs"
    made.mkdir()
    return made


def write(path: Path, content: bytes = b"content") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def source(folder: Path, *, max_bytes: int = 1000) -> FolderSource:
    return FolderSource(folder, max_bytes=max_bytes)


async def listed(folder: Path, *, max_bytes: int = 1000) -> Listing:
    listing = await list_source(source(folder, max_bytes=max_bytes))
    assert listing.error is None
    return listing


def names(listing: Listing) -> list[str]:
    return [entry.name for entry in listing.entries]


def reasons(listing: Listing) -> dict[str, str]:
    return {skipped.name: skipped.reason for skipped in listing.skipped}


async def test_all_files_are_listed_by_their_path_in_order(folder: Path) -> None:
    for name in ("b.txt", "a/z.txt", "a/b/c.md", "a.txt", "ü/日本 语.md", "a-b/x.txt"):
        write(folder / name)
    listing = await listed(folder)
    assert names(listing) == ["a/b/c.md", "a/z.txt", "a-b/x.txt", "a.txt", "b.txt", "ü/日本 语.md"]
    assert listing.skipped == ()
    assert {entry.size for entry in listing.entries} == {7}


async def test_hidden_files_and_folders_are_left_out(folder: Path) -> None:
    for name in (".git/config", ".DS_Store", "a/.b/c.txt", "a/d.txt"):
        write(folder / name)
    listing = await listed(folder)
    assert names(listing) == ["a/d.txt"]
    assert listing.skipped == ()


async def test_a_folder_inside_a_hidden_one_can_be_a_source(tmp_path: Path) -> None:
    write(tmp_path / ".docs" / "a.txt")
    assert names(await listed(tmp_path / ".docs")) == ["a.txt"]


async def test_the_fingerprint_changes_with_size_or_time(folder: Path) -> None:
    path = write(folder / "a.txt")
    os.utime(path, ns=(1, 1))
    seen = []
    for content, time_ns in ((b"content", 1), (b"longer content", 1), (b"content", 2)):
        path.write_bytes(content)
        os.utime(path, ns=(1, time_ns))
        seen.append((await listed(folder)).entries[0].fingerprint)
    assert seen == ["7-1", "14-1", "7-2"]


async def test_a_file_is_fetched_whole_with_its_digest(folder: Path, tmp_path: Path) -> None:
    content = os.urandom(700_000)
    write(folder / "a/b.pdf", content)
    own = source(folder, max_bytes=700_000)
    (entry,) = (await list_source(own)).entries
    fetched = await own.fetch(entry, tmp_path / "copy")
    assert fetched is not None
    assert (tmp_path / "copy").read_bytes() == content
    assert fetched.content_sha256 == hashlib.sha256(content).digest()
    assert (fetched.byte_size, fetched.fingerprint) == (700_000, entry.fingerprint)


async def test_links_to_files_inside_are_read_and_all_others_are_not(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "secret.txt")
    write(folder / ".data/real.txt", b"through a link")
    write(folder / "sub/x.txt")
    links = {
        "inside.txt": ".data/real.txt",
        "outside.txt": "../secret.txt",
        "absolute.txt": str(tmp_path / "secret.txt"),
        "outside": "..",
        "folder": "sub",
        "loop": "loop",
        "sub/up": "..",
        "nowhere": "no-such-file",
        "sibling": "../docs-other",
    }
    write(tmp_path / "docs-other/x.txt")
    for name, target in links.items():
        (folder / name).symlink_to(target)
    listing = await listed(folder)
    assert names(listing) == ["inside.txt", "sub/x.txt"]
    outside = "a link that leads out of the folder"
    to_folder = "a link to a folder; its files are taken where they are"
    assert reasons(listing) == {
        "outside.txt": outside,
        "absolute.txt": outside,
        "outside": outside,
        "sibling": outside,
        "folder": to_folder,
        "sub/up": to_folder,
        "loop": "a link that leads in a circle",
        "nowhere": "it is gone, or a link that leads nowhere",
    }
    assert await source(folder).fetch(listing.entries[0], tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"through a link"


@pytest.mark.parametrize("name", ["../secret.txt", "a/../../secret.txt", "{absolute}", "link.txt"])
async def test_nothing_outside_the_folder_is_fetched(folder: Path, tmp_path: Path, name: str) -> None:
    secret = write(tmp_path / "secret.txt")
    write(folder / "a/b.txt")
    (folder / "link.txt").symlink_to(secret)  # put in the place of a file since it was listed
    entry = Entry(name.format(absolute=secret), "1")
    with pytest.raises(InvalidInputError, match="leads out of the folder"):
        await source(folder).fetch(entry, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


async def test_the_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    write(folder / "a.txt")
    (tmp_path / "link").symlink_to(folder)
    own = source(tmp_path / "link")
    listing = await list_source(own)
    assert names(listing) == ["a.txt"]
    assert await own.fetch(listing.entries[0], tmp_path / "copy")


async def test_pipes_and_sockets_are_skipped_and_never_waited_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(folder / "pipe")
    monkeypatch.chdir(folder)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
        listing = await listed(folder)
    assert reasons(listing) == dict.fromkeys(("pipe", "socket"), "not a file but a pipe, socket or device")
    with pytest.raises(InvalidInputError, match="pipe"):
        await source(folder).fetch(Entry("pipe", "1"), tmp_path / "copy")


async def test_names_that_are_not_text_are_skipped(folder: Path) -> None:
    os.close(os.open(os.fsencode(folder) + b"/caf\xe9.txt", os.O_CREAT))
    (folder / os.fsdecode(b"d\xff")).mkdir()
    write(folder / ("long/" * 210 + "x.txt"))
    write(folder / "ok.txt")
    listing = await listed(folder)
    assert names(listing) == ["ok.txt"]
    assert reasons(listing) == {
        "caf\\xe9.txt": "its name is not text in UTF-8",
        "d\\xff": "its name is not text in UTF-8",
        "long/" * 205 + "long": "its path is longer than 1024 bytes",
    }


@given(st.text(max_size=20) | st.text("ü", min_size=500, max_size=520))
def test_only_names_are_listed_that_ingestion_takes(name: str) -> None:
    assert MAX_NAME_BYTES == TAKEN_BYTES
    try:
        check_name(name)
    except InvalidInputError:
        assert why_unnamable(name)
    else:
        assert why_unnamable(name) is None


async def test_a_file_that_is_too_large_is_skipped_and_not_fetched(folder: Path, tmp_path: Path) -> None:
    write(folder / "large.pdf", bytes(2_500_001))
    write(folder / "just.pdf", bytes(2_500_000))
    listing = await listed(folder, max_bytes=2_500_000)
    assert names(listing) == ["just.pdf"]
    assert reasons(listing) == {"large.pdf": "it has 2.5 MB; at most 2.5 MB are taken"}
    with pytest.raises(InvalidInputError, match=r"larger than 2\.5 MB"):
        await source(folder, max_bytes=2_500_000).fetch(Entry("large.pdf", "1"), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@as_root
async def test_what_may_not_be_read_is_said_and_does_not_keep_the_rest_out(
    folder: Path, tmp_path: Path
) -> None:
    write(folder / "closed/a.txt")
    write(folder / "ok.txt")
    closed_file = write(folder / "private.txt")
    closed_file.chmod(0)
    (folder / "closed").chmod(0)
    try:
        listing = await listed(folder)
        with pytest.raises(InvalidInputError, match="may not be read"):
            await source(folder).fetch(Entry("private.txt", "1"), tmp_path / "copy")
        with pytest.raises(InvalidInputError, match="may not be read"):
            await source(folder).fetch(Entry("closed/a.txt", "1"), tmp_path / "copy")
        (closed,) = listing.skipped
        assert (closed.name, closed.below) == ("closed", True)
        assert "may not be read" in closed.reason
        assert names(listing) == ["ok.txt", "private.txt"]
    finally:
        (folder / "closed").chmod(0o700)


async def test_a_folder_that_is_not_there_is_an_error_and_no_empty_list(folder: Path) -> None:
    for path, error in ((folder / "no", NotFoundError), (write(folder / "a.txt"), InvalidInputError)):
        listing = await list_source(source(path))
        assert isinstance(listing.error, error)
    (folder / "loop").symlink_to("loop")
    assert isinstance((await list_source(source(folder / "loop"))).error, InvalidInputError)
    assert (await list_source(source(folder))).error is None


async def test_a_file_that_is_gone_is_not_found(folder: Path, tmp_path: Path) -> None:
    write(folder / "a.txt")
    for name in ("b.txt", "a.txt/b", "none/b.txt"):
        with pytest.raises(NotFoundError):
            await source(folder).fetch(Entry(name, "1"), tmp_path / "copy")


@contextmanager
def growing(path: Path) -> Iterator[None]:
    """Meanwhile the file gets longer, and longer."""
    end = threading.Event()

    def grow() -> None:
        while not end.wait(0.001):
            with path.open("ab") as file:
                file.write(b"x" * 10_000)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


async def test_a_file_that_keeps_changing_is_not_taken(folder: Path, tmp_path: Path) -> None:
    path = write(folder / "log.txt", bytes(40_000_000))
    with growing(path), pytest.raises(ConflictError, match="being changed"):
        await source(folder, max_bytes=10**10).fetch(Entry("log.txt", "1"), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


async def test_a_file_that_changes_once_is_read_again(folder: Path, tmp_path: Path) -> None:
    path = write(folder / "a.txt", bytes(30_000_000))
    own = source(folder, max_bytes=10**8)
    fetching = asyncio.create_task(own.fetch(Entry("a.txt", "1"), tmp_path / "copy"))
    await appears(tmp_path / "copy")
    path.write_bytes(b"new")
    fetched = await fetching
    assert fetched is not None
    assert (tmp_path / "copy").read_bytes() == b"new"
    assert fetched.fingerprint == f"3-{path.stat().st_mtime_ns}"


async def test_a_file_that_can_not_be_written_is_said_plainly(folder: Path, tmp_path: Path) -> None:
    write(folder / "a.txt")
    with pytest.raises(UnavailableError, match="can't be kept: No such file or directory"):
        await source(folder).fetch(Entry("a.txt", "1"), tmp_path / "none" / "copy")


async def test_a_disk_that_takes_no_more_is_said_plainly(folder: Path, tmp_path: Path) -> None:
    write(folder / "a.txt", bytes(3_000_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(UnavailableError, match="can't be kept: File too large"):
            await source(folder, max_bytes=10**7).fetch(Entry("a.txt", "1"), tmp_path / "copy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "copy").exists()


async def test_a_fetch_that_is_cancelled_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    write(folder / "a.txt", bytes(50_000_000))
    own = source(folder, max_bytes=10**8)
    fetching = asyncio.create_task(own.fetch(Entry("a.txt", "1"), tmp_path / "copy"))
    await appears(tmp_path / "copy")
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert not (tmp_path / "copy").exists()


async def test_listing_does_not_hold_up_the_event_loop(folder: Path) -> None:
    for number in range(1200):
        write(folder / f"{number % 7}/{number}.txt")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    listing = await listed(folder)
    ticking.cancel()
    assert len(listing.entries) == 1200
    assert ticks > 10
