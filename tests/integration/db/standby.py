"""A second server that follows an embedded one by streaming replication."""

import asyncio
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil

from db.addresses import Login
from db.embedded import ServerAddress
from db.embedded.account import ServerAccount, account_for
from db.embedded.binaries import find_binaries, reachable_binaries
from db.embedded.cluster import ENVIRONMENT
from db.embedded.folders import SYSTEM_ROOT
from db.embedded.sockets import accepts
from db.pool import connect
from rag.errors import UnavailableError
from tests.integration.servers import EMBEDDED_MAJOR
from tests.integration.waiting import until

# A standby must allow as many connections as its primary.
OPTIONS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "200ms",
}


class Standby:
    """The second server; as often started and stopped as a test wants.

    Args:
        primary: Whom it follows.
        folder: Where it is made; its account must be able to enter it.
    """

    def __init__(self, primary: ServerAddress, folder: Path) -> None:
        self._primary = primary
        self._folder = folder
        self._cluster = folder / "cluster"
        self._account: ServerAccount = account_for(self._cluster)
        self._process: subprocess.Popen[bytes] | None = None
        self.address = replace(primary, socket_dir=folder)

    def copy(self) -> None:
        """Make it, as RDS does: a base backup that goes on from where the primary is."""
        subprocess.run(
            [
                str(find_binaries(EMBEDDED_MAJOR).install / "bin" / "pg_basebackup"),
                *("--pgdata", str(self._cluster), "--host", str(self._primary.socket_dir)),
                *("--username", self._primary.admin_user, "--write-recovery-conf"),
                *("--checkpoint=fast", "--no-sync"),
            ],
            env=ENVIRONMENT | {"PGPASSWORD": self._primary.admin_password},
            check=True,
            capture_output=True,
        )
        self._folder.chmod(0o755)
        for path in (self._folder, self._cluster, *self._cluster.rglob("*")):
            self._account.give(path)

    async def start(self) -> None:
        """Start it and wait until it can be read."""
        self._process = self._spawn()

        async def can_be_read() -> bool:
            return accepts(self._folder) and await self._answers()

        await until(can_be_read)

    def _spawn(self) -> "subprocess.Popen[bytes]":
        binaries = reachable_binaries(EMBEDDED_MAJOR, self._account, SYSTEM_ROOT)
        settings = OPTIONS | {"unix_socket_directories": str(self._folder)}
        return subprocess.Popen(
            [
                str(binaries.postgres),
                *("-D", str(self._cluster)),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ],
            cwd="/",
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._account.uid,
            group=self._account.gid,
            extra_groups=self._account.groups,
            umask=0o077,
        )

    def stop(self) -> None:
        """End it at once, with all its connections."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=20)
            self._process = None

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Its connections stay open, and nobody answers on them."""
        assert self._process is not None
        processes = [psutil.Process(self._process.pid)]
        processes += processes[0].children(recursive=True)
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    async def run(self, statement: str, *values: object) -> Any:
        """The only value of a statement, as superuser."""
        connection = await connect(Login(self.address.admin_dsn()))
        try:
            return await connection.fetchval(statement, *values)
        finally:
            await connection.close()

    async def catch_up(self) -> None:
        """Wait until it is where the primary is now."""
        connection = await connect(Login(self._primary.admin_dsn()))
        position = await connection.fetchval("SELECT pg_current_wal_lsn()::text")
        await connection.close()
        await until(lambda: self.run("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", position))

    async def _answers(self) -> bool:
        try:
            await self.run("SELECT 1")
        except UnavailableError:
            return False
        return True


def at_standby(login: Login, standby: Standby) -> str:
    """The URL of the same login at the standby."""
    parts = urlsplit(login.url)
    return urlunsplit(parts._replace(query=urlsplit(standby.address.admin_dsn()).query))


@asynccontextmanager
async def open_standby(primary: ServerAddress) -> AsyncIterator[Standby]:
    with tempfile.TemporaryDirectory(prefix="gw-standby-", dir="/tmp") as folder:  # a socket's path is short
        standby = Standby(primary, Path(folder))
        await asyncio.to_thread(standby.copy)
        await standby.start()
        try:
            yield standby
        finally:
            standby.stop()
