"""Making a backup, while the service goes on."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from db.addresses import Login
from db.backup.manifest import ARTIFACTS, DATABASE, FORMAT, Manifest, kept_files, write_manifest
from db.backup.programs import JOBS, count_rows, files_below, run_program
from db.bootstrap import DATABASE as NAME
from db.bootstrap import DATABASE_EXISTS
from db.embedded import ServerAddress, embedded_postgres
from db.embedded.folders import sync
from db.migrate import LOCK_KEY
from db.pool import connect
from rag.errors import InvalidInputError, UnavailableError

# Level 1 is as fast as rows are read; level 6 takes three times as long for a tenth less.
COMPRESSION = "gzip:1"

STATE = """
SELECT now() AS made_at, (SELECT version_num FROM alembic_version) AS revision,
    (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS pgvector,
    pg_export_snapshot() AS snapshot
"""


@dataclass(frozen=True, slots=True)
class _State:
    """The database at a moment, which `snapshot` names to other sessions. `manifest` has no files yet."""

    snapshot: str
    manifest: Manifest


async def create_backup(data_dir: Path, folder: Path) -> Manifest:
    """Back up the embedded database of `data_dir` with its artifacts, as the new folder `folder`.

    The state is that of one moment, soon after the call; nobody is kept waiting but migrations. Artifacts are
    copied after it: all that the database names then are among them, unless they were deleted meanwhile.

    Raises:
        InvalidInputError: There is no such database, or `folder` exists.
        UnavailableError: The server or the disk fails; nothing is left behind.
    """
    await asyncio.to_thread(_check_paths, data_dir, folder)
    try:
        with _draft_of(folder) as draft:
            async with embedded_postgres(data_dir) as address, _state_of(address) as state:
                await _dump(address, state, draft / DATABASE)
            await asyncio.to_thread(_copy_artifacts, data_dir / ARTIFACTS, draft / ARTIFACTS)
            return await asyncio.to_thread(_finish, draft, state.manifest)
    except OSError as exc:
        raise UnavailableError(f"cannot write {folder}: {exc}") from exc


def _check_paths(data_dir: Path, folder: Path) -> None:
    if not (data_dir / "postgres" / "admin_password").exists():
        raise InvalidInputError(f"there is no embedded database in {data_dir}")
    if folder.exists():
        raise InvalidInputError(f"{folder} exists; a backup is a new folder")


@contextmanager
def _draft_of(folder: Path) -> Iterator[Path]:
    """A folder beside it, which takes its name at the end and is removed if there is none."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    draft.mkdir(mode=0o700)  # it holds all that users have
    try:
        yield draft
        draft.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@asynccontextmanager
async def _state_of(address: ServerAddress) -> AsyncIterator[_State]:
    """Hold the database's state of now, and its schema."""
    await _check_exists(address)
    connection = await connect(Login(address.admin_dsn(NAME)))
    try:
        await connection.execute("SELECT pg_advisory_lock_shared($1)", LOCK_KEY)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield await _read_state(connection)
    finally:
        await connection.close()


async def _check_exists(address: ServerAddress) -> None:
    admin = await connect(Login(address.admin_dsn()))
    try:
        if not await admin.fetchval(DATABASE_EXISTS, NAME):
            raise InvalidInputError(f"the embedded server has no database {NAME} yet")
    finally:
        await admin.close()


async def _read_state(connection: "asyncpg.Connection[asyncpg.Record]") -> _State:
    try:
        [row] = await connection.fetch(STATE)
    except asyncpg.UndefinedTableError as exc:
        raise InvalidInputError("the database has no schema yet: start the service once") from exc
    manifest = Manifest(
        format=FORMAT,
        made_at=row["made_at"],
        revision=row["revision"],
        postgres=connection.get_server_version().major,
        pgvector=row["pgvector"],
        rows=await count_rows(connection),
        files={},
    )
    return _State(row["snapshot"], manifest)


async def _dump(address: ServerAddress, state: _State, target: Path) -> None:
    arguments = [
        "--format=directory",
        f"--jobs={JOBS}",
        f"--compress={COMPRESSION}",
        f"--snapshot={state.snapshot}",
        f"--file={target}",
    ]
    await run_program("pg_dump", address, NAME, arguments)


def _copy_artifacts(source: Path, target: Path) -> None:
    for path in files_below(source):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(path, copy)
        except FileNotFoundError:  # deleted while we were at it
            copy.unlink(missing_ok=True)


def _finish(draft: Path, manifest: Manifest) -> Manifest:
    complete = replace(manifest, files=kept_files(draft))
    for path in draft.rglob("*"):
        sync(path)
    write_manifest(draft, complete)
    return complete
