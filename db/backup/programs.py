"""`pg_dump` and `pg_restore` of the embedded server, and what both sides of a backup ask it."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import asyncpg

from db.embedded import ServerAddress
from db.embedded.binaries import find_binaries
from rag.errors import UnavailableError

MAJOR = 16  # the embedded server's
JOBS = 2  # tables at a time; more only helps with more processors
INDEX_MEMORY = "1GB"  # an HNSW graph that does not fit is built five times slower; 100,000 chunks take 0.2 GB
TAIL = 2000  # characters of a program's complaint

TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname
"""


async def count_rows(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, int]:
    """Rows of each table. Needs the superuser, whom no policy binds."""
    names = [row["relname"] for row in await connection.fetch(TABLES)]
    return {name: await connection.fetchval(f'SELECT count(*) FROM "{name}"') for name in names}


async def run_program(name: str, address: ServerAddress, database: str, arguments: list[str]) -> None:
    """Run one of the server's programs as its superuser, to its end or ours.

    Raises:
        UnavailableError: It failed; the message ends with what it said.
    """
    program = find_binaries(MAJOR).install / "bin" / name
    process = await asyncio.create_subprocess_exec(
        str(program),
        *arguments,
        env=_environment(address, database),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, complaint = await process.communicate()
    except asyncio.CancelledError:
        await _end(process)
        raise
    if process.returncode:
        raise UnavailableError(f"{name} failed: {os.fsdecode(complaint).strip()[-TAIL:]}")


def _environment(address: ServerAddress, database: str) -> Mapping[str, str]:
    """Not arguments: those show in the list of processes."""
    return {
        "PATH": os.defpath,
        "LC_ALL": "C",
        "PGHOST": str(address.socket_dir),
        "PGPORT": str(address.port),
        "PGUSER": address.admin_user,
        "PGPASSWORD": address.admin_password,
        "PGDATABASE": database,
        "PGOPTIONS": f"-c maintenance_work_mem={INDEX_MEMORY}",
    }


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    await process.wait()


def files_below(folder: Path) -> list[Path]:
    """Files, links among them left out; none when there is no folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
