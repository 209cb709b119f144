"""All benchmarks, as one table. `python -m tests.benchmarks citations answers` runs only those named."""

import sys
from importlib import import_module

from observability.logs import configure_logs
from tests.benchmarks.report import print_table

NAMES = ("embedder", "extractive", "citations", "answers", "service")


def main() -> int:
    configure_logs(level="ERROR")
    failed = False
    for name in sys.argv[1:] or NAMES:
        print(f"\n{name}")
        rows = import_module(f"tests.benchmarks.bench_{name}").run()
        print_table(rows)
        failed = failed or not all(row.passed for row in rows)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
