"""Runs the peers, each in a process with the peers' Python, against a database of its own on a given server.

The URL must be a superuser's: each peer gets a new database there, and makes the extension in it.
`python -m tests.benchmarks.peers.cranfield` compares them on Cranfield.
"""

import asyncio
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.benchmarks.data import ROOT
from tests.benchmarks.environments import python_with
from tests.benchmarks.peers.shell import RESULT

PEERS = ("langchain", "llama_index", "haystack")
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
# Building an HNSW index outside memory takes several times as long; pgvector's README asks for this setting.
BUILD_MEMORY = "1GB"
READY_SECONDS = 120


@dataclass(frozen=True, slots=True)
class PeerResult:
    """What came of one peer.

    Attributes:
        ranked: For each query, the rows of the best ten texts, best first.
        milliseconds: For each query, what it took inside the peer's process.
        rows_per_second: Of loading all rows and building the indexes.
    """

    ranked: tuple[tuple[int, ...], ...]
    milliseconds: tuple[float, ...]
    rows_per_second: float


@dataclass(frozen=True, slots=True)
class Bm25sResult:
    """The same of bm25s, which has no database; `scores` stand beside `ranked`."""

    ranked: tuple[tuple[int, ...], ...]
    scores: tuple[tuple[float, ...], ...]
    milliseconds: tuple[float, ...]
    rows_per_second: float


def run_peer(name: str, url: str, corpus_folder: Path) -> PeerResult:
    """Load the corpus (see `shell.write_corpus`) into a new database, and ask every query once.

    Raises:
        subprocess.CalledProcessError: The peer failed; what it said is on standard error.
    """
    _load(name, url, corpus_folder, mode="run")
    result = json.loads((corpus_folder / RESULT).read_text(encoding="utf-8"))
    return PeerResult(_rows(result["ranked"]), tuple(result["milliseconds"]), result["rows_per_second"])


def load_peer(name: str, url: str, corpus_folder: Path) -> float:
    """Rows a second into a new database whose indexes are there from the start.

    Raises:
        subprocess.CalledProcessError: The peer failed; what it said is on standard error.
    """
    _load(name, url, corpus_folder, mode="load-indexed")
    rate: float = json.loads((corpus_folder / RESULT).read_text(encoding="utf-8"))["rows_per_second"]
    return rate


@contextmanager
def serve_peer(name: str, url: str, corpus_folder: Path, port: int) -> Iterator[str]:
    """The peer behind `POST /search` {query, vector, top_k} -> {ids}; yields its base URL.

    The database that `run_peer` filled is used; there being none, one is filled first.
    """
    if not asyncio.run(_database_exists(url, _database(name))):
        _load(name, url, corpus_folder, mode="load")
    command = [*_command(name), "serve", _url_of(url, _database(name)), str(corpus_folder), str(port)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            _wait_until_ready(process, f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def run_bm25s(
    folder: Path,
    documents: Sequence[Sequence[str]],
    queries: Sequence[Sequence[str]],
    *,
    k1: float,
    b: float,
) -> Bm25sResult:
    """bm25s (method "lucene") over token lists."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = {"documents": documents, "queries": queries}
    (folder / "tokens.json").write_text(json.dumps(tokens), encoding="utf-8")
    subprocess.run([*_command("bm25s"), str(folder), str(k1), str(b)], cwd=ROOT, check=True)
    result = json.loads((folder / "bm25s.json").read_text(encoding="utf-8"))
    return Bm25sResult(
        _rows(result["ranked"]),
        tuple(map(tuple, result["scores"])),
        tuple(result["milliseconds"]),
        result["rows_per_second"],
    )


def peers_python() -> Path:
    """Python of an environment with the peers, made on first use: never the project's own."""
    return python_with(REQUIREMENTS, "peers-venv")


def _rows(ranked: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(map(tuple, ranked))


def _command(name: str) -> list[str]:
    return [str(peers_python()), "-m", f"tests.benchmarks.peers.{name}_worker"]


def _load(name: str, url: str, corpus_folder: Path, *, mode: str) -> None:
    database = _database(name)
    asyncio.run(_make_database(url, database))
    try:
        subprocess.run(
            [*_command(name), mode, _url_of(url, database), str(corpus_folder)], cwd=ROOT, check=True
        )
    except subprocess.CalledProcessError:
        asyncio.run(_execute(url, f'DROP DATABASE "{database}" WITH (FORCE)'))
        raise


def _database(name: str) -> str:
    return f"peer_{name}"


def _url_of(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


async def _make_database(url: str, database: str) -> None:
    await _execute(url, f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
    await _execute(url, f'CREATE DATABASE "{database}"')
    await _execute(url, f"ALTER DATABASE \"{database}\" SET maintenance_work_mem = '{BUILD_MEMORY}'")
    await _execute(_url_of(url, database), "CREATE EXTENSION IF NOT EXISTS vector")


async def _database_exists(url: str, database: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database))
    finally:
        await connection.close()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _wait_until_ready(process: "subprocess.Popen[bytes]", address: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/openapi.json", timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the peer did not start to serve")
