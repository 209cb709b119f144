"""LangSmith's ingest API, as its client speaks it: `POST /runs/batch` with a key in `X-API-Key`."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from tests.standins.http import QuietHandler, http_server


@dataclass(slots=True)
class LangSmith:
    """What has arrived so far.

    Attributes:
        url: Its base.
        key: The only one that it takes.
        status: What it answers whoever shows the key.
    """

    key: str
    url: str = ""
    status: int = HTTPStatus.ACCEPTED
    paths: list[str] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)

    def wait_for(self, *names: str, timeout_s: float = 10.0) -> None:
        """Raises: TimeoutError unless runs of all these names arrive."""
        until = time.monotonic() + timeout_s
        while not set(names) <= {run["name"] for run in self.runs}:
            if time.monotonic() > until:
                raise TimeoutError(f"{set(names)} not in {sorted({run['name'] for run in self.runs})}")
            time.sleep(0.02)


@contextmanager
def langsmith_server(key: str = "a-key") -> Iterator[LangSmith]:
    received = LangSmith(key)

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            received.paths.append(self.path)
            self.reply(HTTPStatus.OK, b"{}", "application/json")

        def do_POST(self) -> None:
            body = self.body()
            received.paths.append(self.path)
            if self.headers.get("X-API-Key") != received.key:
                self.reply(HTTPStatus.UNAUTHORIZED, b"{}", "application/json")
            elif self.path != "/runs/batch" or received.status != HTTPStatus.ACCEPTED:
                self.reply(received.status, b"{}", "application/json")
            else:
                received.runs.extend(_checked(run) for run in json.loads(body)["post"])
                self.reply(HTTPStatus.ACCEPTED, b"{}", "application/json")

    with http_server(Handler) as url:
        received.url = url
        yield received


def _checked(run: dict[str, Any]) -> dict[str, Any]:
    """The run, if the API would take it: its dotted order goes from the trace's run to itself."""
    parts = run["dotted_order"].split(".")
    assert parts[0].endswith(run["trace_id"])
    assert parts[-1].endswith(run["id"])
    parent = run.get("parent_run_id")
    assert (len(parts) == 1) == (parent is None)
    assert parent is None or parts[-2].endswith(parent)
    return run
