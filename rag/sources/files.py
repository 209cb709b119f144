"""Writes what a source sends to a file, up to a size, and takes the file away again if that fails."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import BinaryIO

from rag.errors import InvalidInputError, UnavailableError

PIECE = 256 * 1024  # bytes read at a time: large enough that calls don't count, small enough to stop soon
_UNIT = 1000


class Receiver:
    """Takes the content piece by piece; `sha256` and `byte_size` are of what was written so far."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self.byte_size = 0

    @property
    def sha256(self) -> bytes:
        return self._digest.digest()

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            InvalidInputError: It is more than the limit now.
            UnavailableError: The disk is full, or fails.
        """
        self.byte_size += len(data)
        if self.byte_size > self._max_bytes:
            raise too_large(self._max_bytes)
        self._digest.update(data)
        with _disk_errors():
            self._file.write(data)

    def write_all(self, pieces: Iterable[bytes], stop: Event) -> None:
        """All pieces, unless `stop` is set meanwhile.

        Raises:
            InvalidInputError: They are more than the limit.
            InterruptedError: It was stopped.
        """
        for piece in pieces:
            if stop.is_set():
                raise InterruptedError
            self.write(piece)


@contextmanager
def receiving(into: Path, *, max_bytes: int) -> Iterator[Receiver]:
    """The file for what comes in. It stays only if the block ends without an error.

    Raises:
        UnavailableError: The file can't be written, because the disk is full for instance.
    """
    with _disk_errors():
        file = into.open("wb")
    try:
        yield Receiver(file, max_bytes)
        with _disk_errors():
            file.close()
    except BaseException:
        with suppress(OSError):
            file.close()
        into.unlink(missing_ok=True)
        raise


def too_large(max_bytes: int) -> InvalidInputError:
    return InvalidInputError(f"it is larger than {readable_size(max_bytes)}, the most that is taken")


def readable_size(size: int) -> str:
    """Such as `50 MB`: at most three digits before the point, one after it."""
    number, unit = float(size), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if number < _UNIT:
            break
        number, unit = number / _UNIT, larger
    return f"{number:.1f}".removesuffix(".0") + f" {unit}"


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        reason = exc.strerror or "the disk fails"
        raise UnavailableError(f"what was fetched can't be kept: {reason}") from exc
