"""Smoke questions: does a version answer what it must, with citations, and decline what it can't know?"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from scripts.delivery.errors import FailedError

QUESTIONS = Path(__file__).parent / "smoke.jsonl"
CANARY_HEADER = "X-Groundwork-Version"  # of the load balancer's rule for the canary
ATTEMPTS = 3  # one refused connection is no bad version
PAUSE_S = 2.0
TIMEOUT_S = 60.0  # REQUEST_TIMEOUT_S, after which the service ends an answer itself


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        expected: Words of which the answer must have one; empty: any answer.
        abstains: Whether the documents don't answer it.
    """

    query: str
    expected: tuple[str, ...] = ()
    abstains: bool = False

    def complaint(self, answer: Mapping[str, Any]) -> str | None:
        """What is wrong with an answer; None: nothing."""
        if answer["abstained"] != self.abstains:
            return "was answered" if self.abstains else "was not answered"
        if self.abstains:
            return None
        if not answer["citations"]:
            return "was answered without a citation"
        found = not self.expected or any(words in answer["answer"] for words in self.expected)
        return None if found else f"was answered without {' or '.join(self.expected)}"


def read_questions(file: Path = QUESTIONS) -> list[Question]:
    lines = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line)
    return [
        Question(line["query"], tuple(line.get("expected", ())), bool(line.get("abstains"))) for line in lines
    ]


@dataclass(frozen=True, slots=True)
class Smoke:
    """Asks a running service.

    Args:
        key: An API key of a tenant that has taken in `docs/sample`.
        canary_key: What the load balancer tells questions for the canary by.
    """

    url: str
    key: str
    canary_key: str
    questions: Sequence[Question]
    pause_s: float = PAUSE_S

    def ask(self, *, canary: bool = False) -> None:
        """Ask everything, the version that the load balancer chooses or the canary.

        Raises:
            FailedError: It isn't ready, or an answer isn't what it must be.
        """
        headers = {"X-API-Key": self.key, **({CANARY_HEADER: self.canary_key} if canary else {})}
        with httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT_S) as client:
            self._call(client, "GET", "/health/ready")
            for question in self.questions:
                answer = self._call(client, "POST", "/chat", {"query": question.query})
                complaint = question.complaint(answer)
                if complaint:
                    raise FailedError(f"Smoke question: {question.query!r} {complaint}")

    def _call(self, client: httpx.Client, method: str, path: str, body: object = None) -> Mapping[str, Any]:
        said = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(self.pause_s)
            try:
                response = client.request(method, path, json=body)
                response.raise_for_status()
                answer: Mapping[str, Any] = response.json()
            except (httpx.HTTPError, ValueError) as exc:
                said = f"{type(exc).__name__}: {exc}"
            else:
                return answer
        raise FailedError(f"{method} {path}: {said}")
