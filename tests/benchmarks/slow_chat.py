"""A chat model in a process of its own that takes its time, and then quotes the first source of the prompt.

`python -m tests.benchmarks.slow_chat SECONDS` runs it, and says on stdout where.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from rag.prompt import read
from tests.benchmarks.aws_processes import StandIn
from tests.benchmarks.data import ROOT
from tests.standins.chat_servers import ChatServer, chat_server

MODEL = "openai:slow"


class QuotingServer(ChatServer):
    """Answers with a sentence that the first source holds, cited."""

    def answer(self, path: str, body: dict[str, Any]) -> tuple[str, list[bytes]]:
        prompt = read(body["messages"][-1]["content"])
        text = prompt.sources[0].text if prompt and prompt.sources else ""
        sentence = text.rpartition("\n")[2].partition(". ")[0].rstrip(".")
        return ChatServer.answer(replace(ChatServer(), reply=f"{sentence}. [1]"), path, body)


@dataclass(frozen=True, slots=True)
class SlowChat(StandIn):
    """The running model, seen over HTTP."""

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "OPENAI_BASE_URL": f"{self.url}/v1", "OPENAI_API_KEY": "sk-bench"}


@contextmanager
def slow_chat(seconds: float) -> Iterator[SlowChat]:
    command = [sys.executable, "-m", "tests.benchmarks.slow_chat", str(seconds)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            yield SlowChat(process.stdout.readline().split()[-1])
        finally:
            process.terminate()


def main() -> None:
    with chat_server(QuotingServer(delay_s=float(sys.argv[1]))) as server:
        print(f"listening on {server.url}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
