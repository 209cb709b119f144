"""Verdicts that were reached before, a JSON file each, so that nobody pays for one twice."""

import asyncio
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rag.errors import InvalidInputError

log = structlog.get_logger(__name__)

FORMAT = 1  # of the files; another one is another key


class StoredVerdict(BaseModel):
    """What a file holds: no text of a question, an answer or a document."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    metric: str
    judge: str
    score: Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class VerdictCache:
    """A folder of verdicts. Whoever shares it may write at the same time."""

    folder: Path

    def open(self) -> None:
        """Make the folder.

        Raises:
            InvalidInputError: It can't be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise InvalidInputError(f"{self.folder}: {exc.strerror}") from exc

    async def read(self, key: str) -> float | None:
        """The score under a key; None for none, or for a file that holds no verdict."""
        return await asyncio.to_thread(self._read, key)

    async def write(self, key: str, verdict: StoredVerdict) -> None:
        """Keep a verdict; one that can't be written is only not kept."""
        await asyncio.to_thread(self._write, key, verdict)

    def _read(self, key: str) -> float | None:
        path = self._path(key)
        try:
            return StoredVerdict.model_validate_json(path.read_bytes()).score
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as exc:
            log.warning("verdict_unreadable", path=str(path), reason=type(exc).__name__)
            return None

    def _write(self, key: str, verdict: StoredVerdict) -> None:
        path = self._path(key)
        partial = path.with_name(f".{path.name}.{os.getpid()}-{uuid4().hex}")
        try:
            path.parent.mkdir(exist_ok=True)
            partial.write_text(verdict.model_dump_json() + "\n", encoding="utf-8")
            partial.replace(path)
        except OSError as exc:
            partial.unlink(missing_ok=True)
            log.warning("verdict_not_kept", path=str(path), reason=exc.strerror)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def verdict_key(parts: Mapping[str, object]) -> str:
    """SHA-256 of everything that a verdict depends on, as canonical JSON."""
    text = json.dumps({"format": FORMAT, **parts}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
