"""Loopback servers that speak OpenAI's and Ollama's chat calls, as far as an answer needs them."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.standins.http import QuietHandler, http_server

PROMPT_TOKENS, CACHED_TOKENS = 20, 5


def _opened() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass(slots=True)
class ChatServer:
    """Answers `/v1/chat/completions` as OpenAI does and `/api/chat` as Ollama does.

    Attributes:
        reply: What every chat is answered with.
        failure: A status to answer with instead, and headers.
        delay_s: Before each answer.
        open: While it is not set, no answer is given, for 30 seconds at most.
        calls: Path and body of what it was asked.
    """

    url: str = ""
    reply: str = ""
    failure: tuple[int, dict[str, str]] | None = None
    delay_s: float = 0.0
    open: threading.Event = field(default_factory=_opened)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, path: str, body: dict[str, Any]) -> tuple[str, list[bytes]]:
        """Content type and pieces."""
        words = [f"{word} " for word in self.reply.split()]
        if path == "/api/chat":
            return "application/x-ndjson", [_line(_ollama(body["model"], word)) for word in words] + [
                _line(_ollama_end(body["model"], len(words)))
            ]
        if body.get("stream"):
            chunks = [_openai_chunk(body["model"], word) for word in words]
            ends = [_openai_end(body["model"]), _openai_usage(body["model"], len(words))]
            events = [b"data: " + json.dumps(each).encode() + b"\n\n" for each in (*chunks, *ends)]
            return "text/event-stream", [*events, b"data: [DONE]\n\n"]
        return "application/json", [json.dumps(_openai_whole(body["model"], self.reply)).encode()]


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _ollama(model: str, word: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": word}
    return {"model": model, "created_at": "2026-01-01T00:00:00Z", "message": message, "done": False}


def _ollama_end(model: str, words: int) -> dict[str, Any]:
    counts = {
        "prompt_eval_count": PROMPT_TOKENS,
        "eval_count": words,
        "total_duration": 1,
        "eval_duration": 1,
    }
    return _ollama(model, "") | {"done": True, "done_reason": "stop"} | counts


def _openai_chunk(model: str, word: str) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": None}
    return _openai(model, "chat.completion.chunk", [choice])


def _openai_end(model: str) -> dict[str, Any]:
    return _openai(model, "chat.completion.chunk", [{"index": 0, "delta": {}, "finish_reason": "stop"}])


def _openai_usage(model: str, words: int) -> dict[str, Any]:
    return _openai(model, "chat.completion.chunk", []) | {"usage": _counts(words)}


def _openai_whole(model: str, reply: str) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": reply},
        "finish_reason": "stop",
    }
    return _openai(model, "chat.completion", [choice]) | {"usage": _counts(len(reply.split()))}


def _openai(model: str, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "chat-1", "object": kind, "created": 1, "model": model, "choices": choices}


def _counts(words: int) -> dict[str, Any]:
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": words,
        "total_tokens": PROMPT_TOKENS + words,
        "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
    }


@contextmanager
def chat_server(given: ChatServer | None = None) -> Iterator[ChatServer]:
    """A running server, the given one or a plain one."""
    chat = given or ChatServer()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = json.loads(self.body())
            chat.calls.append((self.path, body))
            time.sleep(chat.delay_s)
            chat.open.wait(30)
            if chat.failure:
                self._send(chat.failure[0], b'{"error": {"message": "of a test"}}', chat.failure[1])
                return
            kind, pieces = chat.answer(self.path, body)
            self._send(200, b"".join(pieces), {"Content-Type": kind})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with http_server(Handler) as url:
        chat.url = url
        yield chat
