"""The scripts as programs of their own, forked from a process that has loaded what they import.

Each has its own arguments, environment, folder and output, as if it had been started by itself; only the
seconds that its imports take are spent once for all tests.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 200.0
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["app.evaluation.evaluator", "app.services", "app.factory"])


def run_script(
    name: str, *arguments: str | Path, folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What `python scripts/<name> <arguments>` ended with, started in the folder.

    Args:
        environment: Variables beside those of the tests; PYTHONPATH is set already.

    Raises:
        subprocess.TimeoutExpired: It takes longer than `TIMEOUT_S`, and was killed.
    """
    command = [str(ROOT / "scripts" / name), *map(str, arguments)]
    whole = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    with tempfile.TemporaryDirectory() as kept:
        outputs = [Path(kept) / stream for stream in ("stdout", "stderr")]
        process = _forks.Process(target=_become, args=(command, whole, folder, outputs))
        process.start()
        process.join(TIMEOUT_S)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, TIMEOUT_S, *(path.read_bytes() for path in outputs))
        stdout, stderr = (path.read_text(encoding="utf-8") for path in outputs)
    return subprocess.CompletedProcess(command, process.exitcode, stdout, stderr)


def _become(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, outputs: Sequence[Path]
) -> None:
    for descriptor, path in ((1, outputs[0]), (2, outputs[1])):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, descriptor)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = command
    runpy.run_path(command[0], run_name="__main__")
