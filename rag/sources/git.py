"""A folder of a Git repository, read without Git and without a checkout.

Only the newest commit of one branch is fetched, and of it no file larger than may be taken, if the server can
leave those out. What was fetched stays in a cache, so that the next sync fetches what is new.

A server that is out to do harm can make a fetch use much memory: dulwich unpacks each object whole. So name
only servers that you trust as much as the documents they hold.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from threading import Event

from dulwich.objects import Blob, ObjectID
from dulwich.repo import Repo

from rag.errors import InvalidInputError, NotFoundError
from rag.sources.addresses import AddressGuard
from rag.sources.files import receiving, too_large
from rag.sources.git_address import GitAddress, Login
from rag.sources.git_copy import discard, locked, open_copy, tidy
from rag.sources.git_errors import DAMAGED, git_errors
from rag.sources.git_fetch import fetch_newest, local_commit
from rag.sources.git_http import guarded_pool
from rag.sources.git_tree import files_below
from rag.sources.threads import run_in_thread, write_in_thread
from rag.sources.types import Entry, Fetched, Skipped

MAX_REPOSITORY_BYTES = 2 * 1000**3  # as received, packed: documents of a large team
DEADLINE_S = 600.0  # for that, at 3 MB a second
_LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\n"


class GitSource:
    """Files below a folder of a branch. Links, submodules and what is hidden are left out.

    Args:
        address: The repository, its branch, and the folder. A local repository is read where it is.
        cache: A folder for what is fetched. It needs no care: what is missing or damaged is fetched again.
        max_bytes: Larger files are not taken.
        guard: The network addresses that may be called.
        login: Who asks, for a repository that isn't public.
    """

    def __init__(
        self,
        address: GitAddress,
        *,
        cache: Path,
        max_bytes: int,
        guard: AddressGuard,
        login: Login | None = None,
    ) -> None:
        self._address = address
        self._max_bytes = max_bytes
        self._guard = guard
        self._login = login
        # A copy without files above one limit can't be made one for another.
        key = hashlib.sha256(f"{address.url}\n{max_bytes}".encode()).hexdigest()
        self._copy = cache / f"{key[:32]}.git"

    @property
    def name(self) -> str:
        return str(self._address)

    async def entries(self) -> AsyncIterator[Entry | Skipped]:
        for found in await run_in_thread(self._list):
            yield found

    async def fetch(self, entry: Entry, into: Path, *, known: str | None = None) -> Fetched | None:
        return await write_in_thread(lambda stop: self._write(entry, into), into)

    def _list(self, stop: Event) -> list[Entry | Skipped]:
        with git_errors(self._address):
            if self._address.local_path is not None:
                return self._read(stop)
            with locked(self._copy, patience_s=DEADLINE_S, stop=stop):
                tidy(self._copy)
                try:
                    return self._read(stop)
                except DAMAGED:
                    # Also if what is sent builds on a file that was left out: from scratch it doesn't.
                    discard(self._copy)
                    return self._read(stop)

    def _read(self, stop: Event) -> list[Entry | Skipped]:
        with closing(self._open()) as repository:
            commit = self._newest(repository, stop)
            found = files_below(repository.object_store, commit, self._address, max_bytes=self._max_bytes)
            return list(found)

    def _open(self) -> Repo:
        local = self._address.local_path
        return open_copy(self._copy) if local is None else Repo(local)

    def _newest(self, repository: Repo, stop: Event) -> ObjectID:
        if self._address.local_path is not None:
            return local_commit(repository, self._address)
        pool = guarded_pool(
            self._guard,
            https=self._address.url.startswith("https:"),
            max_bytes=MAX_REPOSITORY_BYTES,
            deadline_s=DEADLINE_S,
            stop=stop,
        )
        with pool:
            return fetch_newest(
                repository, self._address, pool=pool, max_bytes=self._max_bytes, login=self._login
            )

    def _write(self, entry: Entry, into: Path) -> Fetched:
        if entry.fingerprint is None:
            raise NotFoundError("the file is not there any more")
        with git_errors(self._address), closing(self._open()) as repository:
            try:
                blob = repository.object_store[ObjectID(entry.fingerprint.encode())]
            except KeyError as exc:
                raise NotFoundError("the file is not there any more") from exc
            content = blob.as_raw_string() if isinstance(blob, Blob) else b""
        if len(content) > self._max_bytes:
            raise too_large(self._max_bytes)
        if content.startswith(_LFS_POINTER):
            raise InvalidInputError("its content is kept in Git LFS, which is not read")
        with receiving(into, max_bytes=self._max_bytes) as received:
            received.write(content)
        return Fetched(received.sha256, received.byte_size, entry.fingerprint, uri=entry.uri)
