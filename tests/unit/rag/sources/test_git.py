import asyncio
import base64
import hashlib
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from dulwich.objects import Commit, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

from rag.errors import InvalidInputError, NotFoundError, UnavailableError
from rag.sources import Entry, Listing, git_copy, git_tree, list_source
from rag.sources import git as git_module
from rag.sources.addresses import AddressGuard
from rag.sources.git import GitSource
from rag.sources.git_address import GitAddress, Login, parse_git_address
from tests.unit.rag.sources.certificates import contexts
from tests.unit.rag.sources.git import (
    FOLDER,
    HAS_GIT,
    LINK,
    SUBMODULE,
    GitServer,
    commit,
    new_repository,
    serving_git,
    tag,
)

FILES = {"README.md": b"read me", "docs/a.md": b"a", "docs/b/c.md": b"c", "src/x.py": b"x"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "served").mkdir()
    return new_repository(tmp_path / "served" / "team")


@pytest.fixture(
    params=[
        pytest.param(False, id="dulwich"),
        pytest.param(True, id="git", marks=pytest.mark.skipif(not HAS_GIT, reason="needs git")),
    ]
)
def server(request: pytest.FixtureRequest, repository: Path) -> Iterator[GitServer]:
    with serving_git(repository.parent, by_git=request.param) as running:
        yield running


def noise(size: int, seed: int) -> bytes:
    """Bytes that no one can pack."""
    return hashlib.shake_128(bytes([seed])).digest(size)


def guard_of(server: GitServer, *, allow: str = "127.0.0.1") -> AddressGuard:
    return AddressGuard(frozenset({allow}), frozenset({server.port}), lambda host, port: ["127.0.0.1"])


def source(
    server: GitServer,
    cache: Path,
    where: str = "",
    *,
    path: str = "/team",
    max_bytes: int = 1000,
    guard: AddressGuard | None = None,
    login: Login | None = None,
) -> GitSource:
    address = parse_git_address("git+" + server.url(path) + where)
    guard = guard or guard_of(server)
    return GitSource(address, cache=cache / "cache", max_bytes=max_bytes, guard=guard, login=login)


def local(repository: Path, where: str = "", *, max_bytes: int = 1000) -> GitSource:
    address = parse_git_address(f"git+file://{repository}{where}")
    return GitSource(address, cache=repository / "unused", max_bytes=max_bytes, guard=AddressGuard())


def names(listing: Listing) -> list[str]:
    assert listing.error is None, listing.error
    return [entry.name for entry in listing.entries]


def reasons(listing: Listing) -> dict[str, str]:
    return {skipped.name: skipped.reason for skipped in listing.skipped}


async def test_a_folder_of_a_repository_is_listed_and_fetched(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    commit(repository, FILES)
    own = source(server, tmp_path, "#docs")
    listing = await list_source(own)
    assert names(listing) == ["a.md", "b/c.md"]
    assert listing.entries[0].fingerprint == "2e65efe2a145dda7ee51d1741299f848e5bf752e"  # git hash-object
    got = await own.fetch(listing.entries[1], tmp_path / "copy")
    assert got is not None
    assert (tmp_path / "copy").read_bytes() == b"c"
    assert got.content_sha256 == hashlib.sha256(b"c").digest()
    assert (got.byte_size, got.fingerprint) == (1, listing.entries[1].fingerprint)
    assert names(await list_source(source(server, tmp_path))) == sorted(FILES)


async def test_the_next_sync_sees_what_changed_and_fetches_only_that(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    large = {f"{number}.bin": noise(20_000, number) for number in range(20)}
    commit(repository, {**large, "a.md": b"old", "gone.md": b"x"})
    before = {
        e.name: e.fingerprint for e in (await list_source(source(server, tmp_path, max_bytes=10**6))).entries
    }
    sent = server.sent
    assert sent > 400_000
    commit(repository, {**large, "a.md": b"new", "more.md": b"x"})
    own = source(server, tmp_path, max_bytes=10**6)
    listing = await list_source(own)
    after = {e.name: e.fingerprint for e in listing.entries}
    assert {name for name, _ in before.items() ^ after.items()} == {"a.md", "gone.md", "more.md"}
    assert server.sent - sent < 5000 or not server.by_git  # dulwich's server sends all again
    for entry in listing.entries:
        assert await own.fetch(entry, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == {**large, "a.md": b"new", "more.md": b"x"}[entry.name]
    sent = server.sent
    assert {e.name: e.fingerprint for e in (await list_source(own)).entries} == after
    assert server.sent - sent < 1000  # nothing changed, nothing is sent


async def test_a_branch_or_a_tag_may_be_named(server: GitServer, repository: Path, tmp_path: Path) -> None:
    tagged = commit(repository, {"old.md": b"1"})
    tag(repository, "v1.0", tagged)
    commit(repository, {"new.md": b"2"})
    commit(repository, {"other.md": b"3"}, branch="feature/x")
    for where, name in (("", "new.md"), ("@main", "new.md"), ("@feature/x", "other.md"), ("@v1.0", "old.md")):
        assert names(await list_source(source(server, tmp_path, where))) == [name]
        assert names(await list_source(local(repository, where))) == [name]


async def test_a_history_is_not_fetched(server: GitServer, repository: Path, tmp_path: Path) -> None:
    for number in range(5):
        commit(repository, {"a.bin": noise(50_000, number)})
    assert names(await list_source(source(server, tmp_path, max_bytes=10**6))) == ["a.bin"]
    assert server.sent < 100_000


@pytest.mark.skipif(not HAS_GIT, reason="needs git")
async def test_files_that_are_too_large_are_not_even_sent(repository: Path, tmp_path: Path) -> None:
    commit(repository, {"a.bin": noise(500_000, 0), "b.bin": bytes(1000), "c.bin": bytes(1001)})
    with serving_git(repository.parent, by_git=True) as server:
        listing = await list_source(source(server, tmp_path))
        assert server.sent < 10_000
        assert names(listing) == ["b.bin"]
        assert set(reasons(listing)) == {"a.bin", "c.bin"}
        assert "larger than 1 KB" in reasons(listing)["a.bin"]
        # Later changes to a file that was left out can be received all the same.
        commit(repository, {"a.bin": b"small now", "c.bin": bytes(1001)})
        assert names(await list_source(source(server, tmp_path))) == ["a.bin"]


async def test_a_file_that_is_too_large_is_not_fetched(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    commit(repository, {"large.bin": bytes(1001)})
    for own in (local(repository), source(server, tmp_path)):
        for entry in (await list_source(own)).entries:
            with pytest.raises(InvalidInputError, match="larger than 1 KB"):
                await own.fetch(entry, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


async def test_what_is_no_plain_file_is_left_out(repository: Path) -> None:
    commit(
        repository,
        {
            "ok.md": b"x",
            "run.sh": (stat.S_IFREG | 0o755, b"x"),
            ".github/a.yml": b"x",
            ".gitignore": b"x",
            "link": (LINK, b"../../etc/passwd"),
            "other": (SUBMODULE, b"1" * 40),
            "caf\udce9.md": b"x",
            "ü.md": b"x",
        },
    )
    listing = await list_source(local(repository))
    assert names(listing) == ["ok.md", "run.sh", "ü.md"]
    assert reasons(listing) == {
        "link": "a link; what it leads to is taken where it is",
        "other": "a submodule, which is a repository of its own",
        "caf\\xe9.md": "its name is not text in UTF-8",
    }
    assert [skipped.name for skipped in listing.skipped if skipped.below] == ["link", "other"]


async def test_a_file_in_git_lfs_is_said_to_be_elsewhere(repository: Path, tmp_path: Path) -> None:
    commit(repository, {"a.pdf": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"})
    own = local(repository)
    (entry,) = (await list_source(own)).entries
    with pytest.raises(InvalidInputError, match="Git LFS"):
        await own.fetch(entry, tmp_path / "copy")


async def test_a_tree_without_end_is_given_up(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_tree, "MAX_FILES", 1000)
    commit(repository, {"a.md": b"x"})
    with closing(Repo(str(repository))) as opened:
        top = opened[opened.head()]
        assert isinstance(top, Commit)
        for _ in range(30):  # two folders that are the same, thirty times: a thousand million files
            outer = Tree()
            outer.add(b"a", FOLDER, top.tree)
            outer.add(b"b", FOLDER, top.tree)
            opened.object_store.add_object(outer)
            top.tree = outer.id
        opened.object_store.add_object(top)
        opened.refs[Ref(b"refs/heads/main")] = top.id
    error = (await list_source(local(repository))).error
    assert isinstance(error, InvalidInputError)
    assert "more than 1000 files" in str(error)


async def test_what_is_not_there_is_not_found(server: GitServer, repository: Path, tmp_path: Path) -> None:
    commit(repository, FILES)
    commit(repository, FILES, branch="other")
    for where, path, error, message in (
        ("", "/none", NotFoundError, "no Git repository"),
        ("@none", "/team", NotFoundError, "no branch none"),
        ("#docs/none", "/team", NotFoundError, "no folder docs/none"),
        ("#README.md", "/team", InvalidInputError, "README.md is not a folder"),
        ("#README.md/x", "/team", InvalidInputError, "not a folder"),
    ):
        for own in (source(server, tmp_path, where, path=path), local(repository.parent / path[1:], where)):
            found = (await list_source(own)).error
            assert type(found) is error
            assert message in str(found)


async def test_an_empty_repository_is_said_to_be_empty(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    for own in (source(server, tmp_path), local(repository)):
        error = (await list_source(own)).error
        assert isinstance(error, NotFoundError)
        assert "is empty" in str(error)


async def test_a_file_that_is_gone_is_not_found(repository: Path, tmp_path: Path) -> None:
    commit(repository, FILES)
    for fingerprint in ("1" * 40, None):
        with pytest.raises(NotFoundError):
            await local(repository).fetch(Entry("a.md", fingerprint), tmp_path / "copy")


async def test_a_private_address_is_never_connected_to(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    commit(repository, FILES)
    error = (await list_source(source(server, tmp_path, guard=guard_of(server, allow="10.0.0.1")))).error
    assert isinstance(error, InvalidInputError)
    assert "private network" in str(error)
    assert server.calls == []


async def test_a_redirect_leads_to_no_private_address(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    commit(repository, FILES)
    server.redirects["/moved"] = server.url("/team", host="inside.example")
    own = guard_of(server)
    wary = AddressGuard(
        own.allow_private,
        own.ports,
        lambda host, port: ["127.0.0.1" if host == "git.example" else "10.0.0.1"],
    )
    error = (await list_source(source(server, tmp_path, path="/moved", guard=wary))).error
    assert isinstance(error, InvalidInputError)
    assert "inside.example leads into a private network" in str(error)
    assert [call.partition("/")[0] for call in server.calls] == ["git.example"]
    assert names(await list_source(source(server, tmp_path, path="/moved")))  # for who may go there


async def test_certificates_are_checked_against_the_hosts_name(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(repository, FILES)
    context, _ = contexts(tmp_path, "git.example")
    with serving_git(repository.parent, by_git=False, context=context) as server:
        assert "can't be reached" in str((await list_source(source(server, tmp_path))).error)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
        assert names(await list_source(source(server, tmp_path))) == sorted(FILES)
        other = GitAddress(server.url("/team", host="other.example"))
        own = GitSource(other, cache=tmp_path, max_bytes=1000, guard=guard_of(server))
        assert "can't be reached" in str((await list_source(own)).error)


async def test_https_never_leads_to_http(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _ = contexts(tmp_path, "git.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    with (
        serving_git(repository.parent, by_git=False, context=context) as server,
        serving_git(repository.parent, by_git=False) as plain,
    ):
        server.redirects["/team"] = plain.url("/team")
        ports = frozenset({server.port, plain.port})
        guard = AddressGuard(frozenset({"127.0.0.1"}), ports, lambda host, port: ["127.0.0.1"])
        error = (await list_source(source(server, tmp_path, guard=guard))).error
        assert str(error) == "the repository leads from https to http"
        assert plain.calls == []


async def test_a_repository_asks_for_a_login(server: GitServer, repository: Path, tmp_path: Path) -> None:
    commit(repository, {"a.md": b"x"})
    server.authorization = "Basic " + base64.b64encode(b"reader:secret").decode()
    for login in (None, Login("reader", "wrong")):
        error = (await list_source(source(server, tmp_path, login=login))).error
        assert isinstance(error, InvalidInputError)
        assert "asks for a login" in str(error)
    login = Login("reader", "secret")
    assert names(await list_source(source(server, tmp_path, login=login))) == ["a.md"]
    assert "secret" not in repr(login)


async def test_a_repository_that_is_too_large_is_given_up(
    server: GitServer, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(repository, {"a.bin": noise(300_000, 0)})
    monkeypatch.setattr(git_module, "MAX_REPOSITORY_BYTES", 200_000)
    error = (await list_source(source(server, tmp_path, max_bytes=10**6))).error
    assert isinstance(error, InvalidInputError)
    assert str(error) == "the repository is larger than 200 KB"
    monkeypatch.setattr(git_module, "DEADLINE_S", -1.0)
    error = (await list_source(source(server, tmp_path, max_bytes=10**6))).error
    assert isinstance(error, UnavailableError)
    assert "takes too long" in str(error)
    assert not list((tmp_path / "cache").rglob("*.pack"))  # nothing of it is kept


async def test_a_host_that_is_no_git_server_is_unavailable(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    commit(repository, FILES)
    guard = guard_of(server)
    server.port = 1
    own = source(server, tmp_path, guard=AddressGuard(guard.allow_private, frozenset({1}), guard.resolve))
    assert isinstance((await list_source(own)).error, UnavailableError)


def damage(cache: Path) -> None:
    for pack in cache.rglob("*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:30] + bytes(1000))


async def test_a_damaged_copy_is_made_anew_by_the_next_sync(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    commit(repository, FILES)
    own = source(server, tmp_path)
    (*_, entry) = (await list_source(own)).entries
    damage(tmp_path / "cache")
    with pytest.raises(UnavailableError, match="damaged"):
        await own.fetch(entry, tmp_path / "copy")
    assert names(await list_source(own)) == sorted(FILES)
    assert await own.fetch(entry, tmp_path / "copy")


async def test_what_a_killed_process_left_behind_is_no_obstacle(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    commit(repository, FILES)
    await list_source(source(server, tmp_path))
    (copy,) = (tmp_path / "cache").glob("*.git")
    (copy / "shallow.lock").touch()
    (copy / "refs/heads/newest.lock").touch()
    commit(repository, {"new.md": b"x"})
    assert names(await list_source(source(server, tmp_path))) == ["new.md"]


async def test_copies_do_not_grow_for_ever(
    server: GitServer, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_copy, "MAX_PACKS", 3)
    for number in range(9):
        commit(repository, {f"{number}.md": bytes([number])})
        own = source(server, tmp_path)
        (entry,) = (await list_source(own)).entries
        assert await own.fetch(entry, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == bytes([number])
        assert len(list((tmp_path / "cache").rglob("*.pack"))) <= 3


@pytest.mark.skipif(not HAS_GIT, reason="needs git")
async def test_a_file_that_was_left_out_and_shrinks_is_received(repository: Path, tmp_path: Path) -> None:
    content = noise(40_000, 1)
    commit(repository, {"a.bin": content})
    with serving_git(repository.parent, by_git=True) as server:
        assert names(await list_source(source(server, tmp_path, max_bytes=30_000))) == []
        commit(repository, {"a.bin": content[:20_000]})  # sent as a piece of what we don't have
        own = source(server, tmp_path, max_bytes=30_000)
        (entry,) = (await list_source(own)).entries
        assert await own.fetch(entry, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == content[:20_000]


async def test_two_syncs_at_a_time_do_not_disturb_each_other(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    commit(repository, FILES)
    listings = await asyncio.gather(*(list_source(source(server, tmp_path)) for _ in range(4)))
    assert {tuple(names(listing)) for listing in listings} == {tuple(sorted(FILES))}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("git+https://docs.example/team/repo", GitAddress("https://docs.example/team/repo")),
        (
            "git+https://docs.example/r.git@main#docs/a/",
            GitAddress("https://docs.example/r.git", "main", "docs/a"),
        ),
        ("git+https://docs.example/r@feature/x", GitAddress("https://docs.example/r", "feature/x")),
        ("git+https://docs.example/@team/r@v%231", GitAddress("https://docs.example/@team/r", "v#1")),
        ("git+https://docs.example:8443/r#%C3%BC", GitAddress("https://docs.example:8443/r", None, "ü")),
        ("git+file:///srv/my%20repo@main#docs", GitAddress("file:///srv/my%20repo", "main", "docs")),
    ],
)
def test_an_address_names_repository_branch_and_folder(text: str, address: GitAddress) -> None:
    assert parse_git_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "git+ssh://git@docs.example/r",
        "git+git://docs.example/r",
        "git+docs.example/r",
        "git+https://",
        "git+https:///r",
        "git+https://user:secret@docs.example/r",
        "git+https://docs.example/r?x=1",
        "git+https://[::1/r",
        "git+file://host/srv/r",
        "git+file://[x",
        "git+ext::sh -c x",
    ],
)
def test_what_is_no_address_of_a_repository_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_git_address(text)


@pytest.mark.parametrize(
    ("text", "page"),
    [
        (
            "git+https://github.com/team/repo.git#docs",
            "https://github.com/team/repo/blob/HEAD/docs/%C3%BC.md",
        ),
        (
            "git+https://gitlab.com/team/repo@main#docs",
            "https://gitlab.com/team/repo/-/blob/main/docs/%C3%BC.md",
        ),
        ("git+https://docs.example/team/repo#docs", None),
        ("git+file:///srv/repo#docs", None),
    ],
)
def test_a_file_has_a_page_where_its_host_is_known_to_have_them(text: str, page: str | None) -> None:
    assert parse_git_address(text).page_of("docs/ü.md") == page
