"""Who runs the server: ourselves, or an unprivileged account when we are root, which Postgres refuses."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rag.errors import UnavailableError

SERVER_ACCOUNTS = ("postgres", "nobody")  # the first that exists; none is ever added

# Paths arrive as arguments, so no character in them means anything to the shell.
_TEST_ALL = 'flag=$1; shift; for path do test "$flag" "$path" || exit 1; done'


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """An account of the operating system; without ids it is whoever we are."""

    uid: int | None = None
    gid: int | None = None

    @property
    def groups(self) -> list[int] | None:
        """Extra groups for a child process: none when we change the user, else ours."""
        return None if self.uid is None else []

    def owns(self, path: Path) -> bool:
        return path.lstat().st_uid == (os.geteuid() if self.uid is None else self.uid)

    def give(self, path: Path) -> None:
        """Hand over something that we have just made."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def can_execute(self, *paths: Path) -> bool:
        """Run programs, enter folders."""
        return self._passes("-x", *paths)

    def can_read(self, *paths: Path) -> bool:
        return self._passes("-r", *paths)

    def _passes(self, flag: str, *paths: Path) -> bool:
        """Really try it as that account: modes alone do not tell about ACLs, mounts and namespaces."""
        command = ["/bin/sh", "-c", _TEST_ALL, "sh", flag, *map(str, paths)]
        try:
            check = subprocess.run(  # noqa: S603 - a constant script, paths as its arguments
                command,
                check=False,
                cwd="/",
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                user=self.uid,
                group=self.gid,
                extra_groups=self.groups,
            )
        except (PermissionError, ValueError) as exc:  # a user namespace that maps only root
            raise UnavailableError(
                f"Root cannot become uid {self.uid} here, and Postgres refuses root"
            ) from exc
        return check.returncode == 0


def account_for(cluster: Path) -> ServerAccount:
    """The owner of an existing cluster; for a new one the first of SERVER_ACCOUNTS, if we are root."""
    if os.geteuid() != 0:
        return ServerAccount()
    if cluster.exists():
        status = cluster.stat()
        return ServerAccount(status.st_uid, status.st_gid)
    for name in SERVER_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerAccount(entry.pw_uid, entry.pw_gid)
    raise UnavailableError(
        f"Postgres refuses to run as root, and no account {' or '.join(SERVER_ACCOUNTS)} to run it as"
    )
