"""From an object in S3 to a cited answer by Bedrock: on this machine's stand-ins, or with LIVE_AWS=1 on AWS.

A real account is named as the service is told of it: AWS_REGION and credentials, CHAT_MODEL, EMBEDDING_MODEL,
RERANK_MODEL, DOCUMENTS_BUCKET, ARTIFACTS_BUCKET, EVENTS_QUEUE_URL. What the tests put into the bucket they
take away again.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from uuid import uuid4

import boto3
import httpx
import pytest

from app.doctor import State, examine
from app.settings import Settings
from db.addresses import DatabaseLogins
from rag.models.local import LocalModels
from tests.integration.conftest import running_service, settings_for
from tests.standins.aws import forget_aws
from tests.standins.local_aws import MODELS, local_aws

LIVE = os.environ.get("LIVE_AWS") == "1"
NAMES = (*MODELS, "GUARDRAIL_ID", "DOCUMENTS_BUCKET", "ARTIFACTS_BUCKET", "EVENTS_QUEUE_URL")
GIVEN = {name: os.environ[name] for name in NAMES if os.environ.get(name)}  # tests don't see them otherwise
PREFIX = f"groundwork-test-{uuid4().hex}"
KEY = f"{PREFIX}/leave policy.md"
TEXT = """# Leave policy

You can carry over up to 5 vacation days to the next calendar year.
"""
QUESTION = "How many vacation days can be carried over to the next year?"
PATIENCE_S = 90 if LIVE else 30


@pytest.fixture(scope="module")
def aws() -> Iterator[Mapping[str, str]]:
    """Settings that name what is there."""
    if LIVE:
        yield {**MODELS, **GIVEN}
        return
    with local_aws() as variables, pytest.MonkeyPatch.context() as monkeypatch:
        forget_aws(monkeypatch)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield {**MODELS, **variables}


@pytest.fixture(scope="module")
def settings(aws: Mapping[str, str], logins: DatabaseLogins) -> Settings:
    return settings_for(logins, **{name.lower(): aws[name] for name in NAMES if name in aws})


@pytest.fixture(scope="module")
async def client(settings: Settings, local_models: LocalModels) -> AsyncIterator[httpx.AsyncClient]:
    async with running_service(settings, local_models) as opened:
        yield opened


@pytest.fixture(scope="module")
def bucket(settings: Settings) -> Iterator[Any]:
    s3 = boto3.resource("s3", region_name=os.environ["AWS_REGION"])
    bucket = s3.Bucket(settings.documents_bucket)
    yield bucket
    bucket.objects.filter(Prefix=PREFIX).delete()


async def documents(client: httpx.AsyncClient) -> list[str]:
    listed = (await client.get("/documents", params={"limit": 200})).json()["documents"]
    return [document["source_document_id"] for document in listed]


async def until_documents_are(client: httpx.AsyncClient, *expected: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while sorted(await documents(client)) != sorted(expected):  # noqa: ASYNC110 - as a client would
            await asyncio.sleep(0.2)


async def test_from_an_object_to_a_cited_answer_and_back(client: httpx.AsyncClient, bucket: Any) -> None:
    bucket.put_object(Key=KEY, Body=TEXT.encode(), ContentType="text/markdown")
    response = await client.post("/ingest", params={"wait": PATIENCE_S}, json={"s3_key": KEY})
    assert response.status_code == 200, response.text
    answer = (await client.post("/chat", json={"query": QUESTION})).json()
    assert "5" in answer["answer"]
    assert answer["citations"][0]["source_document_id"] == KEY
    assert answer["citations"][0]["quote"] in TEXT
    assert answer["degraded"] == []
    assert answer["model_name"].startswith("bedrock:")
    assert answer["usage"]["cost_usd"] > 0
    found = (await client.get("/usage", params={"group_by": "model"})).json()
    assert {row["label"].partition(":")[0] for row in found["rows"]} == {"bedrock"}


@pytest.mark.skipif(LIVE and "EVENTS_QUEUE_URL" not in GIVEN, reason="EVENTS_QUEUE_URL is not set")
async def test_documents_follow_the_bucket(client: httpx.AsyncClient, bucket: Any) -> None:
    await until_documents_are(client, KEY)
    bucket.put_object(Key=f"{PREFIX}/travel.md", Body=b"# Travel\n\nBook trains by noon on Friday.\n")
    await until_documents_are(client, KEY, f"{PREFIX}/travel.md")
    bucket.objects.filter(Prefix=PREFIX).delete()
    await until_documents_are(client)


async def test_the_doctor_finds_nothing_wrong(settings: Settings, client: httpx.AsyncClient) -> None:
    found = [finding async for finding in examine(settings)]
    assert {finding.state for finding in found} == {State.OK}, found
    assert [finding.check.split()[0] for finding in found] == [
        "AWS",
        "database",
        "chat",
        "embedding",
        "reranker",
        "DOCUMENTS_BUCKET",
        "ARTIFACTS_BUCKET",
        "EVENTS_QUEUE_URL",
    ]
