"""The private folder of a server's socket.

The socket cannot lie in the data folder: the system allows it about a hundred bytes of path.
"""

import os
import socket
import tempfile
from pathlib import Path

from db.embedded.account import ServerAccount
from db.embedded.binaries import temporary_root
from rag.errors import UnavailableError

PORT = 5432  # only names the socket file: nothing listens on a network
PREFIX = "groundwork-pg-"
LONGEST_PATH = 103  # bytes; macOS allows 103, Linux 107


def socket_path(folder: Path) -> Path:
    return folder / f".s.PGSQL.{PORT}"


def renew_socket_folder(previous: Path | None, account: ServerAccount) -> Path:
    """The folder of a crashed server, emptied, if it is still there and ours; else a new one."""
    if previous is not None and _is_ours(previous, account):
        _empty(previous)
        return previous
    return _make_socket_folder(account)


def remove_socket_folder(folder: Path, account: ServerAccount) -> None:
    """Remove it with what a crashed server left in it; a folder that is not ours stays as it is."""
    if _is_ours(folder, account):
        _empty(folder)
        folder.rmdir()


def _make_socket_folder(account: ServerAccount) -> Path:
    """Only the server's account can enter it (0700)."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=temporary_root()))
    if len(os.fsencode(socket_path(folder))) > LONGEST_PATH:
        folder.rmdir()
        raise UnavailableError(
            f"The system's folder for temporary files has too long a path for a socket: {folder}"
        )
    account.give(folder)
    return folder


def _is_ours(folder: Path, account: ServerAccount) -> bool:
    """Its name comes from a file that the server's account can write, so it is not simply believed."""
    named = folder.parent == temporary_root() and folder.name.startswith(PREFIX)
    return named and not folder.is_symlink() and folder.is_dir() and account.owns(folder)


def _empty(folder: Path) -> None:
    for name in (socket_path(folder).name, f"{socket_path(folder).name}.lock"):
        (folder / name).unlink(missing_ok=True)


def accepts(folder: Path) -> bool:
    """Whether a server listens there."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        return probe.connect_ex(str(socket_path(folder))) == 0
