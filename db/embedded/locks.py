"""Locks between processes (flock) and bounded waiting.

A lock belongs to the open file, so the kernel releases it when the last process that holds the file ends,
however it ends. Lock files are never deleted: two processes could then lock two files of one name.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rag.errors import UnavailableError

POLL_SECONDS = 0.005  # well below the ~50 ms of the fastest start, and cheap


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to poll for something, and the event that ends the polling early."""

    seconds: float
    deadline: float
    abandoned: threading.Event

    @classmethod
    def of(cls, seconds: float, abandoned: threading.Event | None = None) -> Self:
        return cls(seconds, time.monotonic() + seconds, abandoned or threading.Event())

    def wait(self, what: str) -> None:
        """Sleep a little; raises UnavailableError when time is up or the waiting was abandoned."""
        if self.abandoned.wait(POLL_SECONDS):
            raise UnavailableError(f"Gave up waiting for {what}")
        if time.monotonic() > self.deadline:
            raise UnavailableError(f"Waited {self.seconds:.0f} s in vain for {what}")


class LockFile:
    """An open lock file; `close` releases whatever it holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # not inherited by child processes (PEP 446)

    def try_exclusive(self) -> bool:
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        return self._try(fcntl.LOCK_SH)

    def release(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self.fd)

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self.fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @contextmanager
    def held(self, patience: Patience) -> Iterator[None]:
        """Hold it exclusively for the block."""
        while not self.try_exclusive():
            patience.wait(f"the lock {self.path}")
        try:
            yield
        finally:
            self.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
