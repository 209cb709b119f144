"""Hybrid search beside other systems on the same server, rows and vectors: time of a query, queries a second.

Two corpora: Cranfield, and the AWS guides' chunks with their 62 questions. The peers are set up as well as
their documentation allows, see `tests/benchmarks/peers`. All search as one client, then as eight at once.

The fastest peer is not the one that finds most: two of the three ask for every word of the question, which
few passages have, and so search by vectors alone. Times and rates are compared with either.
"""

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag.analysis import analyse
from rag.models.local import LOCAL_FUSION
from rag.models.minilm import MiniLMEmbeddings
from rag.ports import SearchQuery, SearchScope
from tests.benchmarks.corpus_vectors import load_aws_chunks, load_questions, load_vectors
from tests.benchmarks.load import load_from_outside
from tests.benchmarks.peers.cranfield import load_cranfield
from tests.benchmarks.peers.run import PEERS, run_peer, serve_peer
from tests.benchmarks.peers.shell import Corpus, write_corpus
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information
from tests.benchmarks.search_database import BenchChunk, SearchDatabase, open_search_database
from tests.benchmarks.serving import serving, write_bodies

TOP = 10
CLIENTS = 8
SECONDS = 8.0
PORT = 18734
FINDS_MOST = "llama_index"  # nDCG@10 on both corpora, by `bench_retrieval_quality`


@dataclass(frozen=True, slots=True)
class Speed:
    p50_ms: float
    per_second: float


def run() -> list[BenchmarkRow]:
    rows = []
    for name, corpus in (("Cranfield", load_cranfield()[0]), ("AWS guides", _aws())):
        rows += asyncio.run(_compare(name, corpus))
    return rows


def _aws() -> Corpus:
    chunks = load_aws_chunks()
    texts = [" ".join([chunk.title, *chunk.heading_path, chunk.text]) for chunk in chunks]
    questions = [question.text for question in load_questions() if question.gold_document_id]
    encoder = MiniLMEmbeddings.load()
    return Corpus(texts, load_vectors([chunk.text for chunk in chunks]), questions, encoder.encode(questions))


async def _compare(name: str, corpus: Corpus) -> list[BenchmarkRow]:
    chunks = [BenchChunk(str(row), "", text) for row, text in enumerate(corpus.texts)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_corpus(folder, corpus)
        given, _ = write_bodies(folder, corpus.queries, corpus.query_vectors, top_k=TOP)
        key = f"peers_{name.split(maxsplit=1)[0].lower()}"
        async with open_search_database(key, chunks, corpus.vectors, connections=CLIENTS) as database:
            ours = await _ours(database, corpus, given)
            peers = {peer: await _peer(peer, database, folder, given) for peer in PEERS}
    rows = [
        row
        for system, speed in {"ours": ours, **peers}.items()
        for row in (
            for_information(f"{name}, {system}: hybrid query, p50", speed.p50_ms, "ms"),
            for_information(f"{name}, {system}: behind FastAPI, {CLIENTS} clients", speed.per_second, "/s"),
        )
    ]
    fastest = min(peer.p50_ms for peer in peers.values())
    busiest = max(peer.per_second for peer in peers.values())
    best = peers[FINDS_MOST]
    return [
        *rows,
        at_most(f"{name}: p50 over the fastest peer's", ours.p50_ms / fastest, 0.30),
        at_least(f"{name}: requests a second over the busiest peer's", ours.per_second / busiest, 3),
        at_most(f"{name}: p50 over that of the peer that finds most", ours.p50_ms / best.p50_ms, 0.30),
        at_least(f"{name}: requests a second over the same", ours.per_second / best.per_second, 3),
    ]


async def _ours(database: SearchDatabase, corpus: Corpus, given: Path) -> Speed:
    queries = [
        SearchQuery(vector=vector, words=analyse(query), limit=TOP, fusion=LOCAL_FUSION)
        for query, vector in zip(corpus.queries, corpus.query_vectors, strict=True)
    ]
    taken = []
    for query in [*queries[:30], *queries]:
        began = time.perf_counter()
        await database.search.search(SearchScope(database.tenant_id), query)
        taken.append((time.perf_counter() - began) * 1000)
    async with serving(database, connections=CLIENTS) as url:
        await load_from_outside(url, given, clients=2, seconds=3)
        load = await load_from_outside(url, given, clients=CLIENTS, seconds=SECONDS)
    return Speed(statistics.median(taken[30:]), load.per_second)


async def _peer(peer: str, database: SearchDatabase, folder: Path, given: Path) -> Speed:
    url = database.address.admin_dsn()
    result = await asyncio.to_thread(run_peer, peer, url, folder)
    per_second = await asyncio.to_thread(_peer_rate, peer, url, folder, given)
    return Speed(float(np.median(result.milliseconds)), per_second)


def _peer_rate(peer: str, url: str, folder: Path, given: Path) -> float:
    with serve_peer(peer, url, folder, PORT) as base:
        asyncio.run(load_from_outside(f"{base}/search", given, clients=2, seconds=3))
        return asyncio.run(
            load_from_outside(f"{base}/search", given, clients=CLIENTS, seconds=SECONDS)
        ).per_second
