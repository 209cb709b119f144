"""A loopback server that speaks OpenAI's chat calls and judges as DeepEval's prompts ask, by plain rules.

A sentence follows from a text that holds it word for word; it is relevant to a question with which it shares
a long word. So a test can say what each score must be.
"""

import ast
import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rag.sentences import sentence_spans
from tests.standins.http import QuietHandler, http_server

LONG_WORD = re.compile(r"[a-z]{5,}")


@dataclass(slots=True)
class JudgeServer:
    """Judges.

    Attributes:
        url: Where.
        prompts: The last message of each call.
        replies: Texts to answer the next calls with, instead of a judgement.
        failure: A status to answer with instead.
        delay_s: Before each answer.
        prompt_tokens: That each call is said to have read.
        at_once: Most calls that ran at a time.
    """

    url: str = ""
    prompts: list[str] = field(default_factory=list)
    replies: deque[str] = field(default_factory=deque)
    failure: int | None = None
    delay_s: float = 0.0
    prompt_tokens: int = 1000
    at_once: int = 0
    _running: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: dict[str, Any]) -> tuple[int, bytes]:
        with self._lock:
            self._running += 1
            self.at_once = max(self.at_once, self._running)
            self.prompts.append(body["messages"][-1]["content"])
            first = body["messages"][0]["content"]  # who is asked once more is asked the same
            text = self.replies.popleft() if self.replies else json.dumps(judged(first))
        time.sleep(self.delay_s)
        with self._lock:
            self._running -= 1
        if self.failure:
            return self.failure, b'{"error": {"message": "of a test"}}'
        return 200, json.dumps(self._completion(body["model"], text)).encode()

    def _completion(self, model: str, text: str) -> dict[str, Any]:
        usage = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": 0,
            "total_tokens": self.prompt_tokens,
        }
        message = {"role": "assistant", "content": text}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        kind = "chat.completion"
        return {"id": "1", "object": kind, "created": 1, "model": model, "choices": choices, "usage": usage}


def judged(prompt: str) -> dict[str, Any]:
    """What a judge that follows the rules answers to a prompt of DeepEval's."""
    for sign, judge in JUDGES:
        if sign in prompt:
            return judge(prompt)
    raise ValueError(f"no known prompt: {prompt[:200]}")


def _after(prompt: str, heading: str) -> str:
    """What stands under the last such heading, up to the next."""
    return re.split(r"\n\n[A-Z][A-Za-z ()0-9]*:\n|\n+(?:JSON:|---)", prompt.rpartition(heading)[2])[0].strip()


def _sentences(text: str) -> list[str]:
    return [text[start:end].strip() for start, end in sentence_spans(text)]


def _verdicts(flags: list[bool]) -> dict[str, Any]:
    return {"verdicts": [{"verdict": "yes" if flag else "no", "reason": "by the rules"} for flag in flags]}


def _relevant(statement: str, question: str) -> bool:
    return bool(set(LONG_WORD.findall(statement.lower())) & set(LONG_WORD.findall(question.lower())))


def _claims(prompt: str) -> dict[str, Any]:
    return {"claims": _sentences(_after(prompt, "AI Output:\n"))}


def _truths(prompt: str) -> dict[str, Any]:
    return {"truths": _sentences(prompt.rpartition("\nText:\n")[2].partition("\n\nJSON:")[0])}


def _statements(prompt: str) -> dict[str, Any]:
    return {"statements": _sentences(_after(prompt, "\nText:\n"))}


def _faithful(prompt: str) -> dict[str, Any]:
    truths = prompt.rpartition("\nRetrieval Contexts:\n")[2].partition("\n\nClaims:\n")[0]
    return _verdicts([claim in truths for claim in ast.literal_eval(_after(prompt, "\nClaims:\n"))])


def _relevant_answer(prompt: str) -> dict[str, Any]:
    question = _after(prompt, "\nInput:\n")
    statements = ast.literal_eval(_after(prompt, "\nStatements:\n"))
    return _verdicts([_relevant(statement, question) for statement in statements])


def _relevant_context(prompt: str) -> dict[str, Any]:
    question, context = _after(prompt, "\nInput:\n"), _after(prompt, "\nContext:\n")
    statements = _sentences(context)
    found = _verdicts([_relevant(statement, question) for statement in statements])["verdicts"]
    return {"verdicts": [v | {"statement": s} for v, s in zip(found, statements, strict=True)]}


def _precise(prompt: str) -> dict[str, Any]:
    expected = _after(prompt, "\nExpected output:\n")
    sources = ast.literal_eval(prompt.rpartition("):\n")[2].partition("\n\nJSON:")[0].strip())
    return _verdicts([expected in source for source in sources])


def _recalled(prompt: str) -> dict[str, Any]:
    expected, sources = _after(prompt, "\nExpected Output:\n"), _after(prompt, "\nRetrieval Context:\n")
    return _verdicts([sentence in sources for sentence in _sentences(expected)])


def _steps(prompt: str) -> dict[str, Any]:
    return {"steps": ["Compare the actual output with the expected output."]}


def _rated(prompt: str) -> dict[str, Any]:
    expected, actual = _after(prompt, "Expected Output:\n"), _after(prompt, "Actual Output:\n")
    return {"score": 8 if expected in actual else 1, "reason": "by the rules"}


JUDGES: tuple[tuple[str, Callable[[str], dict[str, Any]]], ...] = (
    ('"claims" key', _claims),
    ('"truths" key', _truths),
    ('"statements" key', _statements),
    ('"steps" key', _steps),
    ("EACH claim contradicts", _faithful),
    ("each statement is relevant", _relevant_answer),
    ("statement found in the context is relevant", _relevant_context),
    ("remotely useful in arriving", _precise),
    ("can be attributed to the nodes", _recalled),
    ("You are an evaluator.", _rated),
)


@contextmanager
def judge_server() -> Iterator[JudgeServer]:
    """A running server."""
    judge = JudgeServer()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            status, body = judge.answer(json.loads(self.body()))
            self.reply(status, body, "application/json")

    with http_server(Handler) as url:
        judge.url = url
        yield judge
