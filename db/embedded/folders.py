"""Where the parts of one embedded database lie.

    <data_dir>/postgres/     ours; 0700, or 0711 and owned by root if we are root
        admin_password       0600, never given to the server's account
        postgres.log         0600, the server has it open as its standard error
        location             only if the cluster cannot live here: the path of `base`
        setup.lock
    base/                    normally the same folder
        cluster/             0700, owned by the account that runs the server
        start.lock           held exclusively while somebody starts or stops the server
        users.lock           shared by every process that uses the server
        server.lock          held by the server's own processes, so it tells whether any is alive

The cluster cannot live in a data folder that the server's account cannot reach, such as a checkout of
root's below its closed home: `base` is then a folder below `system_root`. Its name ends in a random part,
because a data folder may be moved and another one made in its place.
"""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from db.embedded.account import ServerAccount, account_for
from db.embedded.locks import LockFile, Patience
from rag.errors import UnavailableError

SYSTEM_ROOT = Path("/var/lib/groundwork")
LONGEST_PATH = 900  # bytes; Postgres cuts paths at 1,024 and appends up to 100 of its own


@dataclass(frozen=True, slots=True)
class Folders:
    home: Path
    base: Path
    account: ServerAccount

    @property
    def cluster(self) -> Path:
        return self.base / "cluster"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    @property
    def password_file(self) -> Path:
        return self.home / "admin_password"


def settle(data_dir: Path, system_root: Path, patience: Patience) -> Folders:
    """Decide on the first use where the cluster lives, and find it again later."""
    home = data_dir.resolve() / "postgres"
    _check_path(home)
    _make_home(home)
    with LockFile(home / "setup.lock") as lock, lock.held(patience):
        pointer = home / "location"
        if pointer.exists():
            base = _follow(pointer, system_root)
            return Folders(home, base, account_for(base / "cluster"))
        account = account_for(home / "cluster")
        if account.uid is None or account.can_execute(home):
            return Folders(home, home, account)
        if (home / "cluster").exists():
            raise UnavailableError(
                f"The account that runs Postgres (uid {account.uid}) cannot reach {home} any more"
            )
        base = _make_base(home, system_root)
        write_private(pointer, os.fsencode(base))
        return Folders(home, base, account)


def write_private(path: Path, content: bytes) -> None:
    """Write a 0600 file so that it is there completely or not at all, also after a power cut."""
    draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Put a file's content, or a folder's names, on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _check_path(home: Path) -> None:
    if len(os.fsencode(home)) > LONGEST_PATH:
        raise UnavailableError(
            f"The data folder's path is too long for Postgres (over {LONGEST_PATH} bytes): {home}"
        )
    if "\n" in str(home):
        raise UnavailableError(
            f"Postgres cannot work in a folder with a line break in its path: {str(home)!r}"
        )


def _make_home(home: Path) -> None:
    if home.is_dir():
        return
    home.parent.mkdir(parents=True, exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        home.chmod(0o711)  # the server's account must pass through


def _make_base(home: Path, system_root: Path) -> Path:
    system_root.mkdir(mode=0o755, parents=True, exist_ok=True)
    digest = hashlib.sha256(os.fsencode(home.parent)).hexdigest()
    base = system_root / f"{digest[:16]}-{secrets.token_hex(4)}"
    base.mkdir()
    base.chmod(0o711)
    (base / "data_dir").write_bytes(os.fsencode(home.parent))  # tells an administrator whose this is
    return base


def _follow(pointer: Path, system_root: Path) -> Path:
    base = Path(os.fsdecode(pointer.read_bytes()))
    if base.parent != system_root:
        raise UnavailableError(f"{pointer} leads to {base}, which is not below {system_root}")
    if not base.is_dir():
        raise UnavailableError(
            f"The database of {pointer} was in {base}, which is gone; remove {pointer} to start empty"
        )
    return base
