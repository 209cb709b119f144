"""Our copies of repositories: bare, on disk, each used by one sync at a time."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import BinaryIO

from dulwich.repo import Repo

from rag.errors import UnavailableError

POLL_S = 0.05  # a fetch takes longer
MAX_PACKS = 50  # each fetch adds one; Git itself tidies up at this number (gc.autoPackLimit)


@contextmanager
def locked(copy: Path, *, patience_s: float, stop: Event) -> Iterator[None]:
    """Keep other syncs, of this process and others, away from the copy.

    The kernel frees the lock when the process ends, however it ends. The file stays: two processes could
    otherwise lock two files of one name.

    Raises:
        UnavailableError: Another sync still has it after `patience_s` seconds.
        InterruptedError: It was stopped while it waited.
    """
    copy.parent.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + patience_s
    with copy.with_suffix(".lock").open("ab") as file:
        while not _try_lock(file):
            if stop.wait(POLL_S):
                raise InterruptedError
            if time.monotonic() > ends:
                raise UnavailableError("another sync of the repository is still running")
        yield


def _try_lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def discard(path: Path) -> None:
    """Remove a copy; what can't be removed stays."""
    shutil.rmtree(path, ignore_errors=True)


def tidy(path: Path) -> None:
    """Discard a copy of many packs, which are slow to look through: the next fetch makes one of them."""
    if sum(1 for _ in path.glob("objects/pack/*.pack")) >= MAX_PACKS:
        discard(path)


def open_copy(path: Path) -> Repo:
    """The bare repository at `path`, which is made if there is none.

    Raises:
        OSError: It can't be made.
        NotGitRepository: It is something else.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as folder:
            made = Path(folder) / path.name
            made.mkdir()
            Repo.init_bare(made).close()
            try:
                made.rename(path)  # whole or not at all, whatever stops us
            except OSError:
                if not path.exists():  # made by another process meanwhile
                    raise
    return Repo(os.fspath(path), bare=True)
