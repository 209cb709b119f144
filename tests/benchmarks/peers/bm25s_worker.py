"""bm25s, the fast BM25 in Python: reads token lists, answers with the best documents and their scores.

Arguments: the folder with `tokens.json`, k1 and b. Scores are Lucene's: no (k1 + 1) in the numerator.
"""

import json
import sys
import time
from pathlib import Path

import bm25s  # type: ignore[import-not-found]  # not in the project's environment

TOP_K = 10
WARM_UP = 25


def main() -> None:
    folder, k1, b = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    tokens = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
    started = time.perf_counter()
    index = bm25s.BM25(method="lucene", k1=k1, b=b)
    index.index(tokens["documents"], show_progress=False)
    seconds = time.perf_counter() - started
    best = min(TOP_K, len(tokens["documents"]))
    for query in tokens["queries"][:WARM_UP]:
        index.retrieve([query], k=best, show_progress=False)
    ranked, scores, milliseconds = [], [], []
    for query in tokens["queries"]:
        started = time.perf_counter()
        found = index.retrieve([query], k=best, show_progress=False)
        milliseconds.append((time.perf_counter() - started) * 1000)
        ranked.append(found.documents[0].tolist())
        scores.append(found.scores[0].tolist())
    result = {
        "ranked": ranked,
        "scores": scores,
        "milliseconds": milliseconds,
        "rows_per_second": len(tokens["documents"]) / seconds,
    }
    (folder / "bm25s.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
