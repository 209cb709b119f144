"""A process that uses the embedded database: started by the tests, it leaves when its input ends.

Arguments: data folder, system folder, account to become first or "-", largest file in bytes or "-".
Prints the administrator's DSN, or the error that was raised.
"""

import os
import pwd
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from db.embedded import EmbeddedPostgres
from rag.errors import UnavailableError


def become(name: str) -> None:
    """Give up root. Everything is imported by now: that account may not reach the interpreter."""
    entry = pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ.pop("HOME", None)


def main(data_dir: str, system_root: str, account: str, file_limit: str) -> None:
    if account != "-":
        become(account)
    if file_limit != "-":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_limit), int(file_limit)))
    try:
        with EmbeddedPostgres(Path(data_dir), system_root=Path(system_root)) as address:
            sys.stdout.write(f"{address.admin_dsn()}\n")
            sys.stdout.flush()
            sys.stdin.read()
    except UnavailableError as error:
        sys.stdout.write(f"UnavailableError: {error}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
