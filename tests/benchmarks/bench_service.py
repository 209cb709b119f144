"""The newcomer's way, measured: a fresh clone, `make run`, the printed command, and a second start.

Network and package cache are the machine's own. GROUNDWORK_BENCH_COLD=1 adds a run without pip's cache.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.data import ROOT
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information, print_table

CURL = re.compile(r"^  curl -s (http://\S+)/chat .* -d '(.*)'$", re.MULTILINE)
QUESTIONS = (
    "How long must passwords be?",
    "What may I spend on lunch?",
    "Who is called first at night?",
    "May I work from Spain?",
)


@dataclass(frozen=True, slots=True)
class Started:
    """A service that has printed its welcome after `seconds`."""

    process: subprocess.Popen[str]
    seconds: float
    address: str
    question: str

    def ask(self, body: str) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.address}/chat", body.encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: dict[str, Any] = json.load(response)
        return answer


@contextmanager
def make_run(clone: Path, **environment: str) -> Iterator[Started]:
    began = time.perf_counter()
    process = subprocess.Popen(
        ["make", "run"],
        cwd=clone,
        env=os.environ | {"PORT": "0", "LOG_LEVEL": "WARNING"} | environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    try:
        printed = ""
        for line in process.stdout:
            printed += line
            if line.startswith("Ctrl-C"):
                break
        command = CURL.search(printed)
        if command is None:
            raise RuntimeError(f"make run did not get as far as its welcome: {printed}")
        yield Started(process, time.perf_counter() - began, command[1], command[2])
    finally:
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does for Ctrl-C
        process.wait(timeout=30)
        process.stdout.close()


def first_answer(clone: Path, **environment: str) -> float:
    """Seconds from `make run` in a fresh clone to the first cited answer."""
    began = time.perf_counter()
    with make_run(clone, **environment) as started:
        answer = started.ask(started.question)
        if not answer["citations"]:
            raise RuntimeError(f"the first answer cites nothing: {answer['answer']}")
        return time.perf_counter() - began


def serving_memory(started: Started) -> float:
    """Resident memory in MB of the serving process, after it has answered."""
    for question in QUESTIONS * 10:
        started.ask(json.dumps({"query": question}))
    make = psutil.Process(started.process.pid)
    processes = [make, *make.children(recursive=True)]
    serving = [process for process in processes if "-m app" in " ".join(process.cmdline())]
    return max(process.memory_info().rss for process in serving) / 1e6


def folder_megabytes(folder: Path) -> float:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_blocks * 512 for path in files) / 1e6


def run() -> list[BenchmarkRow]:
    folder = Path(tempfile.mkdtemp(prefix="groundwork bench "))
    folder.chmod(0o755)
    try:
        return _measure(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(folder: Path) -> list[BenchmarkRow]:
    clone = _clone(folder / "fresh clone")
    rows = [at_most("fresh clone to first cited answer, warm package cache", first_answer(clone), 120, "s")]
    if os.environ.get("GROUNDWORK_BENCH_COLD"):
        seconds = first_answer(_clone(folder / "cold clone"), PIP_NO_CACHE_DIR="1")
        rows.append(at_most("the same without a package cache", seconds, 300, "s"))
    packages = next(clone.glob(".venv/lib/python*/site-packages"))
    rows.append(at_most("installed size", folder_megabytes(clone / ".venv"), 900, "MB"))
    rows.append(at_least("torch is absent", float(not (packages / "torch").exists()), 1))
    with make_run(clone) as started:
        rows.append(at_most("warm start to ready", started.seconds, 6, "s"))
        rows.append(at_most("resident memory while serving", serving_memory(started), 700, "MB"))
        children = psutil.Process(started.process.pid).children(recursive=True)
    _, alive = psutil.wait_procs(children, timeout=10)
    rows.append(at_most("processes left after Ctrl-C", len(alive), 0))
    rows.append(for_information("of", len(children), "processes"))
    return rows


def _clone(target: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(target)], check=True)
    return target


if __name__ == "__main__":
    print_table(run())
