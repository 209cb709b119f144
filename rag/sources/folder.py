"""A folder of this machine, with all below it."""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import BinaryIO

from rag.errors import ConflictError, GroundworkError, InvalidInputError, NotFoundError, UnavailableError
from rag.sources.files import PIECE, readable_size, receiving
from rag.sources.threads import iterate_in_thread, write_in_thread
from rag.sources.types import Entry, Fetched, Skipped, is_hidden, why_unnamable

READS = 3  # a file that changes while it is read is read this often before it is given up
PAUSE_S = 0.2  # between two reads: what writes a file is often done by then
_OUTSIDE = "a link that leads out of the folder"
_SPECIAL = "not a file but a pipe, socket or device"


class FolderSource:
    """Files in the order of their paths. What is hidden (a name that begins with a dot) is left out.

    Links to files inside the folder are read, links that lead out of it never; a link to a folder is not
    followed, because the files are found where they are. A file counts as changed when its size or time of
    change does.

    Args:
        folder: May itself be a link.
        max_bytes: Larger files are skipped.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    @property
    def name(self) -> str:
        return self._folder.absolute().as_posix()

    def entries(self) -> AsyncIterator[Entry | Skipped]:
        return iterate_in_thread(self._walk())

    async def fetch(self, entry: Entry, into: Path, *, known: str | None = None) -> Fetched | None:
        for attempt in range(READS):
            if attempt:
                await asyncio.sleep(PAUSE_S)
            fetched = await write_in_thread(lambda stop: self._copy(entry.name, into, stop), into)
            if fetched is not None:
                return fetched
        raise ConflictError("the file was being changed while it was read; try again later")

    def _root(self) -> Path:
        try:
            root = Path(os.path.realpath(self._folder, strict=True))
        except FileNotFoundError as exc:
            raise NotFoundError(f"there is no folder {self._folder}") from exc
        except OSError as exc:
            raise _unreadable(f"the folder {self._folder}", exc) from exc
        if not root.is_dir():
            raise InvalidInputError(f"{self._folder} is not a folder")
        return root

    def _walk(self) -> Iterator[Entry | Skipped]:
        root = self._root()
        try:
            waiting = _names_in(root, "")  # last one first
        except OSError as exc:
            raise _unreadable(f"the folder {self._folder}", exc) from exc
        while waiting:
            name = waiting.pop()
            if is_hidden(name):
                continue
            reason = why_unnamable(name)
            if reason is not None:
                yield Skipped(_printable(name), reason, below=True)
                continue
            try:
                found = os.lstat(f"{root}/{name}")
                if stat.S_ISDIR(found.st_mode):
                    waiting += _names_in(root / name, name)
                else:
                    yield self._listed(root, name, found)
            except OSError as exc:
                yield Skipped(name, _reason(exc), below=True)

    def _listed(self, root: Path, name: str, found: os.stat_result) -> Entry | Skipped:
        if stat.S_ISLNK(found.st_mode):
            target = Path(os.path.realpath(root / name, strict=True))
            if not target.is_relative_to(root):
                return Skipped(name, _OUTSIDE, below=True)
            found = target.lstat()
            if stat.S_ISDIR(found.st_mode):
                return Skipped(name, "a link to a folder; its files are taken where they are", below=True)
        if not stat.S_ISREG(found.st_mode):
            return Skipped(name, _SPECIAL)
        if found.st_size > self._max_bytes:
            sizes = f"{readable_size(found.st_size)}; at most {readable_size(self._max_bytes)} are taken"
            return Skipped(name, f"it has {sizes}")
        return Entry(name, _fingerprint(found), size=found.st_size)

    def _copy(self, name: str, into: Path, stop: Event) -> Fetched | None:
        """What was read; None, and no file, if it changed meanwhile."""
        try:
            file = _open_below(self._root(), name)
        except OSError as exc:
            raise _failed(exc) from exc
        with closing(file):
            before = os.fstat(file.fileno())
            with receiving(into, max_bytes=self._max_bytes) as received:
                # One byte more than there was shows that it grows, without running after whoever writes.
                received.write_all(_pieces(file, before.st_size + 1), stop)
            after = os.fstat(file.fileno())
        if _fingerprint(before) != _fingerprint(after) or received.byte_size != after.st_size:
            into.unlink()
            return None
        return Fetched(received.sha256, received.byte_size, _fingerprint(after))


def _names_in(folder: Path, name: str) -> list[str]:
    """The paths in a folder, below the root, last one first."""
    prefix = f"{name}/" if name else ""
    with os.scandir(folder) as found:
        return sorted((prefix + item.name for item in found), reverse=True)


def _open_below(root: Path, name: str) -> BinaryIO:
    """The file, which is below `root` even if a link was put in its place this moment.

    Raises:
        InvalidInputError: It is outside, or not a file.
    """
    # Not blocking: to open a pipe would wait for someone to write into it.
    descriptor = os.open(root / name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    file = os.fdopen(descriptor, "rb", buffering=0)
    try:
        _check_opened(os.fstat(descriptor), root, name)
    except BaseException:
        file.close()
        raise
    return file


def _check_opened(opened: os.stat_result, root: Path, name: str) -> None:
    target = Path(os.path.realpath(root / name, strict=True))
    if not target.is_relative_to(root) or not os.path.samestat(opened, target.lstat()):
        raise InvalidInputError(_OUTSIDE)
    if not stat.S_ISREG(opened.st_mode):
        raise InvalidInputError(_SPECIAL)


def _pieces(file: BinaryIO, limit: int) -> Iterator[bytes]:
    while limit > 0:
        try:
            piece = file.read(min(PIECE, limit))
        except OSError as exc:
            raise _failed(exc) from exc
        if not piece:
            return
        limit -= len(piece)
        yield piece


def _fingerprint(found: os.stat_result) -> str:
    return f"{found.st_size}-{found.st_mtime_ns}"


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace").replace("\0", "")


def _reason(exc: OSError) -> str:
    reasons = {
        errno.EACCES: "it may not be read by the user that runs this",
        errno.ELOOP: "a link that leads in a circle",
        errno.ENOENT: "it is gone, or a link that leads nowhere",
        errno.ENAMETOOLONG: "its path is too long for this machine",
    }
    return reasons.get(exc.errno or 0) or f"it can't be read: {exc.strerror or 'the disk fails'}"


def _failed(exc: OSError) -> GroundworkError:
    if isinstance(exc, FileNotFoundError | NotADirectoryError):
        return NotFoundError("the file is not there any more")
    if exc.errno in {errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG}:
        return InvalidInputError(_reason(exc))
    return UnavailableError(_reason(exc))


def _unreadable(what: str, exc: OSError) -> GroundworkError:
    if exc.errno in {errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG}:
        return InvalidInputError(f"{what}: {_reason(exc)}")
    return UnavailableError(f"{what}: {_reason(exc)}")
