"""The stand-in for Bedrock and the service, each in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.data import ROOT
from tests.standins.aws import NO_FILES, OF_THE_DEVELOPER, bedrock_endpoints, credentials

READY = "Ctrl-C stops it."


@dataclass(frozen=True, slots=True)
class StandIn:
    """The stand-in, seen over HTTP."""

    url: str

    def script(self, **settings: object) -> None:
        _post(f"{self.url}/_standin/script", settings)

    def reset(self) -> None:
        _post(f"{self.url}/_standin/reset", {})

    def counts(self) -> Mapping[str, int]:
        """Calls by operation."""
        with urllib.request.urlopen(f"{self.url}/_standin/calls", timeout=30) as response:
            found: Mapping[str, int] = json.load(response)["counts"]
        return found

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in OF_THE_DEVELOPER}
        return {**kept, **NO_FILES, **credentials(), **bedrock_endpoints(self.url)}


def _post(url: str, body: Any) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        response.read()


@contextmanager
def stand_in() -> Iterator[StandIn]:
    command = [sys.executable, "-m", "tests.standins.bedrock", "--port", "0"]
    with _running(command, dict(os.environ), until="listening on") as line:
        yield StandIn(line.split()[-1])


@contextmanager
def service(standin: StandIn, **settings: object) -> Iterator[str]:
    """The service's URL, on an embedded database of its own with the sample documents in it."""
    with tempfile.TemporaryDirectory(prefix="groundwork-bench-") as folder:
        Path(folder).chmod(0o755)
        named = {name.upper(): str(value) for name, value in settings.items()}
        environment = standin.environment | {"PORT": "0", "DATA_DIR": folder, "LOG_LEVEL": "ERROR"} | named
        with _running([sys.executable, "-m", "app"], environment, until="ready on") as line:
            yield line.split("ready on ")[1].split()[0]


@contextmanager
def _running(command: list[str], environment: dict[str, str], *, until: str) -> Iterator[str]:
    """The line that says `until`; the process is ended afterwards."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout
    try:
        for line in process.stdout:
            if until in line:
                break
        else:
            raise RuntimeError(f"{' '.join(command)} did not start")
        yield line
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()
