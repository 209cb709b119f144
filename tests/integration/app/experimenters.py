"""Callers of a service that has experiments."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

QUESTION = "How many vacation days can I carry over?"
CONTROL: dict[str, Any] = {"name": "control"}
ONE_SOURCE: dict[str, Any] = {"name": "one-source", "settings": {"top_k": 1}}


@dataclass(frozen=True, slots=True)
class Experimenter:
    """Somebody who manages experiments, and asks."""

    client: httpx.AsyncClient
    headers: dict[str, str]

    async def create(self, *variants: dict[str, Any], **fields: Any) -> dict[str, Any]:
        body = {"key": f"x{uuid4().hex[:8]}", "variants": list(variants or (CONTROL, ONE_SOURCE)), **fields}
        answer = await self.client.post("/admin/experiments", json=body, headers=self.headers)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    async def change(self, experiment: dict[str, Any], **changes: Any) -> httpx.Response:
        path = f"/admin/experiments/{experiment['id']}"
        return await self.client.patch(path, json=changes, headers=self.headers)

    async def start(self, experiment: dict[str, Any]) -> dict[str, Any]:
        answer = await self.change(experiment, state="running")
        assert answer.status_code == 200, answer.text
        started: dict[str, Any] = answer.json()
        return started

    async def run(self, *variants: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return await self.start(await self.create(*variants, **fields))

    async def get(self, experiment: dict[str, Any]) -> dict[str, Any]:
        answer = await self.client.get(f"/admin/experiments/{experiment['id']}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def ask(self, user: str | None = None, **fields: Any) -> dict[str, Any]:
        answer = await self.chat(user, **fields)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def chat(self, user: str | None = None, **fields: Any) -> httpx.Response:
        body = {"query": QUESTION, "user_id": user, **fields}
        return await self.client.post("/chat", json=body, headers=self.headers)

    async def variants(self, users: list[str]) -> dict[str, str | None]:
        return {user: (await self.ask(user))["variant"] for user in users}

    async def stop_all(self) -> None:
        """So that the next test may start one."""
        answer = await self.client.get("/admin/experiments", headers=self.headers)
        for experiment in answer.json()["experiments"]:
            if experiment["state"] == "running":
                await self.change(experiment, state="stopped")


async def until(holds: Callable[[], Awaitable[bool]], *, within_s: float = 100) -> float:
    """Seconds until it holds."""
    began = time.perf_counter()
    async with asyncio.timeout(within_s):
        while True:
            if await holds():
                return time.perf_counter() - began
            await asyncio.sleep(0.02)
