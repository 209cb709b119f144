"""A service with the documents of some folders, for as long as it is needed."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from app.services import Services, open_services
from app.settings import Settings
from rag.errors import InvalidInputError
from rag.ingest import IncomingFile
from rag.models.local import LocalModels
from rag.ports import SourceLabels


@asynccontextmanager
async def folder_services(
    folders: Sequence[Path], settings: Settings, *, local: LocalModels | None = None
) -> AsyncIterator[Services]:
    """Services over the folders' files, in an embedded database that is gone afterwards.

    A document's name is its path in its folder. The files go in one by one, in the order of their names, so
    that the same files make the same corpus.

    Args:
        folders: Of the documents.
        settings: How they are read and asked; where they would be stored is left out.
        local: Models that are loaded already.

    Raises:
        InvalidInputError: A folder has no files, a name is in two of them, or a file can't be read.
        UnavailableError: The database can't be started.
    """
    files = await asyncio.to_thread(_find_all, folders)
    with tempfile.TemporaryDirectory(prefix="groundwork-eval-") as scratch:
        own = settings.model_copy(update={**_NOWHERE, "data_dir": Path(scratch)})
        async with open_services(own, local=local) as services:
            for name, path in files.items():
                file = IncomingFile(path, SourceLabels(name), filename=path.name)
                await services.ingestor.ingest(services.default_identity.writer(), file)
            yield services


def _find_all(folders: Sequence[Path]) -> dict[str, Path]:
    """The folders' files by their names."""
    found: dict[str, Path] = {}
    for folder in folders:
        paths = _files(folder)
        if not paths:
            raise InvalidInputError(f"{folder} has no files")
        for path in paths:
            name = path.relative_to(folder).as_posix()
            if found.setdefault(name, path) != path:
                raise InvalidInputError(f"{found[name]} and {path} would have one name, {name}")
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


_NOWHERE = {
    "database_url": None,
    "app_database_url": None,
    "system_database_url": None,
    "db_host": None,
    "db_secret": None,
    "events_queue_url": None,
    "sample_documents": False,
    "role": "api",
}
