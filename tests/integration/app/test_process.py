"""The service as a newcomer starts it: a process of its own, with the embedded database."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[3]
CURL = re.compile(r"^  curl -s (http://\S+)/chat .* -d '(.*)'$", re.MULTILINE)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="groundwork process "))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def started(data_dir: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running service and what it has printed up to its welcome."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app"],
        cwd=ROOT,
        env=os.environ | {"PORT": "0", "DATA_DIR": str(data_dir), "LOG_LEVEL": "WARNING"} | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    printed = ""
    try:
        for line in process.stdout:
            printed += line
            if line.startswith("Ctrl-C"):
                break
        yield process, printed
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def ask(printed: str) -> dict[str, object]:
    """The answer to the command that was printed."""
    command = CURL.search(printed)
    assert command, printed
    request = urllib.request.Request(
        f"{command[1]}/chat", command[2].encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, object] = json.load(response)
    return answer


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_printed_command_works_and_a_signal_ends_everything(folder: Path, end: signal.Signals) -> None:
    with started(folder) as (process, printed):
        answer = ask(printed)
        assert "5 vacation days" in str(answer["answer"])
        assert answer["citations"]
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(end)
        process.wait(timeout=20)
        gone, alive = psutil.wait_procs(children, timeout=5)
        assert (len(gone), alive) == (len(children), [])


def test_the_sample_is_taken_in_only_once_and_a_second_start_keeps_the_data(folder: Path) -> None:
    counts = []
    for _ in range(2):
        with started(folder) as (process, printed):
            address = CURL.search(printed)
            assert address
            with urllib.request.urlopen(f"{address[1]}/documents", timeout=30) as response:
                counts.append([d["version"] for d in json.load(response)["documents"]])
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)
    assert counts[0] == counts[1] == [1] * 5


def test_the_containers_health_check_tells_ready_from_not(folder: Path) -> None:
    def check(port: str) -> int:
        command = [sys.executable, str(ROOT / "infra" / "healthcheck.py")]
        return subprocess.run(
            command, env={"PORT": port}, capture_output=True, timeout=20, check=False
        ).returncode

    with started(folder) as (process, printed):
        address = CURL.search(printed)
        assert address
        port = address[1].rpartition(":")[2]
        assert check(port) == 0
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
    assert check(port) == 1


def test_an_open_address_is_refused(folder: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "app"],
        cwd=ROOT,
        env=os.environ | {"HOST": "0.0.0.0", "DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 2
    assert "AUTH_MODE=none" in finished.stderr
    assert not any(folder.iterdir())


def test_a_port_in_use_is_reported_and_leaves_no_process(folder: Path) -> None:
    with started(folder) as (process, printed):
        address = CURL.search(printed)
        assert address
        port = address[1].rpartition(":")[2]
        second = subprocess.run(
            [sys.executable, "-m", "app"],
            cwd=ROOT,
            env=os.environ | {"PORT": port, "DATA_DIR": str(folder / "second")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert second.returncode != 0
        assert "address already in use" in second.stderr
        second_folder = str(folder / "second")
        commands = [str(found.info["cmdline"]) for found in psutil.process_iter(["cmdline"])]
        assert [command for command in commands if second_folder in command] == []
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
