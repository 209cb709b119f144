"""The peers on Cranfield 1400: `python -m tests.benchmarks.peers.cranfield [peer ...]`.

A check that they are set up well, and the ground for choosing among their ways of fusion.
"""

import asyncio
import json
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from statistics import median

import numpy as np

from db.embedded import embedded_postgres
from observability.logs import configure_logs
from rag.models.minilm import MiniLMEmbeddings
from tests.benchmarks.data import DATA
from tests.benchmarks.peers.run import PEERS, run_peer
from tests.benchmarks.peers.shell import TOP_K, Corpus, write_corpus
from tests.benchmarks.report import BenchmarkRow, for_information, print_table

FOLDER = DATA / "ir_cranfield"


def load_cranfield() -> tuple[Corpus, list[set[int]]]:
    """The corpus, and for each query the rows that are relevant to it (binary judgments)."""
    documents, queries = _lines("corpus.jsonl"), _lines("queries.jsonl")
    texts = [document["text"] for document in documents]
    asked = [query["text"] for query in queries]
    encoder = MiniLMEmbeddings.load()
    corpus = Corpus(texts, encoder.encode(texts), asked, encoder.encode(asked))
    rows = {document["_id"]: row for row, document in enumerate(documents)}
    relevant: dict[str, set[int]] = {query["_id"]: set() for query in queries}
    for line in (FOLDER / "qrels.tsv").read_text("utf-8").splitlines()[1:]:
        query, document, _ = line.split("\t")
        relevant[query].add(rows[document])
    return corpus, [relevant[query["_id"]] for query in queries]


def _lines(name: str) -> list[Mapping[str, str]]:
    return [json.loads(line) for line in (FOLDER / name).read_text("utf-8").splitlines()]


def ndcg(ranked: Sequence[int], relevant: AbstractSet[int], cut: int = TOP_K) -> float:
    """Normalised discounted cumulative gain at `cut`, binary gain (Järvelin and Kekäläinen, 2002)."""
    gain = sum(1 / math.log2(place + 2) for place, row in enumerate(ranked[:cut]) if row in relevant)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(cut, len(relevant))))


def mean_ndcg(ranked: Sequence[Sequence[int]], relevant: Sequence[AbstractSet[int]]) -> float:
    return float(np.mean([ndcg(rows, gold) for rows, gold in zip(ranked, relevant, strict=True) if gold]))


def run(names: Sequence[str] = PEERS) -> list[BenchmarkRow]:
    return asyncio.run(_run(names))


async def _run(names: Sequence[str]) -> list[BenchmarkRow]:
    corpus, relevant = load_cranfield()
    dense = np.argsort(-corpus.query_vectors @ corpus.vectors.T, axis=1)[:, :TOP_K].tolist()
    rows = [for_information("vectors alone, nDCG@10", mean_ndcg(dense, relevant))]
    with tempfile.TemporaryDirectory(prefix="groundwork-bench-") as folder:
        write_corpus(Path(folder) / "corpus", corpus)
        async with embedded_postgres(Path(folder) / "server") as server:
            for name in names:
                result = await asyncio.to_thread(run_peer, name, server.admin_dsn(), Path(folder) / "corpus")
                rows.append(for_information(f"{name}, nDCG@10", mean_ndcg(result.ranked, relevant)))
                rows.append(for_information(f"{name}, query p50", median(result.milliseconds), "ms"))
                rows.append(for_information(f"{name}, loading", result.rows_per_second, "rows/s"))
    return rows


if __name__ == "__main__":
    configure_logs(level="ERROR")
    print_table(run(sys.argv[1:] or PEERS))
