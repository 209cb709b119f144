"""Make the data of the release before: `python -m tests.data.previous_release.make`, after a new release.

The release is a commit, taken out of git into a temporary folder and run there: it takes in documents,
answers questions, gets feedback and issues keys by its own code and over its own HTTP interface. Then its
database is dumped to `database.sql.gz`; `expected.json` is what it said of it. The keys open nothing else.
"""

import gzip
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from db.embedded import EmbeddedPostgres
from db.embedded.binaries import find_binaries

COMMIT = "9a83382"  # the last one of schema 0008
FOLDER = Path(__file__).parent
ROOT = Path(__file__).parents[3]

# pg_dump writes commands of psql around its own.
NOT_SQL = (b"\\restrict", b"\\unrestrict")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="previous-release-") as scratch:
        Path(scratch).chmod(0o755)
        release, data_dir = Path(scratch) / "release", Path(scratch) / "data"
        take_out(release)
        use(release, data_dir)
        (FOLDER / "database.sql.gz").write_bytes(gzip.compress(dump(data_dir), 9, mtime=0))


def take_out(folder: Path) -> None:
    archive = folder.with_suffix(".tar")
    subprocess.run(["git", "archive", "--output", str(archive), COMMIT], cwd=ROOT, check=True)
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


def use(release: Path, data_dir: Path) -> None:
    """Run `use.py` on that release's code, not on ours."""
    subprocess.run(
        [sys.executable, "-P", str(FOLDER / "use.py"), str(data_dir), str(FOLDER / "expected.json")],
        cwd=release,
        env=os.environ | {"PYTHONPATH": str(release)},
        check=True,
    )


def dump(data_dir: Path) -> bytes:
    """As statements that any connection runs, of objects that belong to whoever runs them."""
    with EmbeddedPostgres(data_dir) as address:
        program = find_binaries(16).install / "bin" / "pg_dump"
        command = [str(program), "--inserts", "--rows-per-insert=50", "--no-owner", "--no-comments"]
        made = subprocess.run(
            command,
            env={
                "PGHOST": str(address.socket_dir),
                "PGPORT": str(address.port),
                "PGUSER": address.admin_user,
                "PGPASSWORD": address.admin_password,
                "PGDATABASE": "groundwork",
            },
            check=True,
            stdout=subprocess.PIPE,
        )
    lines = made.stdout.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(NOT_SQL))


if __name__ == "__main__":
    main()
