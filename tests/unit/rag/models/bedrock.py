"""A loopback server that speaks the calls of Bedrock that reranking and embedding need."""

import json
import math
import re
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

REGION = "eu-central-1"
EMBEDDING_MODEL = "amazon.titan-embed-text-v2:0"
DIMENSIONS = 64  # of the embeddings of this server
MODEL = "cohere.rerank-v3-5:0"
ARN = f"arn:aws:bedrock:{REGION}::foundation-model/{MODEL}"


@dataclass(frozen=True, slots=True)
class Call:
    path: str
    authorization: str
    body: dict[str, Any]

    @property
    def query(self) -> str:
        (query,) = self.body["queries"]
        return str(query["textQuery"]["text"])

    @property
    def texts(self) -> list[str]:
        return [source["inlineDocumentSource"]["textDocument"]["text"] for source in self.body["sources"]]


@dataclass(slots=True)
class Bedrock:
    """Ranks the longest text first; its score is its share of all characters.

    Attributes:
        failure: Status, error type and body to answer with instead.
        hang: Whether to answer only when the server ends.
        calls: What it was asked, in order.
    """

    url: str = ""
    failure: tuple[int, str, bytes] | None = None
    hang: bool = False
    calls: list[Call] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def answer(self, call: Call) -> tuple[int, str, bytes]:
        self.calls.append(call)
        if self.hang:
            self.ended.wait(30)
        if call.path.endswith("/invoke") and not self.failure:
            return 200, "", json.dumps(embedded(call.body["inputText"])).encode()
        return self.failure or (200, "", json.dumps({"results": ranked(call.texts)}).encode())


def ranked(texts: Sequence[str]) -> list[dict[str, float]]:
    total = sum(map(len, texts))
    order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
    return [{"index": index, "relevanceScore": len(texts[index]) / total} for index in order]


def embedded(text: str) -> dict[str, object]:
    """What Titan answers with: here, each word counts into one of a few dimensions."""
    counts = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()):
        counts[zlib.crc32(word.encode()) % DIMENSIONS] += 1
    length = math.hypot(*counts) or 1
    return {"embedding": [count / length for count in counts], "inputTextTokenCount": len(text.split())}


def failure(status: int, error: str) -> tuple[int, str, bytes]:
    return status, error, json.dumps({"message": f"{error} of a test"}).encode()


@contextmanager
def bedrock_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bedrock]:
    """A running server; AWS's clients that are made meanwhile call it."""
    bedrock = Bedrock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            call = Call(self.path, self.headers["Authorization"], body)
            status, error, answer = bedrock.answer(call)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            if error:
                self.send_header("x-amzn-ErrorType", error)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    bedrock.url = f"http://127.0.0.1:{server.server_port}"
    forget_aws(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", bedrock.url)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    try:
        yield bedrock
    finally:
        bedrock.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def forget_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """No region, credentials or files of the developer's own."""
    for name in ("REGION", "DEFAULT_REGION", "PROFILE", "ENDPOINT_URL", "ENDPOINT_URL_BEDROCK_AGENT_RUNTIME"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
