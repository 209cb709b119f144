"""Benchmarks as a table: all but search's, or those named; `retrieval` stands for those of search."""

import sys
from importlib import import_module

from observability.logs import configure_logs
from tests.benchmarks.report import print_table

NAMES = ("embedder", "extractive", "citations", "answers", "service")
RETRIEVAL = ("retrieval_quality", "retrieval_speed", "retrieval_peers")


def main() -> int:
    configure_logs(level="ERROR")
    failed = False
    named = RETRIEVAL if sys.argv[1:] == ["retrieval"] else sys.argv[1:]
    for name in named or NAMES:
        print(f"\n{name}")
        rows = import_module(f"tests.benchmarks.bench_{name}").run()
        print_table(rows)
        failed = failed or not all(row.passed for row in rows)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
