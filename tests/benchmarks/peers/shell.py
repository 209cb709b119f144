"""What every peer's worker shares: the corpus on disk, the measuring, the HTTP shell and the command line.

Workers run in the peers' environment, so this module imports nothing of the project.
"""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypedDict

import asyncpg
import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from numpy.typing import NDArray
from pydantic import BaseModel

TOP_K = 10
CANDIDATES = 50  # of each leg, before fusion: pgvector's and the papers' usual depth, the same for every peer
EF_SEARCH = 100  # what the project searches its own HNSW index with; must not be below CANDIDATES
BATCH = 256  # rows handed to a peer at once
WRITERS = 4  # batches under way at a time, as many as the project's own load has documents
POOL = 16  # connections to the server at most: more than two cores keep busy
WARM_UP = 25  # queries whose time is not taken: they fill caches and prepare statements
RESULT = "result.json"


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """What a peer is given; a text's id is its row.

    Attributes:
        vectors: (texts, dimensions), L2-normalised.
        query_vectors: (queries, dimensions), L2-normalised.
    """

    texts: Sequence[str]
    vectors: NDArray[np.float32]
    queries: Sequence[str]
    query_vectors: NDArray[np.float32]

    @property
    def dimensions(self) -> int:
        return int(self.vectors.shape[1])

    def batches(self) -> list[range]:
        """The rows, `BATCH` at a time."""
        return [range(at, min(at + BATCH, len(self.texts))) for at in range(0, len(self.texts), BATCH)]


class Peer(Protocol):
    """A search engine over one database."""

    async def load(self, corpus: Corpus, *, indexed: bool) -> None:
        """Make tables and fill them; build the indexes before, if `indexed`, or else at the end."""

    async def search(self, query: str, vector: list[float], limit: int) -> list[int]:
        """Rows of the best texts, best first."""
        ...


Opener = Callable[[str, int], AbstractAsyncContextManager[Peer]]


class Result(TypedDict):
    """What `run` leaves in the corpus folder as JSON."""

    ranked: list[list[int]]
    milliseconds: list[float]
    rows_per_second: float


class SearchRequest(BaseModel):
    query: str
    vector: list[float]
    top_k: int = TOP_K


class SearchResponse(BaseModel):
    ids: list[int]


class State(TypedDict):
    peer: Peer


def write_corpus(folder: Path, corpus: Corpus) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "texts.json").write_text(json.dumps(list(corpus.texts)), encoding="utf-8")
    (folder / "queries.json").write_text(json.dumps(list(corpus.queries)), encoding="utf-8")
    np.save(folder / "vectors.npy", corpus.vectors)
    np.save(folder / "query_vectors.npy", corpus.query_vectors)


def read_corpus(folder: Path) -> Corpus:
    return Corpus(
        texts=json.loads((folder / "texts.json").read_text(encoding="utf-8")),
        vectors=np.load(folder / "vectors.npy"),
        queries=json.loads((folder / "queries.json").read_text(encoding="utf-8")),
        query_vectors=np.load(folder / "query_vectors.npy"),
    )


def main(opener: Opener) -> None:
    """The command line of a worker: `run|load|load-indexed URL FOLDER` or `serve URL FOLDER PORT`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("run", "load", "load-indexed", "serve"))
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int, nargs="?", default=0)
    given = parser.parse_args()
    if given.mode == "serve":
        app = create_app(opener, given.url, _dimensions(given.folder))
        uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning", access_log=False)
        return
    corpus = read_corpus(given.folder)
    result = asyncio.run(_run(opener, given.url, corpus, mode=given.mode))
    (given.folder / RESULT).write_text(json.dumps(result), encoding="utf-8")


async def _run(opener: Opener, url: str, corpus: Corpus, *, mode: str) -> Result:
    async with opener(url, corpus.dimensions) as peer:
        started = time.perf_counter()
        await peer.load(corpus, indexed=mode == "load-indexed")
        seconds = time.perf_counter() - started
        await _vacuum(url)
        ranked, milliseconds = await _search_all(peer, corpus) if mode == "run" else ([], [])
    return Result(ranked=ranked, milliseconds=milliseconds, rows_per_second=len(corpus.texts) / seconds)


async def write_batches(corpus: Corpus, writers: Sequence[Callable[[range], Awaitable[None]]]) -> None:
    """All rows of a corpus, by several writers at a time."""
    batches = iter(corpus.batches())

    async def write(writer: Callable[[range], Awaitable[None]]) -> None:
        for rows in batches:
            await writer(rows)

    await asyncio.gather(*map(write, writers))


async def _search_all(peer: Peer, corpus: Corpus) -> tuple[list[list[int]], list[float]]:
    vectors: list[list[float]] = corpus.query_vectors.tolist()
    asked = list(zip(corpus.queries, vectors, strict=True))
    for query, vector in asked[:WARM_UP]:
        await peer.search(query, vector, TOP_K)
    ranked, milliseconds = [], []
    for query, vector in asked:
        started = time.perf_counter()
        ranked.append(await peer.search(query, vector, TOP_K))
        milliseconds.append((time.perf_counter() - started) * 1000)
    return ranked, milliseconds


async def _vacuum(url: str) -> None:
    """Statistics for the planner and an empty pending list of GIN, which autovacuum would see to in time."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def create_app(opener: Opener, url: str, dimensions: int) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with opener(url, dimensions) as peer:
            yield State(peer=peer)

    app = FastAPI(lifespan=lifespan)

    @app.post("/search")
    async def search(request: Request, body: SearchRequest) -> SearchResponse:
        peer: Peer = request.state.peer
        return SearchResponse(ids=await peer.search(body.query, body.vector, body.top_k))

    return app


def _dimensions(folder: Path) -> int:
    return int(np.load(folder / "query_vectors.npy", mmap_mode="r").shape[1])
