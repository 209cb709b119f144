"""What a running service writes to its log, and what it does not."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from db.addresses import DatabaseLogins
from rag.models.local import LocalModels
from tests.integration.app.conftest import ingest_text
from tests.integration.conftest import running_service, settings_for

ROOT = Path(__file__).parents[3]
TEXT = "The heron crosses the river at dawn. It rests on the northern bank."
QUESTION = "When does the heron cross the river?"


@dataclass(frozen=True, slots=True)
class Process:
    """A service of its own."""

    process: "subprocess.Popen[str]"
    url: str
    errors: Path

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.errors.read_text().splitlines() if line.startswith("{")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == name]

    async def event(self, name: str) -> dict[str, Any]:
        """The only one of that name, which may be a moment late: an answer is sent before it is logged."""
        async with asyncio.timeout(60):
            while not (found := self.events(name)):  # noqa: ASYNC110 - another process writes
                await asyncio.sleep(0.02)
        (only,) = found
        return only

    def _levels(self) -> list[str]:
        return re.findall(r"The log level is (\w+) now", self.errors.read_text())

    async def said(self, count: int) -> list[str]:
        """What it said of its log level, when it has said that so often."""
        async with asyncio.timeout(60):
            while len(found := self._levels()) < count:  # noqa: ASYNC110 - another process writes
                await asyncio.sleep(0.02)
        return found


@contextmanager
def service(logins: DatabaseLogins, folder: Path, **environment: str) -> Iterator[Process]:
    roles = {
        f"{name}_DATABASE_URL": login.url
        for name, login in (("APP", logins.app), ("SYSTEM", logins.system))
        if login.role is None
    }
    settings = {"DATABASE_URL": logins.owner.url, "PORT": "0", "SAMPLE_DOCUMENTS": "false", "ROLE": "api"}
    errors = folder / "log"
    with errors.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "app"],
            cwd=ROOT,
            env=os.environ | settings | roles | environment,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        )
    assert process.stdout
    try:
        address = next(found for line in process.stdout if (found := re.search(r"http://[\d.]+:\d+", line)))
        yield Process(process, address[0], errors)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def test_lines_tell_of_a_request_without_its_texts_and_show_more_after_a_signal(
    logins: DatabaseLogins, local_models: LocalModels
) -> None:
    async with running_service(settings_for(logins), local_models) as writer:
        await ingest_text(writer, TEXT)
    with tempfile.TemporaryDirectory() as folder, service(logins, Path(folder)) as running:
        async with httpx.AsyncClient(base_url=running.url, timeout=30) as client:
            headers = {"X-Request-ID": "r1"}
            answer = (await client.post("/chat", json={"query": QUESTION}, headers=headers)).json()
            assert "dawn" in answer["answer"]
            ended = await running.event("request_ended")
            assert (ended["request_id"], ended["status"], ended["route"]) == ("r1", 200, "/chat")
            answered = await running.event("answer_ended")
            assert answered["request_id"] == "r1"
            assert answered["tenant"] == ended["tenant"]
            assert {"retrieve", "generate", "total"} <= set(answered["timings_ms"])
            assert "heron" not in running.errors.read_text().lower()
            assert {line["level"] for line in running.lines()} == {"info"}

            for count in (1, 2):
                running.process.send_signal(signal.SIGUSR1)
                assert (await running.said(count))[-1] == ("DEBUG", "INFO")[count - 1]
            assert (await client.get("/health/live")).status_code == 200


async def test_texts_are_logged_where_a_setting_allows_it_and_requests_that_end_well_can_be_left_out(
    logins: DatabaseLogins,
) -> None:
    environment = {"LOG_TEXT": "true", "ACCESS_LOG_SAMPLE": "0"}
    with tempfile.TemporaryDirectory() as folder, service(logins, Path(folder), **environment) as running:
        async with httpx.AsyncClient(base_url=running.url, timeout=30) as client:
            answer = (await client.post("/chat", json={"query": QUESTION})).json()
        answered = await running.event("answer_ended")
        assert (answered["question"], answered["answer"]) == (QUESTION, answer["answer"])
        assert running.events("request_ended") == []
