import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from subprocess import SubprocessError
from typing import TypeVar

import structlog

from db.embedded.address import ServerAddress
from db.embedded.binaries import reachable_binaries
from db.embedded.cluster import ADMIN_USER, check_version, prepare_cluster, read_password
from db.embedded.folders import SYSTEM_ROOT, Folders, settle
from db.embedded.locks import LockFile, Patience
from db.embedded.postmaster import (
    Postmaster,
    clear_stale_pid_file,
    launch,
    read_postmaster,
    runs_in,
    shut_down,
)
from db.embedded.sockets import PORT, accepts
from rag.errors import UnavailableError

START_SECONDS = 120.0  # a warm start takes 0.1 s; recovery after a crash may replay 1 GB of log

T = TypeVar("T")
log = structlog.get_logger(__name__)


@asynccontextmanager
async def embedded_postgres(data_dir: Path, *, major: int = 16) -> AsyncIterator[ServerAddress]:
    """Use the Postgres of this data folder; see EmbeddedPostgres. The event loop is never blocked."""
    server = EmbeddedPostgres(data_dir, major=major)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedded-postgres") as thread:
        try:
            yield await _to_its_end(thread, server.start, abandon=server.abandon)
        finally:
            await _to_its_end(thread, server.stop)


class EmbeddedPostgres:
    """One process's use of the Postgres of a data folder, as a context manager or by `start` and `stop`.

    All users of one data folder share one server: the first starts it, the last one out stops it.
    """

    def __init__(self, data_dir: Path, *, major: int = 16, system_root: Path = SYSTEM_ROOT) -> None:
        self._data_dir = data_dir
        self._major = major
        self._system_root = system_root
        self._abandoned = threading.Event()
        self._address: ServerAddress | None = None
        self._leave = ExitStack()

    def start(self) -> ServerAddress:
        """Start or join the server; raises UnavailableError, and then leaves nothing behind."""
        if self._address is None:
            try:
                with ExitStack() as stack:
                    self._address = self._join(stack)
                    self._leave = stack.pop_all()
            except (OSError, SubprocessError) as exc:
                raise UnavailableError(f"Cannot use the database in {self._data_dir}: {exc}") from exc
        return self._address

    def stop(self) -> None:
        """Leave the server, and stop it if nobody else uses it. Once is enough, more does no harm."""
        leave, self._leave, self._address = self._leave, ExitStack(), None
        leave.close()

    def abandon(self) -> None:
        """Make a `start` that waits in another thread give up."""
        self._abandoned.set()

    def __enter__(self) -> ServerAddress:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _join(self, stack: ExitStack) -> ServerAddress:
        """Become a user of a running server; what undoes it is left in `stack`."""
        patience = Patience.of(START_SECONDS, self._abandoned)
        folders = settle(self._data_dir, self._system_root, patience)
        starting = stack.enter_context(LockFile(folders.base / "start.lock"))
        users = stack.enter_context(LockFile(folders.base / "users.lock"))
        server = stack.enter_context(LockFile(folders.base / "server.lock"))
        with starting.held(patience):
            postmaster = _find(folders, users, server, patience)
            if postmaster is None:
                postmaster = _launch(folders, self._major, self._system_root, patience)
            stack.callback(_part, folders, postmaster, starting, users, server)
            check_version(folders, self._major)
            users.try_shared()  # always succeeds: it is held exclusively only under `starting`
        return ServerAddress(postmaster.socket_dir, PORT, ADMIN_USER, read_password(folders))


def _find(folders: Folders, users: LockFile, server: LockFile, patience: Patience) -> Postmaster | None:
    """The running server that we can reach; None once it is certain that no process of any is alive."""
    while not server.try_exclusive():
        found = read_postmaster(folders.cluster)
        if found is not None and found.ready and runs_in(found.pid, folders.cluster):
            if accepts(found.socket_dir):
                log.info("postgres_joined", pid=found.pid)
                return found
            if not users.try_exclusive():
                raise UnavailableError(
                    f"Another process uses the server of {folders.cluster}, whose socket folder "
                    f"{found.socket_dir} cannot be reached from here"
                )
            shut_down(found, folders, server)  # nobody uses it, and nobody can: its socket was swept away
        patience.wait(f"the server that already runs on {folders.cluster}")
    server.release()
    return None


def _launch(folders: Folders, major: int, system_root: Path, patience: Patience) -> Postmaster:
    """Start a server, after making its cluster if there is none. The caller holds the start lock."""
    with LockFile(folders.base / "server.lock") as inherited:  # not `server`: releasing that would free this
        inherited.try_exclusive()
        binaries = reachable_binaries(major, folders.account, system_root)
        prepare_cluster(folders, binaries, inherited.fd)
        read_password(folders)  # without it a server would be of no use
        previous = clear_stale_pid_file(folders.cluster)
        postmaster = launch(folders, binaries, inherited, previous, patience)
    log.info("postgres_started", pid=postmaster.pid, log=str(folders.log))
    return postmaster


def _part(
    folders: Folders, postmaster: Postmaster, starting: LockFile, users: LockFile, server: LockFile
) -> None:
    """Stop being a user; the last one stops the server."""
    with starting.held(Patience.of(START_SECONDS)):
        if users.try_exclusive():
            current = (
                read_postmaster(folders.cluster) or postmaster
            )  # it may have been started anew meanwhile
            shut_down(current, folders, server)
            log.info("postgres_stopped", pid=current.pid)
        users.release()


async def _to_its_end(
    thread: ThreadPoolExecutor, work: Callable[[], T], *, abandon: Callable[[], None] = lambda: None
) -> T:
    """Run it in the thread; a cancellation calls `abandon` and is raised only when the work has ended."""
    future = asyncio.get_running_loop().run_in_executor(thread, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        abandon()
        while not future.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        raise
