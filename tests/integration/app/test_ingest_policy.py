"""Formats, personal data, quality and chunking as a file goes through ingestion."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import httpx
import pytest
from docx import Document

from db.pool import Database
from db.repositories import tenants
from tests.integration.app.conftest import ingest_text

WAIT = {"wait": 60}
SetPolicy = Callable[..., Awaitable[None]]
PRIVATE = "Write to anna.schmidt@example.org about the garden party in the courtyard."


async def set_policy(database: Database, tenant_id: UUID, **settings: object) -> None:
    async with database.tenant(tenant_id) as connection:
        await tenants.set_ingestion(connection, tenant_id, settings)


@pytest.fixture
async def policy(database: Database, tenant_id: UUID) -> AsyncIterator[SetPolicy]:
    """Sets the tenant's own settings for the length of a test."""

    async def change(**settings: object) -> None:
        await set_policy(database, tenant_id, **settings)

    yield change
    await set_policy(database, tenant_id)


async def stored_text(client: httpx.AsyncClient, document_id: object) -> str:
    return (await client.get(f"/documents/{document_id}/text")).text


async def upload(client: httpx.AsyncClient, name: str, data: bytes) -> httpx.Response:
    return await client.post("/ingest", params=WAIT, files={"file": (name, data)})


async def test_a_word_document_is_read_and_cited_by_heading(client: httpx.AsyncClient) -> None:
    document = Document()
    document.add_heading("Irrigation", level=1)
    document.add_paragraph("The drip hoses are opened at six in the morning.")
    file = io.BytesIO()
    document.save(file)
    response = await upload(client, "garden.docx", file.getvalue())
    assert response.status_code == 200, response.text
    found = (await client.post("/search", json={"query": "When are the drip hoses opened?"})).json()[
        "results"
    ]
    assert found[0]["source_document_id"] == "garden.docx"
    assert found[0]["heading_path"] == ["Irrigation"]


async def test_every_chunk_of_a_long_table_has_its_header(client: httpx.AsyncClient) -> None:
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(["Plant", "Height in centimetres", "Month of flowering"])
    rows.writerows([f"Specimen {n}", 20 + n, ("May", "June", "July")[n % 3]] for n in range(120))
    made = (await upload(client, "plants.csv", file.getvalue().encode())).json()
    assert made["chunks_created"] > 3
    body = {"query": "Specimen 77 height", "filters": {"source_document_id": "plants.csv"}, "top_k": 50}
    found = (await client.post("/search", json=body)).json()["results"]
    assert len(found) > 2, "of chunks that say nearly the same only some are found"
    for passage in found:
        assert passage["text"].startswith("| Plant | Height in centimetres | Month of flowering |\n| -")
    assert any("| Specimen 77 | 97 | July |" in passage["text"] for passage in found)


@pytest.mark.parametrize(
    ("mode", "kept"), [("off", PRIVATE), ("redact", PRIVATE.replace("anna.schmidt@example.org", "[EMAIL]"))]
)
async def test_personal_data_is_redacted_where_the_tenant_wants_it(
    client: httpx.AsyncClient, policy: SetPolicy, *, mode: str, kept: str
) -> None:
    await policy(personal_data=mode)
    made = await ingest_text(client, PRIVATE, source_document_id=f"party-{mode}")
    assert await stored_text(client, made["document_id"]) == kept


async def test_a_changed_policy_reads_the_same_file_anew(
    client: httpx.AsyncClient, policy: SetPolicy
) -> None:
    first = await ingest_text(client, PRIVATE, source_document_id="anew")
    await policy(personal_data="redact")
    again = await ingest_text(client, PRIVATE, source_document_id="anew")
    assert (first["version"], again["version"], again["unchanged"]) == (1, 2, False)
    assert "[EMAIL]" in await stored_text(client, again["document_id"])


async def test_chunks_with_personal_data_can_be_left_out(
    client: httpx.AsyncClient, policy: SetPolicy
) -> None:
    await policy(personal_data="skip")
    refused = await client.post("/ingest", params=WAIT, json={"text": PRIVATE, "title": "Party"})
    assert refused.status_code == 422
    roses = " ".join(f"Rose bed {n} is cut in week {n + 9}, and watered by hand." for n in range(60))
    plain = f"# Garden\n\n{roses}\n\n# People\n\n{PRIVATE}"
    made = (await upload(client, "mixed.md", plain.encode())).json()
    body = {"query": "roses garden party", "filters": {"source_document_id": "mixed.md"}, "top_k": 50}
    found = (await client.post("/search", json=body)).json()["results"]
    assert found
    assert made["chunks_created"] > 2
    assert not any("anna" in passage["text"] for passage in found)


async def test_what_looks_wrong_is_kept_back_until_it_is_released(client: httpx.AsyncClient) -> None:
    broken = "Straße für Bücher, Käse und Öl über Brücken. ".encode().decode("latin-1") * 30
    response = await upload(client, "broken.txt", broken.encode())
    assert (response.status_code, response.json()["code"]) == (422, "quarantined")
    waiting = (await client.get("/ingest", params={"state": "quarantined"})).json()["jobs"]
    assert [job["source_document_id"] for job in waiting] == ["broken.txt"]
    await client.post(f"/admin/quarantine/{waiting[0]['job_id']}/release")
    for _ in range(200):
        job = (await client.get(f"/ingest/{waiting[0]['job_id']}")).json()
        if job["state"] == "succeeded":
            break
        await asyncio.sleep(0.05)
    assert job["state"] == "succeeded"
    assert (await client.get("/ingest", params={"state": "quarantined"})).json()["jobs"] == []


async def test_a_file_that_eats_memory_fails_alone(client: httpx.AsyncClient) -> None:
    bomb = b"<p>" + b"<b>x" * 2_000_000
    response = await upload(client, "bomb.html", bomb)
    assert response.status_code in {200, 422}
    fine = await upload(client, "fine.txt", b"Still answering after the bomb.")
    assert fine.status_code == 200
