"""What a backup holds, and whether it still does."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from db.embedded.folders import write_private
from rag.errors import InvalidInputError

FORMAT = 1
MANIFEST = "backup.json"
DATABASE = "database"
ARTIFACTS = "artifacts"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """Size in bytes, and SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    Attributes:
        format: Version of this description.
        made_at: The moment whose state the database has; what was written later is not in it.
        revision: Of the schema.
        postgres: Major version of the server.
        pgvector: Version of the extension.
        rows: Number of rows by table.
        files: By path relative to the backup, with slashes.
    """

    format: int
    made_at: datetime
    revision: str
    postgres: int
    pgvector: str
    rows: Mapping[str, int]
    files: Mapping[str, KeptFile]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())


_MANIFEST = TypeAdapter(Manifest)


def kept_files(folder: Path) -> dict[str, KeptFile]:
    """All files below a backup, the manifest aside."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return {
        name: KeptFile(path.stat().st_size, _sha256(path))
        for path in paths
        if (name := path.relative_to(folder).as_posix()) != MANIFEST
    }


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Written last: a folder with a manifest is complete."""
    content = _MANIFEST.dump_python(manifest, mode="json")
    sealed = content | {"sha256": _digest(content)}
    write_private(folder / MANIFEST, json.dumps(sealed, indent=1).encode())


def verify_backup(folder: Path) -> Manifest:
    """Read every byte of a backup; what it holds.

    Checksums find what was cut off, altered by accident, lost or added. They are no signature: who can write
    the folder can write a manifest that fits.

    Raises:
        InvalidInputError: It is no backup, or not what was written; the message names what differs.
    """
    manifest = _read_manifest(folder)
    found = kept_files(folder)
    wrong = sorted(
        name for name in manifest.files.keys() | found.keys() if manifest.files.get(name) != found.get(name)
    )
    if wrong:
        complaints = [_complaint(name, manifest.files.get(name), found.get(name)) for name in wrong[:5]]
        more = f", and {len(wrong) - 5} more" if len(wrong) > 5 else ""  # noqa: PLR2004 - as many as are named
        raise InvalidInputError(f"{folder} is damaged: {', '.join(complaints)}{more}")
    return manifest


def _complaint(name: str, expected: KeptFile | None, found: KeptFile | None) -> str:
    if expected is None:
        return f"{name} was added"
    if found is None:
        return f"{name} is missing"
    if expected.size != found.size:
        return f"{name} has {found.size} bytes instead of {expected.size}"
    return f"{name} was altered"


def _read_manifest(folder: Path) -> Manifest:
    try:
        content: Any = json.loads((folder / MANIFEST).read_bytes())
        digest = content.pop("sha256")
        if content.get("format") != FORMAT:
            raise InvalidInputError(f"{folder} has format {content.get('format')}; this reads {FORMAT}")
        manifest = _MANIFEST.validate_python(content)
    except OSError as exc:
        raise InvalidInputError(f"{folder} is no backup, or an unfinished one: {exc}") from exc
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as exc:
        raise InvalidInputError(f"{folder / MANIFEST} is damaged") from exc
    if digest != _digest(content):
        raise InvalidInputError(f"{folder / MANIFEST} was altered")
    return manifest


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
