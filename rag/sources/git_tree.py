"""What a commit holds below a folder."""

import stat
from collections.abc import Iterator

from dulwich.errors import ObjectFormatException
from dulwich.object_store import BaseObjectStore
from dulwich.objects import S_ISGITLINK, Commit, ObjectID, Tree

from rag.errors import InvalidInputError, NotFoundError
from rag.sources.files import readable_size
from rag.sources.git_address import GitAddress
from rag.sources.types import Entry, Skipped, is_hidden, why_unnamable

MAX_FILES = 200_000  # a tree can name the same folder many times over, and so be endless
MAX_DEPTH = 100  # folders in folders


def files_below(
    store: BaseObjectStore, commit: ObjectID, address: GitAddress, *, max_bytes: int
) -> Iterator[Entry | Skipped]:
    """The files, in the order of their paths below the folder.

    Raises:
        NotFoundError: There is no such folder.
        InvalidInputError: It is a file, or holds too much.
    """
    waiting = [("", stat.S_IFDIR, _folder(store, commit, address))]
    seen = 0
    while waiting:
        path, mode, object_id = waiting.pop()
        seen += 1
        if seen > MAX_FILES or path.count("/") > MAX_DEPTH:
            raise InvalidInputError(f"the repository holds more than {MAX_FILES} files, or is too deep")
        if is_hidden(path):
            continue
        if stat.S_ISDIR(mode):
            waiting += _inside(store, object_id, path)
            continue
        reason = _why_not(store, mode, object_id, path, max_bytes)
        if reason is not None:
            yield Skipped(_printable(path), reason, below=not stat.S_ISREG(mode))
        else:
            whole = f"{address.folder}/{path}" if address.folder else path
            yield Entry(path, object_id.decode("ascii"), uri=address.page_of(whole))


def _folder(store: BaseObjectStore, commit: ObjectID, address: GitAddress) -> ObjectID:
    found = store[commit]
    if not isinstance(found, Commit):
        raise NotFoundError(f"{address.branch} of {address.url} names no commit")
    tree: ObjectID = found.tree
    for name in address.folder.encode("utf-8", "surrogateescape").split(b"/") if address.folder else ():
        inside = store[tree]
        if not isinstance(inside, Tree) or name not in inside:
            raise NotFoundError(f"the repository {address.url} has no folder {address.folder}")
        mode, tree = inside[name]
        if not stat.S_ISDIR(mode):
            raise InvalidInputError(f"{address.folder} is not a folder of {address.url}")
    return tree


def _inside(store: BaseObjectStore, tree: ObjectID, path: str) -> list[tuple[str, int, ObjectID]]:
    """What is in a folder, last one first."""
    found = store[tree]
    if not isinstance(found, Tree):
        raise ObjectFormatException(f"{tree!r} is not a tree")
    prefix = f"{path}/" if path else ""
    items = [
        (prefix + item.path.decode("utf-8", "surrogateescape"), item.mode, item.sha)
        for item in found.iteritems(name_order=True)
    ]
    return items[::-1]


def _why_not(store: BaseObjectStore, mode: int, object_id: ObjectID, path: str, max_bytes: int) -> str | None:
    if S_ISGITLINK(mode):
        return "a submodule, which is a repository of its own"
    if stat.S_ISLNK(mode):
        return "a link; what it leads to is taken where it is"
    if not stat.S_ISREG(mode):
        return "neither a file nor a folder"
    reason = why_unnamable(path)
    if reason is None and object_id not in store:
        return f"it is larger than {readable_size(max_bytes)}, the most that is taken"
    return reason


def _printable(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
