"""The competitor of `bench_embedder`: runs in an environment of its own, which has torch.

Arguments: the model's folder and the number of threads. Reads one JSON list of texts from the first line
of standard input, answers "ready", and then encodes them once for every further line, answering with the
seconds it took.
"""

import json
import sys
import time

import torch  # type: ignore[import-not-found]  # not in the project's environment
from sentence_transformers import SentenceTransformer  # type: ignore[import-not-found]


def main() -> None:
    folder, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    model = SentenceTransformer(folder, device="cpu")
    texts = json.loads(sys.stdin.readline())
    model.encode(texts[:32], show_progress_bar=False)  # warm-up
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        model.encode(texts, show_progress_bar=False)
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
