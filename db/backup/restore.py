"""Restoring a backup to a new server."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from alembic.script import ScriptDirectory

from db.addresses import Login
from db.backup.manifest import ARTIFACTS, DATABASE, Manifest, verify_backup
from db.backup.programs import JOBS, MAJOR, count_rows, files_below, run_program
from db.bootstrap import DATABASE as NAME
from db.bootstrap import DATABASE_EXISTS, prepare
from db.embedded import ServerAddress, embedded_postgres
from db.migrate import MIGRATIONS
from db.pool import connect
from rag.errors import InvalidInputError, UnavailableError

RESTORING = (
    f"{NAME}_restoring"  # its name until all is there: no service takes half a database for a whole one
)


async def restore_backup(folder: Path, data_dir: Path) -> Manifest:
    """Restore a backup as the embedded database of `data_dir`, which has none yet, and its artifacts.

    A backup of an older release keeps its schema; the next start of the service, or `scripts/migrate.py`,
    brings it up.

    Raises:
        InvalidInputError: The backup is damaged or a newer release's, or `data_dir` has data.
        UnavailableError: The server or the disk fails; what was restored is removed again.
    """
    manifest = await asyncio.to_thread(verify_backup, folder)
    _check_release(manifest)
    try:
        with _new_artifacts(data_dir / ARTIFACTS) as artifacts:
            async with embedded_postgres(data_dir) as address, _new_database(address):
                await _fill(address, folder / DATABASE, manifest)
                if (folder / ARTIFACTS).is_dir():
                    await asyncio.to_thread(
                        shutil.copytree, folder / ARTIFACTS, artifacts, dirs_exist_ok=True
                    )
    except OSError as exc:
        raise UnavailableError(f"cannot restore to {data_dir}: {exc}") from exc
    return manifest


def _check_release(manifest: Manifest) -> None:
    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    if manifest.revision not in known:
        raise InvalidInputError(
            f"the backup has schema {manifest.revision}, which this release doesn't know: use the release "
            "that made it, or a newer one"
        )
    if manifest.postgres > MAJOR:
        raise InvalidInputError(f"the backup is of Postgres {manifest.postgres}; the server here is {MAJOR}")


@contextmanager
def _new_artifacts(folder: Path) -> Iterator[Path]:
    """Their folder, emptied again on failure."""
    if files_below(folder):
        raise InvalidInputError(f"{folder} has files; a backup is restored to an empty data folder")
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@asynccontextmanager
async def _new_database(address: ServerAddress) -> AsyncIterator[None]:
    """An empty database to fill, which takes its name at the end and is dropped on failure."""
    admin = await connect(Login(address.admin_dsn()))
    try:
        if await admin.fetchval(DATABASE_EXISTS, NAME):
            raise InvalidInputError("the data folder has a database; a backup is restored to an empty one")
        await admin.execute(f"DROP DATABASE IF EXISTS {RESTORING} WITH (FORCE)")
        await prepare(address, database=RESTORING)
        try:
            yield
            await admin.execute(f"ALTER DATABASE {RESTORING} RENAME TO {NAME}")
        except BaseException:
            await admin.execute(f"DROP DATABASE IF EXISTS {RESTORING} WITH (FORCE)")
            raise
    finally:
        await admin.close()


async def _fill(address: ServerAddress, dump: Path, manifest: Manifest) -> None:
    arguments = [f"--jobs={JOBS}", "--exit-on-error", f"--dbname={RESTORING}", str(dump)]
    await run_program("pg_restore", address, RESTORING, arguments)
    connection = await connect(Login(address.admin_dsn(RESTORING)))
    try:
        rows = await count_rows(connection)
        if rows != manifest.rows:
            differing = sorted(name for name, _ in rows.items() ^ manifest.rows.items())
            raise UnavailableError(
                f"other rows than were kept came back in {', '.join(dict.fromkeys(differing))}"
            )
        # A dump has no statistics, and pages that were never vacuumed are not read from an index alone.
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
