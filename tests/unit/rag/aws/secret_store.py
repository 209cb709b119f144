"""Secrets Manager on the loopback: one that answers as it is told and counts, beside moto's."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.standins.http import QuietHandler, http_server


@dataclass(slots=True)
class SecretStore:
    """Holds secrets by name.

    Attributes:
        values: What is kept.
        failure: Status and error type to answer with instead.
        calls: Ids that were asked for, in order, and the regions that the callers signed for.
    """

    url: str = ""
    values: dict[str, str] = field(default_factory=dict)
    failure: tuple[int, str] | None = None
    calls: list[str] = field(default_factory=list)
    regions: list[str] = field(default_factory=list)

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, str]]:
        name = body.get("SecretId") or body.get("Name", "")
        self.calls.append(name)
        if self.failure:
            return self.failure[0], {"__type": self.failure[1], "message": "of a test"}
        if name not in self.values:
            return 400, {"__type": "ResourceNotFoundException", "message": "of a test"}
        return 200, {"Name": name, "SecretString": self.values[name]}


@contextmanager
def secret_store() -> Iterator[SecretStore]:
    store = SecretStore()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            store.regions.append(self.headers["Authorization"].split("/")[2])
            body = json.loads(self.body())
            status, answer = store.answer(body)
            content = json.dumps(answer).encode()
            self.reply(status, content, "application/x-amz-json-1.1")

    with http_server(Handler) as url:
        store.url = url
        yield store
