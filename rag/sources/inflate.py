"""Unpacks gzip piece by piece: a bomb never takes more memory than one piece."""

import zlib
from collections.abc import Iterable, Iterator

PIECE = 64 * 1024
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32  # zlib.h: 32 tells which of the two it is
_GZIP = b"\x1f\x8b"


class Inflater:
    """Unpacks what is fed to it, members of a gzip file one after the other."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_OR_ZLIB)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` unpacks to, in pieces of at most `PIECE` bytes.

        Raises:
            zlib.error: It is broken.
        """
        while data:
            if self._member.eof:
                if not data.startswith(_GZIP):
                    return  # padding
                self._member = zlib.decompressobj(_GZIP_OR_ZLIB)
            piece = self._member.decompress(data, PIECE)
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                yield piece

    def finish(self) -> None:
        """Raises: EOFError if the data ended too early."""
        if not self._member.eof:
            raise EOFError


def inflate(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """All that `pieces` unpack to.

    Raises:
        zlib.error: They are broken.
        EOFError: They end too early.
    """
    inflater = Inflater()
    for piece in pieces:
        yield from inflater.feed(piece)
    inflater.finish()
