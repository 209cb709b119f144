"""Everyone may have their own data, and nobody else's."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.access.roles import Role
from db.addresses import DatabaseLogins
from db.pool import Database
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER, KeyMaker, bearer
from tests.integration.app.test_privacy import ended
from tests.integration.conftest import running_service, settings_for


@pytest.fixture
async def client(
    logins: DatabaseLogins, local_models: LocalModels, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(logins, data_dir=tmp_path, auth_mode="api_key", api_key_pepper=PEPPER)
    async with running_service(settings, local_models) as opened:
        yield opened


async def ask_as(client: httpx.AsyncClient, secret: str) -> dict[str, Any]:
    response = await client.post("/chat", json={"query": "How high is it?"}, headers=bearer(secret))
    body: dict[str, Any] = response.json()
    return body


async def test_a_caller_exports_what_is_their_own(client: httpx.AsyncClient, database: Database) -> None:
    maker = KeyMaker(database)
    mine = await maker.issue(tenant="acme", role=Role.READER)
    other = await maker.issue(tenant="acme", role=Role.READER)
    asked = await ask_as(client, mine.secret)
    foreign = await ask_as(client, other.secret)
    client.headers.update(bearer(mine.secret))
    job = (await client.post("/me/export")).json()
    await ended(client, f"/me/exports/{job['job_id']}")
    lines = (await client.get(f"/me/exports/{job['job_id']}/download")).text.splitlines()
    ids = {record["row"]["id"] for line in lines if (record := json.loads(line))["table"] == "conversations"}
    assert ids == {asked["conversation_id"]}
    assert foreign["conversation_id"] not in str(lines)
    for path in (f"/admin/exports/{job['job_id']}", f"/admin/exports/{job['job_id']}/download"):
        assert (await client.get(path)).status_code == 403
    assert (await client.post(f"/admin/users/key:{other.key.id}/erase")).status_code == 403
    client.headers.update(bearer(other.secret))
    for path in (f"/me/exports/{job['job_id']}", f"/me/exports/{job['job_id']}/download"):
        assert (await client.get(path)).status_code == 404
