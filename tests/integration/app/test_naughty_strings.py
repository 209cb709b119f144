import json
from pathlib import Path

import httpx
import pytest

FILE = Path(__file__).parents[2] / "data" / "naughty_strings" / "blns.json"
STRINGS: list[str] = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("step", [10, pytest.param(1, marks=pytest.mark.slow)])
async def test_every_one_is_answered_or_refused_as_a_question(client: httpx.AsyncClient, step: int) -> None:
    await client.post("/ingest", params={"wait": 60}, json={"text": "Something to find.", "title": "Note"})
    for text in STRINGS[::step]:
        response = await client.post("/chat", json={"query": text})
        expected = 200 if text.strip() else 422
        assert response.status_code == expected, (text, response.text)
        if expected == 200:
            assert response.json()["answer"]


@pytest.mark.timeout(400)  # five hundred documents
@pytest.mark.slow
async def test_every_one_is_stored_exactly_or_refused_as_a_document(client: httpx.AsyncClient) -> None:
    for number, text in enumerate(STRINGS):
        fields = {"title": text, "source_document_id": f"naughty/{number}", "metadata": {"value": text}}
        response = await client.post("/ingest", params={"wait": 60}, json={"text": text, **fields})
        if not text.strip():
            assert response.status_code == 422, response.text
            continue
        if response.json().get("code") == "quarantined":
            continue  # a long one of nothing but combining signs
        assert response.status_code == 200, (text, response.text)
        document_id = response.json()["document_id"]
        stored = await client.get(f"/documents/{document_id}/text")
        assert stored.text == text.replace("\r\n", "\n").replace("\r", "\n")
        assert (await client.get(f"/documents/{document_id}")).json()["metadata"] == {"value": text}


async def test_every_one_works_as_a_file_name(client: httpx.AsyncClient) -> None:
    for text in STRINGS[::5]:
        response = await client.post(
            "/ingest", params={"wait": 60}, files={"file": (text or "unnamed", b"Content.", "text/plain")}
        )
        assert response.status_code in {200, 415, 422}, (text, response.text)
