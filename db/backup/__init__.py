"""Backups of an embedded database and the files beside it, as folders that say what is in them.

    <backup>/
        backup.json       what was kept when, the rows of each table, size and SHA-256 of each file
        database/         of `pg_dump --format=directory`
        artifacts/        reports and exports, as they lay beside the database

A backup is there completely or not at all: it is made under another name, and renamed when all is on the
disk. Passwords are not in it: a restored server makes its own. Neither is what only the settings hold.
"""

from db.backup.create import create_backup
from db.backup.manifest import Manifest, verify_backup
from db.backup.restore import restore_backup

__all__ = ["Manifest", "create_backup", "restore_backup", "verify_backup"]
