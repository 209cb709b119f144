"""Jobs over HTTP: watched, stopped, tried again, sent twice; and documents changed without a new version."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from db.addresses import DatabaseLogins
from db.pool import Database
from db.repositories import jobs
from db.repositories.jobs import JobState
from rag.models.local import LocalModels
from tests.integration.app.conftest import ingest_text
from tests.integration.conftest import running_service, settings_for

LEFT_BEHIND = """
SELECT (SELECT count(*) FROM source_documents WHERE source_document_id = $1)
     + (SELECT count(*) FROM job_files f JOIN jobs j ON j.id = f.job_id WHERE j.source_document_id = $1)
"""


@pytest.fixture
async def api_client(logins: DatabaseLogins, local_models: LocalModels) -> AsyncIterator[httpx.AsyncClient]:
    """A service without a worker: its jobs stay queued."""
    async with running_service(settings_for(logins, role="api"), local_models) as opened:
        yield opened


async def post_text(client: httpx.AsyncClient, text: str, **headers: str) -> httpx.Response:
    return await client.post("/ingest", json={"text": text, "title": "T"}, headers=headers)


async def finish(database: Database, tenant_id: UUID, state: JobState, *, error: str | None = None) -> None:
    """Take the only job there is and end it."""
    async with database.system() as connection:
        claim = await jobs.claim(connection, kinds=["ingest"], worker="test", lease=timedelta(seconds=60))
    assert claim is not None
    async with database.tenant(tenant_id) as connection:
        await jobs.end(connection, claim, state, error=error, error_code=error and "unreadable_file")


async def test_jobs_are_stopped_tried_again_and_forgotten(
    api_client: httpx.AsyncClient, database: Database, tenant_id: UUID
) -> None:
    response = await post_text(api_client, "Wait for me.")
    assert (response.status_code, response.json()["status"]) == (202, "queued")
    path = f"/ingest/{response.json()['job_id']}"
    assert (await api_client.post(f"{path}/retry")).status_code == 409
    assert (await api_client.post(f"{path}/cancel")).json()["state"] == "cancelled"
    refused = await api_client.post(f"{path}/cancel")
    assert (refused.status_code, refused.json()["detail"]) == (409, "the job has ended: it is cancelled")
    assert (await api_client.post(f"{path}/retry")).json()["state"] == "queued"
    await finish(database, tenant_id, JobState.FAILED, error="torn")
    shown = (await api_client.get(path)).json()
    assert (shown["state"], shown["error"], shown["error_code"]) == ("failed", "torn", "unreadable_file")
    assert (await api_client.delete(path)).status_code == 204
    assert (await api_client.get(path)).status_code == 404
    async with database.tenant(tenant_id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM job_files") == 0


async def test_a_queued_job_can_be_deleted(api_client: httpx.AsyncClient) -> None:
    job_id = (await post_text(api_client, "Delete me.")).json()["job_id"]
    assert (await api_client.delete(f"/ingest/{job_id}")).status_code == 204
    assert (await api_client.get("/ingest")).json()["jobs"] == []


async def test_only_what_is_quarantined_can_be_released(
    api_client: httpx.AsyncClient, database: Database, tenant_id: UUID
) -> None:
    job_id = (await post_text(api_client, "Keep me back.")).json()["job_id"]
    assert (await api_client.post(f"/admin/quarantine/{job_id}/release")).status_code == 409
    await finish(database, tenant_id, JobState.QUARANTINED, error="odd")
    waiting = (await api_client.get("/ingest", params={"state": "quarantined"})).json()["jobs"]
    assert [job["job_id"] for job in waiting] == [job_id]
    assert (await api_client.post(f"/admin/quarantine/{job_id}/release")).json()["state"] == "queued"
    await api_client.delete(f"/ingest/{job_id}")


async def test_jobs_are_paged(api_client: httpx.AsyncClient) -> None:
    added = [(await post_text(api_client, f"Page {n}.")).json()["job_id"] for n in range(3)]
    first = (await api_client.get("/ingest", params={"limit": 2})).json()
    rest = (await api_client.get("/ingest", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [job["job_id"] for job in first["jobs"] + rest["jobs"]] == added[::-1]
    assert rest["next_cursor"] is None
    for cursor in ("x", "-1", "9" * 30):
        assert (await api_client.get("/ingest", params={"cursor": cursor})).status_code == 422
    for job_id in added:
        await api_client.delete(f"/ingest/{job_id}")


async def test_a_request_sent_twice_with_its_key_is_one(api_client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "7c1f-once"}
    answers = await asyncio.gather(*(post_text(api_client, "Only once.", **key) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    other = await post_text(api_client, "Something else.", **key)
    assert (other.status_code, other.json()["code"]) == (422, "invalid_input")
    assert "Idempotency-Key" in other.json()["detail"]
    without = await post_text(api_client, "Only once.")
    assert without.json()["job_id"] != answers[0].json()["job_id"]
    assert (await post_text(api_client, "x", **{"Idempotency-Key": "k" * 256})).status_code == 422


async def test_the_key_of_a_request_whose_job_was_deleted_is_a_conflict(
    api_client: httpx.AsyncClient,
) -> None:
    key = {"Idempotency-Key": "7c1f-deleted"}
    first = await post_text(api_client, "Soon gone.", **key)
    await api_client.delete(f"/ingest/{first.json()['job_id']}")
    again = await post_text(api_client, "Soon gone.", **key)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_a_file_that_cannot_be_read_is_a_failed_job_with_a_reason(client: httpx.AsyncClient) -> None:
    broken = ("broken.pdf", b"%PDF-1.7 and then nothing", "application/pdf")
    waited = await client.post("/ingest", params={"wait": 30}, files={"file": broken})
    assert (waited.status_code, waited.json()["code"]) == (422, "unreadable_file")
    both = [("file", broken), ("file", ("fine.txt", b"Perfectly fine.", "text/plain"))]
    listed = (await client.post("/ingest", params={"wait": 30}, files=both)).json()["jobs"]
    assert [job["status"] for job in listed] == ["failed", "succeeded"]
    assert "broken" in listed[0]["error"]


async def test_deleting_a_document_stops_what_is_being_made_of_it(
    client: httpx.AsyncClient, database: Database, tenant_id: UUID
) -> None:
    long = "\n\n".join(
        f"Paragraph {n} tells of the heron's {n}th crossing of the river." for n in range(3000)
    )
    made = await ingest_text(client, "The first words.", source_document_id="heron")
    queued = await client.post("/ingest", json={"text": long, "title": "H", "source_document_id": "heron"})
    path = f"/ingest/{queued.json()['job_id']}"
    for _ in range(1000):
        if (await client.get(path)).json()["progress"].get("stage") == "embedding":
            break
        await asyncio.sleep(0.02)
    assert (await client.delete(f"/documents/{made['document_id']}")).status_code == 204
    job = (await client.get(path)).json()
    assert (job["state"], job["error"]) == ("cancelled", "the document was deleted")
    await asyncio.sleep(1)  # the worker comes to the point where it would have stored something
    async with database.tenant(tenant_id) as connection:
        assert await connection.fetchval(LEFT_BEHIND, "heron") == 1, "the job's own file, for another attempt"
    await client.delete(path)
    async with database.tenant(tenant_id) as connection:
        assert await connection.fetchval(LEFT_BEHIND, "heron") == 0


async def test_metadata_and_access_change_without_a_new_version(client: httpx.AsyncClient) -> None:
    text = "The copper kettle stands on the stove."
    made = await ingest_text(client, text, source_document_id="kettle", metadata={"price": 10, "stock": 3})
    path = f"/documents/{made['document_id']}"
    changed = await client.patch(path, json={"metadata": {"price": 12.5, "stock": None, "new": "x"}})
    assert changed.status_code == 200
    assert changed.json()["metadata"] == {"price": 12.5, "new": "x"}
    assert changed.json()["version"] == made["version"]

    async def finds(condition: dict[str, object]) -> bool:
        body = {"query": "copper kettle", "filters": {"metadata": condition}}
        return bool((await client.post("/search", json=body)).json()["results"])

    assert await finds({"price": 12.5})
    assert not await finds({"stock": 3})
    for body in ({"metadata": {"a": [1]}}, {"title": "no"}, {"acl": "everyone"}):
        assert (await client.patch(path, json=body)).status_code == 422, body
    assert (await client.patch(path, json={"acl": ["chefs"]})).json()["acl"] == ["chefs"]
    assert (await client.get(path)).status_code == 404, "the caller is in no group"
    assert (await client.patch(path, json={"acl": []})).status_code == 404
