"""Where the benchmarks' data sets lie; they are not part of the project."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("GROUNDWORK_BENCH_DATA", ROOT.parent / "shared" / "data"))
