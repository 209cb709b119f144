"""Back up and restore the embedded database: `scripts/backup.py create|verify|restore FOLDER`.

scripts/backup.py create backups/monday             while the service runs
scripts/backup.py verify backups/monday --trial     all bytes, and a restore to a folder that is thrown away
scripts/backup.py restore backups/monday --data-dir .data-restored
"""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from app.secrets import LiveSettings
from app.settings import Settings
from db.backup import Manifest, create_backup, restore_backup, verify_backup
from observability.logs import configure_logs
from rag.errors import GroundworkError, InvalidInputError


async def try_out(folder: Path) -> Manifest:
    """Restore the backup to a folder of its own, and throw that away."""
    with tempfile.TemporaryDirectory(prefix="groundwork-trial-") as scratch:
        os.chmod(scratch, 0o711)  # noqa: PTH101, S103 - run by root, the server is another account
        return await restore_backup(folder, Path(scratch) / "data")


async def run(arguments: argparse.Namespace, settings: Settings) -> Manifest:
    data_dir: Path = arguments.data_dir or settings.data_dir
    if arguments.command == "verify":
        return await (try_out(arguments.folder) if arguments.trial else _verify(arguments.folder))
    if LiveSettings(settings).database_logins() is not None:
        raise InvalidInputError(
            "the settings name a database server: back that up by its own means (docs/operations.md)"
        )
    if arguments.command == "create":
        return await create_backup(data_dir, arguments.folder)
    return await restore_backup(arguments.folder, data_dir)


async def _verify(folder: Path) -> Manifest:
    return await asyncio.to_thread(verify_backup, folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Back up and restore the embedded database and its files.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, does in (
        ("create", "back up to a new folder; the service may run"),
        ("verify", "read all of a backup"),
        ("restore", "restore to a data folder that is empty"),
    ):
        command = commands.add_parser(name, help=does, description=does)
        command.add_argument("folder", type=Path, help="the backup")
        command.add_argument("--data-dir", type=Path, help="instead of DATA_DIR")
        if name == "verify":
            command.add_argument("--trial", action="store_true", help="restore it too, to a temporary folder")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    try:
        settings = Settings()
        configure_logs(level=settings.log_level, log_format=settings.log_format)
        manifest = asyncio.run(run(arguments, settings))
    except GroundworkError as exc:
        print(f"Cannot do that: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, InvalidInputError) else 1
    rows = sum(manifest.rows.values())
    print(
        f"{arguments.command}: {arguments.folder}, state of {manifest.made_at:%Y-%m-%d %H:%M:%S %Z}, "
        f"schema {manifest.revision}, {rows:,} rows, {manifest.size / 1e6:,.1f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
