"""Making a database cluster: initdb, once, completely or not at all."""

import os
import secrets
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from db.embedded.binaries import Binaries, shell_safe
from db.embedded.folders import Folders, sync, write_private
from rag.errors import UnavailableError

ADMIN_USER = "postgres"
SYNC_THREADS = 8  # 4 are as fast on one disk, 32 no faster
INITDB_SECONDS = 120  # about 1 s on a laptop; a slow disk takes its time to sync

# Nothing of the caller's environment reaches the server (PGDATA, PGPORT, LD_LIBRARY_PATH would matter).
# TZ spares initdb its search through the time zones; UTC is also what a server should log in.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

# C.UTF-8 knows the case of all letters and sorts by code point, the same on every machine. Where the
# system lacks it, C only knows the case of ASCII letters.
LOCALES = ("C.UTF-8", "C")


def prepare_cluster(folders: Folders, binaries: Binaries, server_lock: int) -> None:
    """Make the cluster if there is none; raises UnavailableError for one of another major version."""
    if folders.cluster.exists():
        check_version(folders, binaries.major)
        return
    for leftover in folders.base.glob(
        "init-*"
    ):  # of a run that was killed; its initdb is gone, as we have its lock
        shutil.rmtree(leftover)
    if not folders.password_file.exists():
        write_private(folders.password_file, secrets.token_urlsafe(32).encode())
    work = Path(tempfile.mkdtemp(prefix="init-", dir=folders.base))
    try:
        folders.account.give(work)
        _make_cluster(folders, binaries, work, server_lock)
        _sync_tree(work / "cluster")
        (work / "cluster").rename(folders.cluster)
        sync(folders.base)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_version(folders: Folders, major: int) -> None:
    found = (folders.cluster / "PG_VERSION").read_text().strip()
    if found != str(major):
        raise UnavailableError(f"{folders.cluster} was made by Postgres {found}, this is Postgres {major}")


def read_password(folders: Folders) -> str:
    try:
        return folders.password_file.read_text()
    except FileNotFoundError as exc:
        raise UnavailableError(
            f"{folders.password_file} is gone, so nobody can log in to {folders.cluster}"
        ) from exc


def _make_cluster(folders: Folders, binaries: Binaries, work: Path, server_lock: int) -> None:
    password_file = work / "password"
    write_private(password_file, folders.password_file.read_bytes())
    folders.account.give(password_file)
    with shell_safe(binaries) as safe:
        for locale in LOCALES:
            complaint = _initdb(folders, safe, work, locale, server_lock)
            if complaint is None:
                return
            if "invalid locale" not in complaint:
                break
    raise UnavailableError(f"initdb cannot make a database in {folders.base}: {complaint}")


def _sync_tree(folder: Path) -> None:
    """Sync as initdb would, but several files at a time, so that the journal commits them together.

    Its 1,000 files one after another take 3.5 s on a busy disk, this way 0.12 s.
    """
    with ThreadPoolExecutor(SYNC_THREADS) as threads:
        for _ in threads.map(sync, (folder, *folder.rglob("*"))):
            pass


def _initdb(folders: Folders, binaries: Binaries, work: Path, locale: str, server_lock: int) -> str | None:
    """Run initdb; its complaint, or None if all went well."""
    command = [
        str(binaries.initdb),
        f"--pgdata={work / 'cluster'}",
        f"--username={ADMIN_USER}",
        f"--pwfile={work / 'password'}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale-provider=libc",
        f"--locale={locale}",
        "--no-instructions",
        "--no-sync",  # see _sync_tree
    ]
    account = folders.account
    result = subprocess.run(  # noqa: S603 - our own binary, a list of arguments
        command,
        check=False,
        cwd="/",  # the caller's may be closed to the server's account
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=INITDB_SECONDS,
        user=account.uid,
        group=account.gid,
        extra_groups=account.groups,
        pass_fds=(server_lock,),  # if we are killed, the next start waits until this initdb is gone
        start_new_session=True,
        umask=0o077,
    )
    if result.returncode == 0:
        return None
    return os.fsdecode(result.stderr).strip()[-2000:] or f"it ended with code {result.returncode}"
