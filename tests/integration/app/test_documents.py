import asyncio
import json
from uuid import uuid4

import httpx
import pytest

from db.addresses import DatabaseLogins
from db.pool import connect
from tests.integration.app.conftest import ingest_text

MARKDOWN = b"# Parking\n\nBicycles are parked in the cellar. Cars are parked behind the house.\n"
WAIT = {"wait": 60}


async def upload(client: httpx.AsyncClient, *files: tuple[str, bytes, str], **fields: str) -> httpx.Response:
    return await client.post("/ingest", params=WAIT, files=[("file", file) for file in files], data=fields)


async def test_a_file_becomes_searchable(client: httpx.AsyncClient) -> None:
    response = await upload(client, ("parking.md", MARKDOWN, "text/markdown"), metadata='{"floor": -1}')
    assert response.status_code == 200
    body = response.json()
    assert (body["source_document_id"], body["status"], body["version"]) == ("parking.md", "succeeded", 1)
    found = (await client.post("/search", json={"query": "Where do I park my bicycle?"})).json()["results"][0]
    assert found["title"] == "Parking"
    assert found["metadata"] == {"floor": -1}
    document = (await client.get(f"/documents/{body['document_id']}")).json()
    assert document["chunk_count"] == body["chunks_created"] == 1
    assert document["byte_size"] == len(MARKDOWN)


async def test_without_waiting_the_job_tells_how_far_it_is(client: httpx.AsyncClient) -> None:
    response = await client.post("/ingest", json={"text": "A short note.", "title": "Note"})
    assert response.status_code == 202
    job_id = response.json()["job_id"]
    for _ in range(100):
        job = (await client.get(f"/ingest/{job_id}")).json()
        if job["state"] not in {"queued", "running"}:
            break
        await asyncio.sleep(0.05)
    assert job["state"] == "succeeded"
    assert job["result"]["chunks_created"] == 1
    assert job["progress"] == {"stage": "storing", "chunks_done": 1, "chunks": 1}


async def test_the_same_bytes_again_are_left_alone(client: httpx.AsyncClient) -> None:
    first = await ingest_text(client, "Unchanging words.", source_document_id="same")
    again = await ingest_text(client, "Unchanging words.", source_document_id="same")
    assert (again["version"], again["chunks_created"], again["unchanged"]) == (first["version"], 0, True)
    forced = await ingest_text(client, "Unchanging words.", source_document_id="same", force_reindex=True)
    assert (forced["version"], forced["unchanged"]) == (2, False)


async def test_the_same_bytes_with_new_metadata_change_only_that(client: httpx.AsyncClient) -> None:
    first = await ingest_text(client, "Labelled words.", source_document_id="labelled")
    await ingest_text(client, "Labelled words.", source_document_id="labelled", metadata={"team": "ops"})
    document = (await client.get(f"/documents/{first['document_id']}")).json()
    assert (document["version"], document["metadata"]) == (1, {"team": "ops"})


async def test_new_content_is_a_new_version_and_the_old_text_is_kept(client: httpx.AsyncClient) -> None:
    await ingest_text(client, "The gate opens at seven.", source_document_id="gate")
    new = await ingest_text(client, "The gate opens at nine.", source_document_id="gate")
    assert new["version"] == 2
    url = f"/documents/{new['document_id']}/text"
    assert (await client.get(url)).text == "The gate opens at nine."
    assert (await client.get(url, params={"version": 1})).text == "The gate opens at seven."
    assert (await client.get(url, params={"version": 3})).status_code == 404
    found = (await client.post("/search", json={"query": "gate opens", "top_k": 50})).json()["results"]
    assert [f["text"] for f in found if f["source_document_id"] == "gate"] == ["The gate opens at nine."]


async def test_several_files_are_taken_in_together(client: httpx.AsyncClient) -> None:
    response = await upload(
        client, ("one.txt", b"The first file.", "text/plain"), ("two.txt", b"The second file.", "")
    )
    jobs = response.json()["jobs"]
    assert [job["source_document_id"] for job in jobs] == ["one.txt", "two.txt"]
    assert {job["status"] for job in jobs} == {"succeeded"}


async def test_one_bad_file_keeps_all_of_its_request_out(client: httpx.AsyncClient) -> None:
    response = await upload(client, ("fine.txt", b"Fine.", "text/plain"), ("bad.txt", b"", "text/plain"))
    assert response.status_code == 422
    assert "bad.txt" in response.json()["detail"]
    listed = await client.get("/documents", params={"source_document_id": "fine.txt"})
    assert listed.json()["documents"] == []


async def test_a_file_that_fails_does_not_hide_the_others(client: httpx.AsyncClient) -> None:
    closed = await ingest_text(client, "Salaries.", source_document_id="closed.txt", acl=["hr"])
    assert closed["status"] == "succeeded"
    response = await upload(
        client,
        ("open.txt", b"Open to everyone.", "text/plain"),
        ("closed.txt", b"This is mine now.", "text/plain"),
    )
    jobs = response.json()["jobs"]
    assert [job["status"] for job in jobs] == ["succeeded", "failed"]
    assert "taken" in jobs[1]["error"]
    alone = await upload(client, ("closed.txt", b"This is mine now.", "text/plain"), acl="")
    assert alone.status_code in {409, 422}
    assert (await client.get(f"/documents/{closed['document_id']}/text")).status_code == 404


async def test_uploads_without_a_name_do_not_replace_each_other(client: httpx.AsyncClient) -> None:
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n' + text + b"\r\n--x--\r\n"
        for text in (b"One nameless.", b"Another nameless.")
    ]
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answers = [await client.post("/ingest", params=WAIT, content=part, headers=headers) for part in parts]
    names = [answer.json().get("source_document_id", answer.status_code) for answer in answers]
    assert len(set(names)) == 2 or names == [422, 422]


@pytest.mark.parametrize("name", ["字" * 1000, "x" * 1025, " "])
async def test_a_name_that_cannot_be_indexed_is_refused(client: httpx.AsyncClient, name: str) -> None:
    response = await client.post("/ingest", json={"text": "x", "title": "x", "source_document_id": name})
    assert response.status_code == 422
    response = await upload(client, (name + ".txt", b"x", "text/plain"))
    assert response.status_code in ({422} if len(name) > 1 else {200, 422})


async def test_a_uri_is_kept_and_can_be_changed(client: httpx.AsyncClient) -> None:
    made = await ingest_text(client, "Uri one.", source_document_id="uri", uri="https://example.com/1")
    url = f"/documents/{made['document_id']}"
    await ingest_text(client, "Uri two.", source_document_id="uri")
    assert (await client.get(url)).json()["uri"] == "https://example.com/1"
    await ingest_text(client, "Uri two.", source_document_id="uri", uri="https://example.com/2")
    assert (await client.get(url)).json()["uri"] == "https://example.com/2"


async def test_documents_are_listed_page_by_page(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await ingest_text(client, f"Page test {number}.", source_document_id=f"page-{number}")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/documents", params=params)).json()
        seen += [document["source_document_id"] for document in page["documents"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert [name for name in seen if name.startswith("page-")] == [f"page-{n}" for n in range(5)]


async def test_a_document_is_found_by_the_callers_name_for_it(client: httpx.AsyncClient) -> None:
    name = "s3/folder with space/ä?.md"
    made = await ingest_text(client, "Named.", source_document_id=name)
    (found,) = (await client.get("/documents", params={"source_document_id": name})).json()["documents"]
    assert found["document_id"] == made["document_id"]


ROWS_OF = """
SELECT (SELECT count(*) FROM source_documents WHERE id = $1)
     + (SELECT count(*) FROM source_versions WHERE source_id = $1)
     + (SELECT count(*) FROM documents WHERE source_id = $1)
     + (SELECT count(*) FROM chunk_embeddings WHERE source_id = $1)
     + (SELECT count(*) FROM chunk_terms WHERE source_id = $1)
     + (SELECT count(*) FROM source_attributes WHERE source_id = $1)
     + (SELECT count(*) FROM source_readers WHERE source_id = $1)
     + (SELECT count(*) FROM chunk_embeddings WHERE chunk_number NOT IN (SELECT number FROM documents))
     + (SELECT count(*) FROM postings WHERE chunk_number NOT IN (SELECT number FROM documents))
     + (SELECT count(*) FROM lexemes WHERE lexeme = 'chestnut')
     + (SELECT count(*) FROM message_citations WHERE document_id = $1 AND quote IS NOT NULL)
     + (SELECT count(*) FROM messages WHERE content LIKE '%chestnut%' AND role = 'assistant')
     + (SELECT count(*) FROM traces WHERE answer LIKE '%chestnut%')
"""


async def test_deleting_leaves_no_row_and_blanks_the_quotes(
    client: httpx.AsyncClient, logins: DatabaseLogins
) -> None:
    made = await ingest_text(client, "The secret tree is a chestnut behind the mill.", title="Trees")
    asked = await client.post("/chat", json={"query": "Which tree is the secret tree?"})
    assert "chestnut" in asked.json()["answer"]
    response = await client.delete(f"/documents/{made['document_id']}")
    assert response.status_code == 204
    connection = await connect(logins.app)
    try:
        tenant = await client.get("/documents", params={"limit": 1})
        assert tenant.status_code == 200
        await _become_default_tenant(connection, logins)
        assert await connection.fetchval(ROWS_OF, made["document_id"]) == 0
        kept = await connection.fetchval(
            "SELECT count(*) FROM message_citations WHERE document_id = $1", made["document_id"]
        )
        assert kept >= 1
    finally:
        await connection.close()
    assert (await client.get(f"/documents/{made['document_id']}")).status_code == 404
    assert (await client.delete(f"/documents/{made['document_id']}")).status_code == 404


async def _become_default_tenant(connection: object, logins: DatabaseLogins) -> None:
    system = await connect(logins.system)
    tenant_id = await system.fetchval("SELECT id FROM tenants WHERE slug = 'default'")
    await system.close()
    await connection.execute(  # type: ignore[attr-defined]
        "SELECT set_config('app.tenant_id', $1, false)", str(tenant_id)
    )


async def test_unknown_jobs_and_documents_are_not_found(client: httpx.AsyncClient) -> None:
    for path in (f"/ingest/{uuid4()}", f"/documents/{uuid4()}", f"/documents/{uuid4()}/text"):
        response = await client.get(path)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("file", "status", "word"),
    [
        (("empty.txt", b"", "text/plain"), 422, "empty"),
        (("blank.md", b" \n\t\n ", "text/markdown"), 422, "no text"),
        (("broken.pdf", b"%PDF-1.7\nnot a pdf at all", "application/pdf"), 422, "PDF"),
        (("program.exe", b"MZ" + b"\0" * 64, "application/x-msdownload"), 415, "supported"),
        (("old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 64, ""), 415, "supported"),
        (("nul.txt", b"one\0two and three", "text/plain"), 422, "NUL"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_with_the_reason(
    client: httpx.AsyncClient, file: tuple[str, bytes, str], status: int, word: str
) -> None:
    response = await upload(client, file)
    assert response.status_code == status
    assert word in response.json()["detail"]
    listed = await client.get("/documents", params={"source_document_id": file[0]})
    assert listed.json()["documents"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": "not json"},
        {"metadata": '["a list"]'},
        {"metadata": json.dumps({"deep": {"er": 1}})},
        {"metadata": '{"x": NaN}'},
        {"metadata": '{"x": "\\u0000"}'},
        {"metadata": '{"x": "\\ud800"}'},
        {"unknown_field": "x"},
        {"force_reindex": "perhaps"},
        {"title": "  "},
    ],
)
async def test_wrong_form_fields_are_refused(client: httpx.AsyncClient, fields: dict[str, str]) -> None:
    response = await upload(client, ("fields.txt", b"Some text.", "text/plain"), **fields)
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_form_without_a_file_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/ingest", files={"other": (None, "x")})
    assert response.status_code == 422
    assert "no file" in response.json()["detail"]


async def test_another_content_type_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/ingest", content=b"x", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415
