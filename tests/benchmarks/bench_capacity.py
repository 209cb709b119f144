"""The capacity model: bytes, memory and time of a search by the number of chunks, fitted to measurements.

Four corpora of one kind (`remixed_corpus.py`), each in a database of its own and on a server just started. A
search is a hybrid one for the ten best, with the question's vector given. Figures are fitted by
`a + b * chunks` with least squares of the relative error; rows show coefficients and the largest residual.

Times are not fitted: they hang on what else runs, and the server's own processor time hardly does. Memory
needs Linux.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import psutil
from numpy.typing import NDArray

from db.pool import connect
from rag.analysis import analyse
from rag.models.local import LOCAL_FUSION
from rag.models.minilm import MiniLMEmbeddings
from rag.ports import SearchQuery, SearchScope
from tests.benchmarks.corpus_vectors import load_questions
from tests.benchmarks.remixed_corpus import remixed
from tests.benchmarks.report import BenchmarkRow, at_most, for_information
from tests.benchmarks.search_database import BenchChunk, SearchDatabase, open_search_database

SIZES = (10_000, 30_000, 60_000, 100_000)
TOP = 10
CLIENTS = 8
SECONDS = 8.0
MB = 1e6
SIZE_RESIDUAL, TIME_RESIDUAL = 0.1, 0.25
UNITS = {"mb": "MB", "ms": "ms", "s": "/s"}

# `vectors` is the HNSW index, `words` all of the lexical side with its indexes.
BYTES = r"""
SELECT pg_backend_pid() AS pid, pg_database_size(current_database()) AS disk,
    (SELECT sum(pg_relation_size(indexrelid)) FROM pg_stat_user_indexes
     WHERE indexrelname LIKE 'chunk\_embeddings\_space\_%') AS vectors,
    (SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables
     WHERE relname IN ('postings', 'lexemes', 'chunk_terms', 'lexical_statistics')) AS words
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One size. The name's end is the unit; `cpu_ms` is the server's processor time of a search."""

    disk_mb: float
    vectors_mb: float
    words_mb: float
    memory_mb: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    rate_s: float


@dataclass(frozen=True, slots=True)
class Line:
    """`intercept + slope * chunks`, and how far the worst point is from it, as a share of that point."""

    intercept: float
    slope: float
    residual: float


def run() -> list[BenchmarkRow]:
    return asyncio.run(_run())


async def _run() -> list[BenchmarkRow]:
    questions = [question.text for question in load_questions()]
    vectors = np.array(MiniLMEmbeddings.load().embed_documents(questions), np.float32)
    queries = [
        SearchQuery(vector=vector, words=analyse(question), limit=TOP, fusion=LOCAL_FUSION)
        for question, vector in zip(questions, vectors, strict=True)
    ]
    chunks, corpus = await asyncio.to_thread(remixed, SIZES[-1])
    measured = [asdict(await _measure(chunks[:size], corpus[:size], queries)) for size in SIZES]
    rows = [
        for_information(f"{size:,} chunks: {name}", value, UNITS[name.rsplit("_", 1)[1]])
        for size, one in zip(SIZES, measured, strict=True)
        for name, value in one.items()
    ]
    for name in ("disk_mb", "vectors_mb", "words_mb", "memory_mb", "cpu_ms"):
        rows += _line_rows(name, fit(SIZES, [one[name] for one in measured]))
    return rows


def fit(chunks: Sequence[int], values: Sequence[float]) -> Line:
    """The line with the least squares of relative errors."""
    x, y = np.array(chunks, np.float64), np.array(values, np.float64)
    columns = np.stack([1 / y, x / y], axis=1)
    (intercept, slope), *_ = np.linalg.lstsq(columns, np.ones_like(y), rcond=None)
    residual = np.abs((intercept + slope * x) / y - 1).max()
    return Line(float(intercept), float(slope), float(residual))


def _line_rows(name: str, line: Line) -> list[BenchmarkRow]:
    unit = UNITS[name.rsplit("_", 1)[1]]
    bound = TIME_RESIDUAL if unit == "ms" else SIZE_RESIDUAL
    return [
        for_information(f"fit of {name}: at none", line.intercept, unit),
        for_information(f"fit of {name}: for each million chunks", line.slope * 1e6, unit),
        at_most(f"fit of {name}: largest residual", line.residual, bound),
    ]


async def _measure(
    chunks: Sequence[BenchChunk], vectors: NDArray[np.float32], queries: Sequence[SearchQuery]
) -> Measured:
    name = f"remixed{len(chunks) // 1000}k"
    async with open_search_database(name, chunks, vectors, connections=CLIENTS) as database:
        owner = await connect(database.logins.owner)
        try:
            [row] = await owner.fetch(BYTES)
            await _times(database, queries)  # fills caches and plans
            times = await _times(database, queries)
            server = psutil.Process(psutil.Process(row["pid"]).ppid())
            spent, count, seconds = await _together(database, queries, server)
            return Measured(
                disk_mb=row["disk"] / MB,
                vectors_mb=float(row["vectors"]) / MB,
                words_mb=float(row["words"]) / MB,
                memory_mb=_memory(server) / MB,
                p50_ms=statistics.median(times),
                p99_ms=float(np.quantile(times, 0.99)),
                cpu_ms=spent * 1000 / count,
                rate_s=count / seconds,
            )
        finally:
            await owner.close()


async def _times(database: SearchDatabase, queries: Sequence[SearchQuery]) -> NDArray[np.float64]:
    """Milliseconds of each, one after another."""
    scope, taken = SearchScope(database.tenant_id), []
    for query in queries:
        began = time.perf_counter()
        await database.search.search(scope, query)
        taken.append((time.perf_counter() - began) * 1000)
    return np.array(taken)


async def _together(
    database: SearchDatabase, queries: Sequence[SearchQuery], server: psutil.Process
) -> tuple[float, int, float]:
    """Searches by several clients: the server's seconds of processor time, how many, and how long it took."""
    scope, done = SearchScope(database.tenant_id), 0
    before, began = _processor_s(server), time.perf_counter()
    deadline = began + SECONDS

    async def client(at: int) -> None:
        nonlocal done
        while time.perf_counter() < deadline:
            await database.search.search(scope, queries[at % len(queries)])
            at += CLIENTS
            done += 1

    await asyncio.gather(*(client(at) for at in range(CLIENTS)))
    return _processor_s(server) - before, done, time.perf_counter() - began


def _processor_s(server: psutil.Process) -> float:
    """Seconds that the server and its children have used so far, those that have ended among them."""
    own = server.cpu_times()
    running = [process.cpu_times() for process in server.children()]
    ended = own.children_user + own.children_system
    return ended + sum(times.user + times.system for times in (own, *running))


def _memory(server: psutil.Process) -> float:
    """Bytes of memory, pages that processes share counted once."""
    return float(sum(process.memory_full_info().pss for process in (server, *server.children())))
