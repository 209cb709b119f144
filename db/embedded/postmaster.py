"""Starting, finding and stopping the server process of a cluster."""

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from db.embedded.binaries import Binaries
from db.embedded.cluster import ENVIRONMENT
from db.embedded.folders import Folders
from db.embedded.locks import LockFile, Patience
from db.embedded.sockets import PORT, remove_socket_folder, renew_socket_folder
from rag.errors import UnavailableError

STOP_SECONDS = 60.0  # a fast shutdown writes one checkpoint
RESEND_SECONDS = 0.5
LOG_LIMIT = 10 * 2**20  # bytes; then it becomes `postgres.log.1` at the next start
LOG_TAIL = 20  # lines in an error

OPTIONS = {
    "listen_addresses": "",  # the socket only, so any number of servers run side by side
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "fsync": "on",  # it is people's data
    "max_connections": "60",  # the pools of one service and one script; each slot costs memory
    "password_encryption": "scram-sha-256",
    "logging_collector": "off",  # standard error is the log file already
    "log_line_prefix": "%m [%p] ",
}


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What `postmaster.pid` says about a server; its process may be long gone."""

    pid: int
    socket_dir: Path
    ready: bool


def read_postmaster(cluster: Path) -> Postmaster | None:
    """None if there is no file, or not yet a complete one."""
    try:
        lines = (cluster / "postmaster.pid").read_bytes().splitlines()
    except FileNotFoundError:
        return None
    match lines:
        # pid, data folder, start time, port, socket folder, TCP address, shared memory, status
        case [pid, _, _, _, socket_dir, _, _, status]:
            return Postmaster(int(pid), Path(os.fsdecode(socket_dir)), status.strip() == b"ready")
        case _:
            return None


def runs_in(pid: int, cluster: Path) -> bool:
    """Whether this process is a server of this cluster, and not another one that got the same pid.

    A server's working folder is its cluster. Without `/proc` (macOS) its arguments tell.
    """
    if Path("/proc/self").exists():
        return _has_cwd(pid, cluster)
    command = ["/bin/ps", "-o", "command=", "-p", str(pid)]
    result = subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - a pid is its only argument
    return os.fsencode(cluster) in result.stdout


def _has_cwd(pid: int, folder: Path) -> bool:
    link = Path(f"/proc/{pid}/cwd")
    try:
        return str(link.readlink()) == f"{folder} (deleted)" or link.samefile(folder)
    except OSError:  # no such process, or one of somebody else
        return False


def launch(
    folders: Folders,
    binaries: Binaries,
    server_lock: LockFile,
    previous_socket: Path | None,
    patience: Patience,
) -> Postmaster:
    """Start a server and wait until it accepts connections; leaves nothing behind if that fails.

    After a crash it gets the socket folder it had before, so that other users' pools find it again.

    The caller holds `server_lock` and closes it afterwards. The server inherits it, so the lock is free
    again when the last of its processes is gone.
    """
    socket_dir = renew_socket_folder(previous_socket, folders.account)
    try:
        log = _open_log(folders.log)
        try:
            log_start = os.fstat(log).st_size
            process = _spawn(folders, binaries, socket_dir, log, server_lock.fd)
        finally:
            os.close(log)
        _collect_exit_status(process)
        try:
            return _wait_ready(folders, process, log_start, patience)
        except BaseException:
            _end(process)
            raise
    except BaseException:
        remove_socket_folder(socket_dir, folders.account)
        raise


def shut_down(postmaster: Postmaster, folders: Folders, server_lock: LockFile) -> None:
    """Stop the server and wait until its last process is gone; it may be no child of ours.

    `server_lock` is another open file than the one the server inherited.
    """
    fast, immediate = signal.SIGINT, signal.SIGQUIT
    try:
        _signal_and_wait(fast, postmaster, folders, server_lock)
    except UnavailableError:  # the next start recovers, as after a crash
        _signal_and_wait(immediate, postmaster, folders, server_lock)
    remove_socket_folder(postmaster.socket_dir, folders.account)


def clear_stale_pid_file(cluster: Path) -> Path | None:
    """Remove the `postmaster.pid` of a crashed server; returns its socket folder.

    Postgres does it too, except when another program has that pid by now, as is usual in a container.
    Called only under the server lock, so no server of ours is alive.
    """
    path = cluster / "postmaster.pid"
    if not path.exists():
        return None
    found = read_postmaster(cluster)
    first_line = path.read_bytes().partition(b"\n")[0]
    if first_line.isdigit() and runs_in(int(first_line), cluster):
        raise UnavailableError(
            f"Somebody else's server (pid {int(first_line)}) runs on {cluster}; stop it first"
        )
    path.unlink()
    return None if found is None else found.socket_dir


def _signal_and_wait(
    number: signal.Signals, postmaster: Postmaster, folders: Folders, server_lock: LockFile
) -> None:
    if runs_in(postmaster.pid, folders.cluster):
        os.kill(postmaster.pid, number)
    with server_lock.held(Patience.of(STOP_SECONDS)):
        return


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server that has served nobody yet, so that an abrupt end loses nothing.

    In the background of a shell the signal is ignored until the server has a handler of its own: it is sent
    again.
    """
    deadline = time.monotonic() + STOP_SECONDS
    while True:
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(RESEND_SECONDS)
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise
        else:
            return


def _open_log(path: Path) -> int:
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.rename(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _shared_buffers() -> str:
    """An eighth of the memory, from 128 to 1,024 MB: pages become resident only as they are used.

    The vector index and the postings of 100,000 chunks alone have 400 MB.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{min(max(memory // 8 // 2**20, 128), 1024)}MB"


def _spawn(
    folders: Folders, binaries: Binaries, socket_dir: Path, log: int, server_lock: int
) -> subprocess.Popen[bytes]:
    """Run `postgres` itself: pg_ctl would paste the paths into a shell command."""
    options = OPTIONS | {"unix_socket_directories": str(socket_dir), "shared_buffers": _shared_buffers()}
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    account = folders.account
    return subprocess.Popen(  # noqa: S603 - our own binary, a list of arguments
        [str(binaries.postgres), "-D", str(folders.cluster), *settings],
        cwd="/",
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        user=account.uid,
        group=account.gid,
        extra_groups=account.groups,
        pass_fds=(server_lock,),
        start_new_session=True,  # Ctrl-C in the terminal is for the caller, who then stops us in order
        umask=0o077,
    )


def _collect_exit_status(process: subprocess.Popen[bytes]) -> None:
    """Without this, a server that another process stops would stay a zombie of ours."""
    threading.Thread(target=process.wait, name="postgres-exit", daemon=True).start()


def _wait_ready(
    folders: Folders, process: subprocess.Popen[bytes], log_start: int, patience: Patience
) -> Postmaster:
    while True:
        found = read_postmaster(folders.cluster)
        if found is not None and found.pid == process.pid and found.ready:
            return found
        code = process.poll()
        if code is not None:
            raise UnavailableError(
                f"Postgres ended with code {code} at its start; its log {folders.log} says:\n"
                f"{_log_tail(folders.log, log_start)}"
            )
        patience.wait(f"Postgres to accept connections; its log is {folders.log}")


def _log_tail(path: Path, start: int) -> str:
    """The last lines that were written after `start` bytes."""
    with path.open("rb") as file:
        file.seek(start)
        return "\n".join(os.fsdecode(file.read()).splitlines()[-LOG_TAIL:])
