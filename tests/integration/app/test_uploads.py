"""Files that are sent straight to the bucket by a signed form, against moto's server.

Moto takes any form: what S3 would refuse is read from the signed policy.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.ingestion.uploads import NewUpload
from app.maintenance import MAINTAIN, MaintenanceHandler
from app.retention import Retention
from app.services import Services, open_services
from db.addresses import DatabaseLogins
from db.repositories import jobs, tenants
from db.repositories.jobs import NewJob
from rag.errors import NotFoundError
from rag.models.local import LocalModels
from rag.ports import SourceLabels, Writer
from tests.integration.app.aws import BUCKET, Aws, moto_aws
from tests.integration.conftest import running_service, settings_for

WAIT = {"wait": 60}
TEXT = b"# Bees\n\nThe hives are opened in May, when the weather is fine.\n"


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with moto_aws() as opened:
        yield opened


@pytest.fixture(scope="module")
async def client(
    aws: Aws, logins: DatabaseLogins, local_models: LocalModels
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(logins, documents_bucket=BUCKET, max_s3_object_mb=1)
    async with running_service(settings, local_models) as opened:
        yield opened


@pytest.fixture(scope="module")
async def services(aws: Aws, logins: DatabaseLogins, local_models: LocalModels) -> AsyncIterator[Services]:
    settings = settings_for(logins, documents_bucket=BUCKET, role="api")
    async with open_services(settings, local=local_models) as opened:
        yield opened


async def start(client: httpx.AsyncClient, filename: str = "bees.md", **more: object) -> dict[str, Any]:
    answer = await client.post("/ingest/uploads", json={"filename": filename, "byte_size": len(TEXT), **more})
    assert answer.status_code == 201, answer.text
    started: dict[str, Any] = answer.json()
    return started


async def send(started: dict[str, Any], content: bytes = TEXT, **fields: str) -> httpx.Response:
    async with httpx.AsyncClient() as outside:
        return await outside.post(
            started["url"], data=started["fields"] | fields, files={"file": ("x", content)}
        )


async def complete(client: httpx.AsyncClient, upload_id: str) -> httpx.Response:
    return await client.post(f"/ingest/uploads/{upload_id}/complete", params=WAIT)


def policy_of(started: dict[str, Any]) -> list[Any]:
    conditions: list[Any] = json.loads(base64.b64decode(started["fields"]["policy"]))["conditions"]
    return conditions


async def test_a_file_that_was_sent_is_taken_in_with_its_labels(client: httpx.AsyncClient) -> None:
    started = await start(
        client,
        mime_type="text/markdown",
        source_document_id="rules/bees",
        title="On bees",
        metadata={"year": 2025},
    )
    sent = await send(started)
    assert sent.status_code in {200, 204}, sent.text
    done = await complete(client, started["upload_id"])
    assert (done.status_code, done.json()["source_document_id"]) == (200, "rules/bees")
    again = await complete(client, started["upload_id"])
    assert again.json() == done.json(), "the same job"
    filters = {"metadata": {"year": 2025}}
    found = (
        await client.post("/search", json={"query": "When are hives opened?", "filters": filters})
    ).json()
    assert [hit["title"] for hit in found["results"]] == ["On bees"]


async def test_the_form_is_good_for_one_key_size_and_type(client: httpx.AsyncClient) -> None:
    started = await start(client, "Übersicht ${filename} 2025.md", mime_type="text/markdown")
    assert started["s3_key"].endswith(f"/{started['upload_id']}/Übersicht_filename_2025.md")
    conditions = policy_of(started)
    assert {"key": started["s3_key"]} in conditions
    assert {"bucket": BUCKET} in conditions
    assert {"Content-Type": "text/markdown"} in conditions
    assert ["content-length-range", len(TEXT), len(TEXT)] in conditions
    assert "x-amz-signature" in started["fields"], "version 4, which encrypted buckets ask for"


async def test_a_file_that_was_not_sent_is_not_taken_in(client: httpx.AsyncClient) -> None:
    started = await start(client)
    assert (await send(started, key="elsewhere.md")).is_success  # moto's way; S3 refuses it
    refused = await complete(client, started["upload_id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "not been uploaded" in refused.json()["detail"]
    assert (await send(started)).is_success
    assert (await complete(client, started["upload_id"])).status_code == 200


async def test_a_file_that_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    refused = await client.post("/ingest/uploads", json={"filename": "a.md", "byte_size": 1024 * 1024 + 1})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    started = await start(client)
    assert (await send(started, bytes(1024 * 1024 + 1))).is_success  # moto's way
    refused = await complete(client, started["upload_id"])
    assert (refused.status_code, "more than 1 MB" in refused.json()["detail"]) == (422, True)


async def test_completing_at_the_same_time_makes_one_job(client: httpx.AsyncClient) -> None:
    started = await start(client, source_document_id="at-once")
    await send(started)
    answers = await asyncio.gather(*(complete(client, started["upload_id"]) for _ in range(5)))
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    listed = await client.get("/ingest", params={"source_document_id": "at-once"})
    assert len(listed.json()["jobs"]) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"filename": "film.mp4", "byte_size": 1}, 415),
        ({"filename": "film", "mime_type": "video/mp4", "byte_size": 1}, 415),
        ({"filename": "a.md", "byte_size": 0}, 422),
        ({"filename": "a.md"}, 422),
        ({"filename": " ", "byte_size": 1}, 422),
        ({"filename": "a\0.md", "byte_size": 1}, 422),
        ({"filename": "a.md", "byte_size": 1, "mime_type": "text/plain\r\nx: y"}, 422),
        ({"filename": "a.md", "byte_size": 1, "mime_type": "text"}, 422),
        ({"filename": "a.md", "byte_size": 1, "s3_key": "mine"}, 422),
        ([], 422),
    ],
)
async def test_wrong_requests_are_refused(client: httpx.AsyncClient, body: object, status: int) -> None:
    assert (await client.post("/ingest/uploads", json=body)).status_code == status


async def test_an_upload_is_its_tenants_own(client: httpx.AsyncClient, services: Services) -> None:
    started = await start(client)
    await send(started)
    async with services.database.system() as connection:
        other = Writer((await tenants.ensure(connection, slug="other", name="Other")).id)
    with pytest.raises(NotFoundError):
        await services.uploads.complete(other, UUID(started["upload_id"]))
    theirs = await services.uploads.start(other, NewUpload(SourceLabels("a.md"), "a.md", 1))
    refused = await complete(client, str(theirs.id))
    assert refused.status_code == 404
    for key in (theirs.key, started["s3_key"]):
        refused = await client.post("/ingest", json={"s3_key": key})
        assert (refused.status_code, "complete" in refused.json()["detail"]) == (422, True)
    for prefix in (f"uploads/{other.tenant_id}", f"uploads/{other.tenant_id}/{theirs.id}/", "uploads"):
        refused = await client.post("/ingest", json={"s3_prefix": prefix})
        assert refused.status_code == 404


async def test_a_worker_reads_no_upload_of_another_tenant(
    client: httpx.AsyncClient, services: Services
) -> None:
    started = await start(client)
    await send(started)
    async with services.database.system() as connection:
        other = (await tenants.ensure(connection, slug="other", name="Other")).id
    labels = {"source_document_id": "x", "title": None, "uri": None, "metadata": None, "acl": None}
    order = {
        "filename": "x",
        "mime_type": None,
        "is_text": False,
        "s3_key": started["s3_key"],
        "force": False,
    }
    async with services.database.tenant(other) as connection:
        new = NewJob("ingest", {"labels": labels, "groups": [], **order})
        job_id = await jobs.add(connection, other, new)
    job = await services.queue.until_ended(other, await services.queue.get(other, job_id))
    assert (job.state.value, job.error_code) == ("failed", "not_found")


async def test_what_is_not_completed_in_a_day_can_not_be_any_more(
    client: httpx.AsyncClient, services: Services
) -> None:
    started, young = await start(client), await start(client)
    await send(started)
    tenant_id = services.default_identity.tenant_id
    async with services.database.tenant(tenant_id) as connection:
        old = "UPDATE jobs SET created_at = now() - interval '25 hours' WHERE id = $1"
        await connection.execute(old, UUID(started["upload_id"]))
    handler = MaintenanceHandler(
        services.database, keep_versions=1, keep_jobs=timedelta(days=1), retention=Retention()
    )
    claim = jobs.Claim(uuid4(), tenant_id, MAINTAIN, {}, None, 1, 1, 1, timedelta(seconds=60))

    async def report(progress: object) -> None:
        pass

    await handler(claim, report)
    assert (await complete(client, started["upload_id"])).status_code == 404
    assert (await complete(client, young["upload_id"])).status_code == 409, "still waits for its file"
    assert (await complete(client, str(uuid4()))).status_code == 404


async def test_without_a_bucket_nothing_can_be_uploaded(
    logins: DatabaseLogins, local_models: LocalModels
) -> None:
    async with running_service(settings_for(logins), local_models) as opened:
        refused = await opened.post("/ingest/uploads", json={"filename": "a.md", "byte_size": 1})
    assert (refused.status_code, "DOCUMENTS_BUCKET" in refused.json()["detail"]) == (422, True)
