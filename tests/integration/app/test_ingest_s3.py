"""Files of a bucket, over HTTP by their key and by a sync, against moto's server."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from app.access.roles import Role
from db.addresses import DatabaseLogins
from db.pool import Database
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER, KeyMaker
from tests.integration.app.aws import BUCKET, Aws, moto_aws
from tests.integration.conftest import running_service, settings_for

WAIT = {"wait": 60}


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


async def test_a_file_is_taken_in_by_its_key(client: httpx.AsyncClient, aws: Aws) -> None:
    await asyncio.to_thread(aws.put, "rules/bees.md", "# Bees\n\nThe hives are opened in May.\n")
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


async def test_all_files_below_a_prefix_are_taken_in(client: httpx.AsyncClient, aws: Aws) -> None:
    for key in ("more/a.md", "more/b/c.md", "moreover.md", "more/film.mp4", "more/.hidden.md", "more/"):
        await asyncio.to_thread(aws.put, key, f"What is to be read of {key} stands here.")
    await asyncio.to_thread(aws.put, "more/large.md", "x" * (1024 * 1024 + 1))
    body = {"s3_prefix": "more", "metadata": {"set": "more"}}
    made = await client.post("/ingest", params=WAIT, json=body)
    assert made.status_code == 200, made.text
    assert [job["source_document_id"] for job in made.json()["jobs"]] == ["more/a.md", "more/b/c.md"]
    assert {job["status"] for job in made.json()["jobs"]} == {"succeeded"}
    assert {item["s3_key"]: item["reason"][:17] for item in made.json()["skipped"]} == {
        "more/film.mp4": ".mp4 files are no",
        "more/large.md": "it has 1 MB; at m",
    }
    again = await client.post("/ingest", params=WAIT, json={"s3_prefix": "more/b/"})
    assert [job["unchanged"] for job in again.json()["jobs"]] == [True], "a list, also of one"


@pytest.fixture(scope="module")
async def shared(
    aws: Aws, logins: DatabaseLogins, local_models: LocalModels
) -> AsyncIterator[httpx.AsyncClient]:
    """The service of several tenants; its worker takes the other one's jobs too, so the limit is the same."""
    settings = settings_for(
        logins,
        documents_bucket=BUCKET,
        max_s3_object_mb=1,
        auth_mode="api_key",
        api_key_pepper=PEPPER,
        rate_limits="off",
    )
    async with running_service(settings, local_models) as opened:
        yield opened


@pytest.mark.parametrize("field", ["s3_key", "s3_prefix"])
async def test_a_tenant_reaches_its_own_folder_of_the_bucket_alone(
    shared: httpx.AsyncClient, aws: Aws, database: Database, field: str
) -> None:
    maker = KeyMaker(database)
    own, other = await maker.tenant("own"), await maker.tenant("other")
    name = "bats.md" if field == "s3_key" else ""
    for folder in (f"tenants/{own}/", f"tenants/{other}/", "anybodys/"):
        await asyncio.to_thread(aws.put, f"{folder}bats.md", "Bats sleep by day, and hunt at night.")

    async def ask(tenant: str, folder: str) -> int:
        headers = await maker.headers(Role.ADMIN, tenant=tenant)
        body = {field: f"{folder}{name}".rstrip("/")}
        return (await shared.post("/ingest", params=WAIT, json=body, headers=headers)).status_code

    assert await ask("own", f"tenants/{own}/") == 200
    assert await ask("own", f"tenants/{other}/") == 422
    assert await ask("own", "anybodys/") == 422
    assert await ask("default", "anybodys/") == 200
    assert await ask("default", f"tenants/{own}/") == 422
    assert await ask("default", "tenants/") == 422
    assert await ask("own", f"tenants/{own}/../{other}/") != 200


async def test_a_prefix_is_taken_in_once_under_an_idempotency_key(
    client: httpx.AsyncClient, aws: Aws
) -> None:
    await asyncio.to_thread(aws.put, "once/a.md", "The first of the files that are there once.")
    headers, body = {"Idempotency-Key": "prefix-1"}, {"s3_prefix": "once"}
    first = await client.post("/ingest", params=WAIT, json=body, headers=headers)
    await asyncio.to_thread(aws.put, "once/b.md", "The second of the files that are there once.")
    again = await client.post("/ingest", params=WAIT, json=body, headers=headers)
    assert again.json() == first.json()
    other = await client.post("/ingest", json={"s3_prefix": "more"}, headers=headers)
    assert other.status_code == 422


@pytest.mark.slow
async def test_too_many_files_below_a_prefix_are_left_to_a_sync(client: httpx.AsyncClient, aws: Aws) -> None:
    def put() -> None:
        for number in range(1001):
            aws.put(f"many/{number}.mp4", "")

    await asyncio.to_thread(put)
    refused = await client.post("/ingest", json={"s3_prefix": "many"})
    assert refused.status_code == 422
    assert "ingest_documents.py sync s3://handbook/many/ --prefix many/" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"s3_prefix": "none"}, 404, "s3://handbook/none/"),
        ({"s3_prefix": "more", "title": "All"}, 422, "title"),
        ({"s3_prefix": "more", "source_document_id": "x"}, 422, "source_document_id"),
        ({"s3_prefix": ""}, 422, "s3_prefix"),
        ({"s3_prefix": "a", "s3_key": "b"}, 422, "s3_prefix"),
        ({"s3_key": "film.mp4"}, 415, ".mp4"),
    ],
)
async def test_wrong_requests_are_refused(
    client: httpx.AsyncClient, aws: Aws, body: dict[str, str], status: int, detail: str
) -> None:
    refused = await client.post("/ingest", json=body)
    assert (refused.status_code, detail in refused.json()["detail"]) == (status, True), refused.text


async def test_an_object_that_is_too_large_is_refused_unread(client: httpx.AsyncClient, aws: Aws) -> None:
    await asyncio.to_thread(aws.put, "large.md", "x" * (1024 * 1024 + 1))
    refused = await client.post("/ingest", params=WAIT, json={"s3_key": "large.md"})
    assert (refused.status_code, "larger than 1 MB" in refused.json()["detail"]) == (422, True)


async def test_an_object_without_a_known_name_is_read_by_its_type(
    client: httpx.AsyncClient, aws: Aws
) -> None:
    page = "<html><head><title>Otters</title></head><body><p>Otters sleep in the afternoon.</p></body></html>"
    await asyncio.to_thread(aws.put, "otters", page, ContentType="text/html")
    made = await client.post("/ingest", params=WAIT, json={"s3_key": "otters"})
    assert made.status_code == 200, made.text
    listed = (await client.get("/documents", params={"source_document_id": "otters"})).json()["documents"]
    assert [(document["title"], document["uri"]) for document in listed] == [
        ("Otters", "s3://handbook/otters")
    ]
