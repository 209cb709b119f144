"""Fetches the newest commit of a branch into a bare repository on disk."""

import os
from contextlib import suppress
from tempfile import SpooledTemporaryFile

import urllib3
from dulwich.client import LsRemoteResult, Urllib3HttpGitClient
from dulwich.object_store import peel_sha
from dulwich.objects import ObjectID
from dulwich.refs import Ref
from dulwich.repo import Repo

from rag.errors import InvalidInputError, NotFoundError
from rag.sources.git_address import GitAddress, Login

_NEWEST = Ref(b"refs/heads/newest")  # what our copy calls the commit that was fetched last
PACK_IN_MEMORY = 16 * 1024 * 1024  # bytes; a larger one goes to disk


def fetch_newest(
    copy: Repo,
    address: GitAddress,
    *,
    pool: urllib3.PoolManager,
    max_bytes: int,
    login: Login | None,
) -> ObjectID:
    """The newest commit of the branch, which is in the copy then.

    Of it, files larger than `max_bytes` are left out if the server can do that.

    Raises:
        NotFoundError: There is no such branch.
        InvalidInputError: The server speaks only the protocol of plain files.
    """
    client = Urllib3HttpGitClient(
        address.url,
        pool_manager=pool,
        quiet=True,
        username=login.user if login else None,
        password=login.password if login else None,
    )
    names = _names(address.branch)
    found = client.get_refs("", ref_prefix=names)
    if client.dumb:
        raise InvalidInputError("the server does not speak Git's smart protocol")
    if found.object_format not in {None, "sha1"}:
        raise InvalidInputError("repositories with SHA-256 names of objects are not read")
    tip = _tip_of(found, names, address)
    if tip not in copy.object_store:
        _receive(client, copy, tip, names, max_bytes=max_bytes)
    commit = peel_sha(copy.object_store, tip)[1].id  # a tag may be an object of its own
    copy.refs[_NEWEST] = commit
    return commit


def _receive(
    client: Urllib3HttpGitClient, copy: Repo, tip: ObjectID, names: list[bytes], *, max_bytes: int
) -> None:
    """Put the tip, without its history, into the copy."""
    with SpooledTemporaryFile(max_size=PACK_IN_MEMORY, dir=os.fspath(copy.object_store.path)) as pack:
        result = client.fetch_pack(
            "",
            lambda refs, depth=None: [tip],
            copy.get_graph_walker(),
            pack.write,
            depth=1,
            ref_prefix=names,
            filter_spec=b"blob:limit=%d" % (max_bytes + 1),  # the server leaves out what has that size
        )
        if pack.tell():
            pack.seek(0)
            copy.object_store.add_thin_pack(pack.read, None)
    copy.update_shallow(result.new_shallow, result.new_unshallow)


def _names(branch: str | None) -> list[bytes]:
    if branch is None:
        return [b"HEAD"]
    name = branch.encode()
    return [b"refs/heads/" + name, b"refs/tags/" + name]


def _tip_of(found: LsRemoteResult, names: list[bytes], address: GitAddress) -> ObjectID:
    for name in names:
        tip = found.refs.get(Ref(name))
        if tip is not None:
            return tip
    raise no_branch(address)


def local_commit(repository: Repo, address: GitAddress) -> ObjectID:
    """The newest commit of the branch in a local repository.

    Raises:
        NotFoundError: There is no such branch.
    """
    for name in _names(address.branch):
        with suppress(KeyError):  # that of an empty repository leads nowhere
            return repository.get_peeled(Ref(name))
    raise no_branch(address)


def no_branch(address: GitAddress) -> NotFoundError:
    if address.branch is None:
        return NotFoundError(f"the repository {address.url} is empty")
    return NotFoundError(f"the repository {address.url} has no branch {address.branch}")
