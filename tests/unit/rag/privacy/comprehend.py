"""A loopback server that speaks the one call of Amazon Comprehend that is made (AWS JSON 1.1)."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

TARGET = "Comprehend_20171127.DetectPiiEntities"


@dataclass(slots=True)
class Comprehend:
    """Finds the words of `known`; its offsets count code points, as AWS's do.

    Attributes:
        known: Words and their types.
        failure: Status and error code to answer with instead.
        answer: Body to answer with instead.
        hang: Whether to answer only when the server ends.
        calls: The requests' bodies, in order.
    """

    url: str = ""
    known: dict[str, str] = field(default_factory=dict)
    failure: tuple[int, str] | None = None
    answer: bytes | None = None
    hang: bool = False
    calls: list[dict[str, Any]] = field(default_factory=list)
    targets: set[str] = field(default_factory=set)
    ended: threading.Event = field(default_factory=threading.Event)

    def respond(self, call: dict[str, Any], target: str) -> tuple[int, bytes]:
        self.calls.append(call)
        self.targets.add(target)
        if self.hang:
            self.ended.wait(30)
        if self.failure:
            status, code = self.failure
            return status, json.dumps({"__type": code, "message": "of a test"}).encode()
        if self.answer is not None:
            return 200, self.answer
        return 200, json.dumps({"Entities": list(self._entities(call["Text"]))}).encode()

    def _entities(self, text: str) -> Iterator[dict[str, Any]]:
        for word, kind in self.known.items():
            at = text.find(word)
            while at >= 0:
                yield {"Type": kind, "BeginOffset": at, "EndOffset": at + len(word), "Score": 0.875}
                at = text.find(word, at + 1)


@contextmanager
def comprehend_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Comprehend]:
    """A running server; AWS's clients that are made meanwhile call it."""
    comprehend = Comprehend()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = comprehend.respond(call, self.headers["X-Amz-Target"])
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    comprehend.url = f"http://127.0.0.1:{server.server_port}"
    use_aws(monkeypatch, comprehend.url)
    try:
        yield comprehend
    finally:
        comprehend.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def use_aws(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """AWS at `url`, and nothing of the developer's own settings."""
    forget_aws(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def forget_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """No region, credentials or files of the developer's own."""
    for name in ("REGION", "DEFAULT_REGION", "PROFILE", "ENDPOINT_URL", "ENDPOINT_URL_COMPREHEND"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
