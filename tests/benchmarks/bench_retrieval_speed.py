"""Search at 100,000 and 300,000 chunks of technical prose: the time, and what an exhaustive one finds.

AWS guides and Debian's documentation, 244 natural questions. Everything runs as the role `app` under
row-level security, in a transaction as the service makes it, unless a row says otherwise.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from db.pool import connect
from db.repositories import search as search_repository
from db.repositories import search_statement
from db.repositories.search_statement import build_statement
from rag.analysis import analyse
from rag.filters import Condition, MetadataKey, Operator
from rag.models.local import LOCAL_FUSION
from rag.models.minilm import MiniLMEmbeddings
from rag.ports import Findings, SearchQuery, SearchScope
from tests.benchmarks.corpus_vectors import load_questions
from tests.benchmarks.load import load_from_outside
from tests.benchmarks.prose import prose, prose_vectors
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information
from tests.benchmarks.search_database import BUCKETS, SearchDatabase, open_search_database
from tests.benchmarks.serving import serving, write_bodies

Item = TypeVar("Item")

SIZE = 100_000
LARGE = 300_000
TOP = 10
SLOW_SAMPLE = 40  # questions that a search of half a second and more is timed on
CLIENTS = 16

# Every chunk that has a word of the question, scored: what pruning is compared with.
EXHAUSTIVE = """
WITH corpus AS (
    SELECT sum(chunk_count)::float8 AS size, sum(lexeme_total)::float8 / sum(chunk_count) AS average_length
    FROM lexical_statistics
), word AS (
    SELECT number, ln(1 + (size - chunk_count + 0.5::float8) / (chunk_count + 0.5::float8)) AS idf
    FROM lexemes, corpus WHERE lexeme = ANY (tsvector_to_array(to_tsvector('english', $1)))
)
SELECT d.id, t.fingerprint
FROM corpus, chunk_terms t
CROSS JOIN LATERAL (
    SELECT sum(word.idf * f.tf
               / (f.tf + 1.2::float8 * (0.25::float8 + 0.75::float8 * t.length / average_length))) AS score
    FROM word CROSS JOIN LATERAL (
        SELECT t.frequencies[array_position(t.lexemes, word.number)]::float8 AS tf OFFSET 0) f
    WHERE f.tf IS NOT NULL OFFSET 0
) s
JOIN documents d ON d.number = t.chunk_number
WHERE s.score IS NOT NULL
ORDER BY s.score DESC, t.chunk_number LIMIT 60
"""
MAKE_TEXT_SEARCH = """
CREATE TABLE text_search AS
SELECT d.number, to_tsvector('english', s.title || ' ' || d.text) AS words
FROM documents d JOIN source_documents s ON s.id = d.source_id
"""
OR_TS_RANK_CD = """
SELECT number FROM text_search, to_tsquery('english', $1) AS query
WHERE words @@ query ORDER BY ts_rank_cd(words, query) DESC LIMIT 10
"""
NEAREST_EXACTLY = """
SELECT chunk_number FROM chunk_embeddings WHERE space_id = {space} AND tenant_id = $1
ORDER BY embedding::halfvec(384) <=> $2::halfvec(384) LIMIT 10
"""


def run() -> list[BenchmarkRow]:
    return asyncio.run(_run())


async def _run() -> list[BenchmarkRow]:
    questions = [question.text for question in load_questions()]
    encoder = MiniLMEmbeddings.load()
    vectors = np.array(encoder.embed_documents(questions), np.float32)
    corpus = prose(SIZE)
    corpus_vectors = prose_vectors()
    rows: list[BenchmarkRow] = []
    async with open_search_database("prose100k", corpus, corpus_vectors, connections=CLIENTS) as database:
        lexical_rows, lexical_p50 = await _lexical(database, questions)
        rows += lexical_rows
        rows += await _dense(database, vectors, corpus_vectors)
        rows += await _filtered(database, vectors, corpus_vectors)
        rows += await _service(database, questions, vectors)
    async with open_search_database("prose300k", prose(LARGE), None) as database:
        p50 = statistics.median(await _timed(partial(_search, database), [_by_words(q) for q in questions]))
        rows.append(for_information("lexical at 300,000 chunks, p50", p50, "ms"))
        rows.append(at_most("lexical, p50 at 300,000 over 100,000 chunks", p50 / lexical_p50, 2.5))
        rows.append(at_least("lexical at 300,000, overlap@10", await _overlap(database, questions), 0.95))
    return rows


async def _timed(search: Callable[[Item], Awaitable[object]], items: Sequence[Item]) -> list[float]:
    """Milliseconds for each item, one after another, after a first round that warms caches and plans."""
    for item in items:
        await search(item)
    taken = []
    for item in items:
        began = time.perf_counter()
        await search(item)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def _by_words(question: str) -> SearchQuery:
    return SearchQuery(vector=None, words=analyse(question), limit=TOP)


def _by_vector(question: NDArray[np.float32]) -> SearchQuery:
    return SearchQuery(vector=question, words=None, limit=TOP, candidates=2 * TOP)  # type: ignore[arg-type]


async def _search(database: SearchDatabase, query: SearchQuery, scope: SearchScope | None = None) -> Findings:
    return await database.search.search(scope or SearchScope(database.tenant_id), query)


async def _lexical(database: SearchDatabase, questions: Sequence[str]) -> tuple[list[BenchmarkRow], float]:
    taken = await _timed(partial(_search, database), [_by_words(question) for question in questions])
    p50, p99 = statistics.median(taken), float(np.quantile(taken, 0.99))
    or_p50 = statistics.median(await _or_ts_rank_cd(database, questions[:: len(questions) // SLOW_SAMPLE]))
    return [
        for_information("lexical at 100,000 chunks, p50", p50, "ms"),
        for_information("lexical, p99", p99, "ms"),
        for_information("OR + ts_rank_cd with GIN and no policies, p50", or_p50, "ms"),
        at_most("lexical p50 over OR + ts_rank_cd's", p50 / or_p50, 1 / 25),
        at_most("lexical p99 over p50", p99 / p50, 4),
        at_least("lexical, overlap@10 with an exhaustive scan", await _overlap(database, questions), 0.95),
    ], p50


async def _overlap(database: SearchDatabase, questions: Sequence[str]) -> float:
    """Share of the exhaustive top ten, less the copies that every search leaves out, that is found."""
    shares = []
    for question in questions[:: len(questions) // SLOW_SAMPLE]:
        async with database.database.tenant(database.tenant_id) as connection:
            rows = await connection.fetch(EXHAUSTIVE, analyse(question))
        wanted = list({row["fingerprint"]: row["id"] for row in reversed(rows)}.values())[::-1][:TOP]
        found = (await _search(database, _by_words(question))).passages
        ids = {passage.passage.chunk_id for passage in found}
        if wanted:
            shares.append(len(ids & set(wanted)) / len(wanted))
    return float(np.mean(shares))


async def _or_ts_rank_cd(database: SearchDatabase, questions: Sequence[str]) -> list[float]:
    owner = await connect(database.logins.owner)
    try:
        if await owner.fetchval("SELECT to_regclass('text_search')") is None:
            await owner.execute("SELECT set_config('app.tenant_id', $1, false)", str(database.tenant_id))
            await owner.execute(MAKE_TEXT_SEARCH)
            await owner.execute("CREATE INDEX text_search_words ON text_search USING gin (words)")
            await owner.execute("VACUUM ANALYZE text_search")
        statement = await owner.prepare(OR_TS_RANK_CD)
        queries = [" | ".join(analyse(question).split()) for question in questions]
        return await _timed(statement.fetch, queries)
    finally:
        await owner.close()


async def _dense(
    database: SearchDatabase, questions: NDArray[np.float32], corpus: NDArray[np.float32]
) -> list[BenchmarkRow]:
    stored = corpus.astype(np.float16).astype(np.float32)
    gold = [_nearest(stored, question, None) for question in questions]
    queries = [_by_vector(question) for question in questions]
    taken = await _timed(partial(_search, database), queries)
    exact = await _exact_scan(database, questions[:SLOW_SAMPLE])
    recall = np.mean(
        [
            _recall(await _search(database, query), best, stored, question)
            for query, best, question in zip(queries, gold, questions, strict=True)
        ]
    )
    p50, exact_p50 = statistics.median(taken), statistics.median(exact)
    return [
        for_information("dense at 100,000 chunks, p50", p50, "ms"),
        for_information("exact scan, p50", exact_p50, "ms"),
        at_most("dense p50 over the exact scan's", p50 / exact_p50, 1 / 40),
        at_least("dense recall@10", float(recall), 0.99),
    ]


def _nearest(
    corpus: NDArray[np.float32], question: NDArray[np.float32], mask: NDArray[np.bool_] | None
) -> float:
    """Similarity of the tenth nearest chunk in scope: whatever is as near counts as found."""
    similarity = corpus @ question
    if mask is not None:
        similarity = similarity[mask]
    return float(np.partition(similarity, -TOP)[-TOP])


def _recall(
    found: Findings,
    least: float,
    corpus: NDArray[np.float32],
    question: NDArray[np.float32],
) -> float:
    """Share of the ten nearest that was found; near copies that were left out made room for others."""
    near = sum((passage.vector_score or 0) >= least - 1e-3 for passage in found.passages)
    room = _copies(found)
    return min(1.0, (near + room) / TOP)


def _copies(found: Findings) -> int:
    """How many of the nearest ranks are missing from the results because they are copies."""
    last = max((passage.vector_rank or 0 for passage in found.passages), default=0)
    return max(0, last - len(found.passages))


async def _exact_scan(database: SearchDatabase, questions: NDArray[np.float32]) -> list[float]:
    async with database.database.tenant(database.tenant_id) as connection:
        await connection.execute("SET LOCAL enable_indexscan = off")
        statement = await connection.prepare(NEAREST_EXACTLY.format(space=database.space.id))
        return await _timed(partial(statement.fetch, database.tenant_id), list(questions))


async def _filtered(
    database: SearchDatabase, questions: NDArray[np.float32], corpus: NDArray[np.float32]
) -> list[BenchmarkRow]:
    stored = corpus.astype(np.float16).astype(np.float32)
    buckets = await _buckets(database)
    sample = questions[::5]
    rows: list[BenchmarkRow] = []
    chosen = (search_statement.WORTH_COMPARING, search_statement.SOURCES_OF_SO_MANY)
    routes = {
        "exact": (search_statement.ALL_CHUNKS, search_statement.ANY_SOURCES),
        "index": ("0::bigint", "0::bigint"),
        "routed": chosen,
    }
    for share in (0.5, 0.1, 0.01, 0.001):
        limit = share * BUCKETS
        scope = SearchScope(
            database.tenant_id, filter=Condition(MetadataKey("bucket"), Operator.LT, (float(limit),))
        )
        mask = buckets < limit
        queries = [_by_vector(question) for question in sample]
        search = partial(_search, database, scope=scope)
        p50 = {}
        for name, route in routes.items():
            search_statement.WORTH_COMPARING, search_statement.SOURCES_OF_SO_MANY = route
            build_statement.cache_clear()
            p50[name] = statistics.median(await _timed(search, queries))
        found = [await search(query) for query in queries]
        recall = np.mean(
            [
                _recall(findings, _nearest(stored, question, mask), stored, question)
                for findings, question in zip(found, sample, strict=True)
            ]
        )
        full = all(len(findings.passages) == TOP for findings in found)
        label = f"filter of {share:.1%} ({int(mask.sum())} chunks)"
        rows += [
            for_information(f"{label}: exact p50", p50["exact"], "ms"),
            for_information(f"{label}: iterative p50", p50["index"], "ms"),
            for_information(f"{label}: routed p50", p50["routed"], "ms"),
            at_most(f"{label}: routed over the faster", p50["routed"] / min(p50["exact"], p50["index"]), 1.3),
            at_least(f"{label}: recall@10", float(recall), 0.99),
            at_least(f"{label}: ten full rows", float(full), 1),
        ]
    return rows


async def _buckets(database: SearchDatabase) -> NDArray[np.float64]:
    async with database.database.tenant(database.tenant_id) as connection:
        rows = await connection.fetch(
            "SELECT a.number FROM documents d JOIN source_attributes a USING (source_id) ORDER BY d.number"
        )
    return np.array([row["number"] for row in rows])


async def _service(
    database: SearchDatabase, questions: Sequence[str], vectors: NDArray[np.float32]
) -> list[BenchmarkRow]:
    queries = [
        SearchQuery(vector=vector, words=analyse(question), limit=TOP, fusion=LOCAL_FUSION)
        for question, vector in zip(questions, vectors, strict=True)
    ]
    statement = build_statement(
        search_repository.search_shape(queries[0], None, space_id=database.space.id, dimensions=384)
    )
    scope = SearchScope(database.tenant_id)
    values = [search_repository.search_values(scope, query, None) for query in queries]

    async def raw(at: int) -> None:
        async with database.database.tenant(database.tenant_id) as connection:
            await connection.fetch(statement, *values[at])

    raw_p50 = statistics.median(await _timed(raw, range(len(values))))
    raw_rate = await _raw_rate(raw, len(values))
    with tempfile.TemporaryDirectory() as folder:
        given, embedded = write_bodies(Path(folder), questions, vectors, top_k=TOP)
        async with serving(database, connections=CLIENTS) as url:
            await load_from_outside(url, given, clients=2, seconds=3)
            one = await load_from_outside(url, given, clients=1, seconds=10)
            local = await load_from_outside(url, embedded, clients=1, seconds=10)
            many = await load_from_outside(url, given, clients=CLIENTS, seconds=10)
    return [
        for_information("hybrid statement in its transaction, p50", raw_p50, "ms"),
        for_information("/search with the vector given, p50 at one client", one.p50_ms, "ms"),
        at_most("/search with the vector given, over the statement", one.p50_ms - raw_p50, 2.0, "ms"),
        at_most("/search with the local embedder, over the statement", local.p50_ms - raw_p50, 10.0, "ms"),
        for_information("statement at sixteen clients", raw_rate, "/s"),
        for_information("/search at sixteen clients", many.per_second, "/s"),
        at_least("/search over the statement, at sixteen clients", many.per_second / raw_rate, 0.65),
    ]


async def _raw_rate(raw: Callable[[int], Awaitable[None]], count: int, seconds: float = 10) -> float:
    done = 0
    deadline = time.perf_counter() + seconds

    async def client(at: int) -> None:
        nonlocal done
        while time.perf_counter() < deadline:
            await raw(at % count)
            at += CLIENTS
            done += 1

    await asyncio.gather(*(client(at) for at in range(CLIENTS)))
    return done / seconds
