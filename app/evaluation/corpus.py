"""A service with the documents of a folder, for as long as it is needed."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
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
    folder: Path, settings: Settings, *, local: LocalModels | None = None
) -> AsyncIterator[Services]:
    """Services over the folder's files, in an embedded database that is gone afterwards.

    A document's name is its path in the folder. The files go in one by one, in the order of their names, so
    that the same files make the same corpus.

    Args:
        folder: Of the documents.
        settings: How they are read and asked; where they would be stored is left out.
        local: Models that are loaded already.

    Raises:
        InvalidInputError: The folder has no files, or one of them can't be read.
        UnavailableError: The database can't be started.
    """
    paths = await asyncio.to_thread(_files, folder)
    if not paths:
        raise InvalidInputError(f"{folder} has no files")
    with tempfile.TemporaryDirectory(prefix="groundwork-eval-") as scratch:
        own = settings.model_copy(update={**_NOWHERE, "data_dir": Path(scratch)})
        async with open_services(own, local=local) as services:
            for path in paths:
                name = path.relative_to(folder).as_posix()
                file = IncomingFile(path, SourceLabels(name), filename=path.name)
                await services.ingestor.ingest(services.default_identity.writer(), file)
            yield services


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
