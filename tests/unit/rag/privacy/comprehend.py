"""A loopback server that speaks the one call of Amazon Comprehend that is made (AWS JSON 1.1)."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.standins.aws import use_aws
from tests.standins.http import QuietHandler, http_server

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

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            call = json.loads(self.body())
            status, body = comprehend.respond(call, self.headers["X-Amz-Target"])
            self.reply(status, body, "application/x-amz-json-1.1")

    with http_server(Handler) as url:
        comprehend.url = url
        use_aws(monkeypatch, comprehend.url)
        try:
            yield comprehend
        finally:
            comprehend.ended.set()
