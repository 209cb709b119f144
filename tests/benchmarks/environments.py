"""Python environments apart from the project's own, for programs that the benchmarks compare with."""

import os
import subprocess
import venv
from pathlib import Path

from tests.benchmarks.data import ROOT


def python_with(requirements: Path, name: str) -> Path:
    """Python of the environment `name`, made on first use and when its requirements change."""
    folder = Path(os.environ.get("GROUNDWORK_BENCH_CACHE", ROOT / ".data" / "bench")) / name
    python = folder / "bin" / "python"
    installed = folder / "requirements.txt"
    if not installed.exists() or installed.read_text() != requirements.read_text():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
        installed.write_text(requirements.read_text())
    return python
