"""Files of a bucket, over HTTP by their key and by a sync, against moto's server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from db.addresses import DatabaseLogins
from rag.models.registry import LocalModels
from tests.integration.conftest import running_service, settings_for
from tests.unit.rag.sources.s3 import use_s3

BUCKET = "handbook"
WAIT = {"wait": 60}


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as monkeypatch:
        host, port = server.get_host_and_port()
        use_s3(monkeypatch, f"http://{host}:{port}")
        client = boto3.client("s3", region_name="eu-central-1")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client
    server.stop()


@pytest.fixture(scope="module")
async def client(
    bucket: Any, logins: DatabaseLogins, local_models: LocalModels
) -> AsyncIterator[httpx.AsyncClient]:
    async with running_service(settings_for(logins, documents_bucket=BUCKET), local_models) as opened:
        yield opened


async def test_a_file_is_taken_in_by_its_key(client: httpx.AsyncClient, bucket: Any) -> None:
    await asyncio.to_thread(
        bucket.put_object,
        Bucket=BUCKET,
        Key="rules/bees.md",
        Body=b"# Bees\n\nThe hives are opened in May.\n",
    )
    made = await client.post("/ingest", params=WAIT, json={"s3_key": "rules/bees.md"})
    assert made.status_code == 200, made.text
    assert made.json()["source_document_id"] == "rules/bees.md"
    found = (await client.post("/search", json={"query": "When are hives opened?"})).json()["results"]
    assert found[0]["title"] == "Bees"


async def test_a_key_that_does_not_exist_is_named(client: httpx.AsyncClient) -> None:
    refused = await client.post("/ingest", params=WAIT, json={"s3_key": "rules/wasps.md"})
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert "rules/wasps.md" in refused.json()["detail"]


async def test_without_a_bucket_no_key_names_a_file(
    logins: DatabaseLogins, local_models: LocalModels
) -> None:
    async with running_service(settings_for(logins), local_models) as opened:
        refused = await opened.post("/ingest", params=WAIT, json={"s3_key": "rules/bees.md"})
    assert (refused.status_code, "DOCUMENTS_BUCKET" in refused.json()["detail"]) == (422, True)
