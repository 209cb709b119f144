"""The service over a benchmark's corpus, and what it is asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import uvicorn
from numpy.typing import NDArray

from app.factory import create_app
from app.settings import Settings
from rag.models.local import LocalModels
from tests.benchmarks.search_database import SearchDatabase


@asynccontextmanager
async def serving(database: SearchDatabase, *, connections: int) -> AsyncIterator[str]:
    """The URL of `/search`, served by this process."""
    settings = Settings(
        _env_file=None,
        database_url=database.logins.owner.url,
        app_database_url=database.logins.app.url,
        system_database_url=database.logins.system.url,
        sample_documents=False,
        db_connections=connections,
        log_level="ERROR",
    )
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings, local=LocalModels()), port=0, log_config=None, access_log=False)
    )
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the service did not start"
        await asyncio.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/search"
    finally:
        server.should_exit = True
        await task


def write_bodies(
    folder: Path, questions: Sequence[str], vectors: NDArray[np.float32], *, top_k: int
) -> tuple[Path, Path]:
    """Two files of request bodies, a line each: with the questions' vectors, and without."""
    plain = [{"query": question, "top_k": top_k} for question in questions]
    given = [
        body | {"vector": [round(float(x), 6) for x in vector]}
        for body, vector in zip(plain, vectors, strict=True)
    ]
    files = folder / "given", folder / "embedded"
    for file, bodies in zip(files, (given, plain), strict=True):
        file.write_text("\n".join(map(json.dumps, bodies)))
    return files
