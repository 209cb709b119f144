"""Benchmarks as a table: those named, or a few; `retrieval` and the other groups stand for their parts."""

import sys
from importlib import import_module

from observability.logs import configure_logs
from tests.benchmarks.report import print_table

NAMES = ("embedder", "extractive", "citations", "answers", "service")
GROUPS = {
    "evaluation": ("groundedness", "gate", "eval"),
    "feedback": ("feedback", "feedback_loop", "experiments", "shadow", "flywheel"),
    "retrieval": ("retrieval_quality", "retrieval_speed", "retrieval_peers"),
    "ingest": tuple(
        f"ingest_{part}" for part in ("documents", "quality", "privacy", "ocr", "pipeline", "load")
    ),
}


def main() -> int:
    configure_logs(level="ERROR")
    failed = False
    named = [part for name in sys.argv[1:] for part in GROUPS.get(name, (name,))]
    for name in named or NAMES:
        print(f"\n{name}")
        rows = import_module(f"tests.benchmarks.bench_{name}").run()
        print_table(rows)
        failed = failed or not all(row.passed for row in rows)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
